//! The same account, with its state stored every hundred events.

use cqrs_core::prelude::*;
use serde::{Deserialize, Serialize};

use super::AccountId;
use super::account::{AccountError, LIMIT};

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = AccountError)]
pub struct Save {
    #[id(Savings)]
    pub account: AccountId,
    pub amount: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "saved", version = 1)]
pub struct Saved {
    #[id(Savings)]
    pub account: AccountId,
    pub amount: u64,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Savings {
    balance: u64,
}

#[aggregate(id = AccountId, snapshot_every = 100)]
impl Savings {
    #[apply]
    fn saved(&mut self, event: &Saved) {
        self.balance += event.amount;
    }
}

#[command_handler]
fn save(command: Save, savings: &Savings) -> Result<Saved, AccountError> {
    if savings.balance + command.amount > LIMIT {
        return Err(AccountError::Full);
    }
    Ok(Saved {
        account: command.account,
        amount: command.amount,
    })
}

/// Adds a history to an account, without a check.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct FillSavings {
    pub account: AccountId,
    pub events: u32,
}

#[command_handler]
fn fill_savings(FillSavings { account, events }: FillSavings) -> Vec<Saved> {
    let account = std::iter::repeat_n(account, events as usize);
    account
        .map(|account| Saved { account, amount: 1 })
        .collect()
}
