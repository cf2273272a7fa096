//! Commands that load one aggregate and record one event, one of them with an async handler.

use cqrs_core::prelude::*;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Deposit {
    #[id(Account)]
    pub account: u32,
    pub amount: u64,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct DepositLater {
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

#[command_handler]
async fn deposit_later(command: DepositLater, account: &Account) -> Result<Deposited, Rejected> {
    let sum = account.balance.checked_add(command.amount);
    ensure!(sum.is_some(), "the account is full");
    Ok(Deposited {
        account: command.account,
        amount: command.amount,
    })
}
