//! A command that loads one aggregate and records one event.

use cqrs_core::prelude::*;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Deposit {
    #[id(Account)]
    pub account: u32,
    pub amount: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "deposited", version = 1)]
pub struct Deposited {
    #[id(Account)]
    account: u32,
    amount: u64,
}

#[derive(Default)]
pub struct Account {
    balance: u64,
}

#[aggregate(id = u32)]
impl Account {
    #[apply]
    fn deposited(&mut self, event: &Deposited) {
        self.balance += event.amount;
    }
}

#[command_handler]
fn deposit(command: Deposit, account: &Account) -> Result<Deposited, Rejected> {
    let sum = account.balance.checked_add(command.amount);
    ensure!(sum.is_some(), "the account is full");
    Ok(Deposited {
        account: command.account,
        amount: command.amount,
    })
}
