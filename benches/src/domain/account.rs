//! The account of the commands. The peers' `account.rs` have the same domain.

use std::fmt;

use cqrs_core::prelude::*;
use serde::{Deserialize, Serialize};

/// Maximum balance of an account.
pub const LIMIT: u64 = 1 << 40;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub String);

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("the account is full")]
    Full,
}

/// Deposits money into an account.
#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = AccountError)]
pub struct Deposit {
    #[id(Account)]
    pub account: AccountId,
    pub amount: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "deposited", version = 1)]
pub struct Deposited {
    #[id(Account)]
    pub account: AccountId,
    pub amount: u64,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Account {
    balance: u64,
}

#[aggregate(id = AccountId)]
impl Account {
    #[apply]
    fn deposited(&mut self, event: &Deposited) {
        self.balance += event.amount;
    }
}

#[command_handler]
fn deposit(command: Deposit, account: &Account) -> Result<Deposited, AccountError> {
    if account.balance + command.amount > LIMIT {
        return Err(AccountError::Full);
    }
    Ok(Deposited {
        account: command.account,
        amount: command.amount,
    })
}

/// Adds a history to an account, without a check.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct FillAccount {
    pub account: AccountId,
    pub events: u32,
}

#[command_handler]
fn fill_account(FillAccount { account, events }: FillAccount) -> Vec<Deposited> {
    let account = std::iter::repeat_n(account, events as usize);
    account
        .map(|account| Deposited { account, amount: 1 })
        .collect()
}
