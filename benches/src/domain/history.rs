//! A long history, written without decisions.

use cqrs_core::prelude::*;
use serde::{Deserialize, Serialize};

use super::account::{AccountId, Deposited};
use crate::load::Load;

/// Deposits money into the accounts with the numbers from `first` on, one event each, without a
/// check. After `accounts`, the numbers start at 0 again.
#[derive(Command, Clone, Copy, Serialize, Deserialize)]
pub struct FillAccounts {
    pub first: u32,
    pub events: u32,
    pub accounts: u32,
}

#[command_handler]
fn fill_accounts(command: FillAccounts) -> Vec<Deposited> {
    let numbers = command.first..command.first + command.events;
    numbers
        .map(|number| Deposited {
            account: AccountId(Load::id(number % command.accounts)),
            amount: 1,
        })
        .collect()
}
