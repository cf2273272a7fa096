//! The account, once more, with an event of which there is an earlier version. Both have the same fields.

use cqrs_core::prelude::*;

cqrs_core::module!();

#[derive(Event, Serialize, Deserialize)]
#[event(name = "deposited", version = 2)]
pub struct Deposited {
    #[id("account")]
    account: u32,
    amount: u64,
}

#[derive(Serialize, Deserialize)]
struct DepositedV1 {
    account: u32,
    amount: u64,
}

#[upcast(event = "deposited", from = 1)]
fn deposited_v1(DepositedV1 { account, amount }: DepositedV1) -> Deposited {
    Deposited { account, amount }
}

#[derive(Default)]
pub struct Savings {
    balance: u64,
}

#[aggregate(id = u32, name = "account")]
impl Savings {
    #[apply]
    fn deposited(&mut self, event: &Deposited) {
        self.balance += event.amount;
    }
}
