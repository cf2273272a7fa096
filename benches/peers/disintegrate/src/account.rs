//! The same domain as `src/domain.rs` of the benchmarks, in the style of disintegrate.

use disintegrate::{Decision, Event, StateMutate, StateQuery};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Event, Serialize, Deserialize)]
pub enum AccountEvent {
    Deposited {
        #[id]
        account: String,
        amount: u64,
    },
}

/// An account that holds at most [`LIMIT`].
#[derive(Clone, Debug, Default, StateQuery, Serialize, Deserialize)]
#[state_query(AccountEvent)]
pub struct Account {
    #[id]
    account: String,
    balance: u64,
}

pub const LIMIT: u64 = 1 << 40;

impl StateMutate for Account {
    fn mutate(&mut self, event: Self::Event) {
        let AccountEvent::Deposited { amount, .. } = event;
        self.balance += amount;
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("the account is full")]
    Full,
}

pub struct Deposit {
    pub account: String,
    pub amount: u64,
}

impl Decision for Deposit {
    type Event = AccountEvent;
    type StateQuery = Account;
    type Error = AccountError;

    fn state_query(&self) -> Account {
        Account {
            account: self.account.clone(),
            balance: 0,
        }
    }

    fn process(&self, state: &Account) -> Result<Vec<AccountEvent>, AccountError> {
        if state.balance + self.amount > LIMIT {
            return Err(AccountError::Full);
        }
        Ok(vec![AccountEvent::Deposited {
            account: self.account.clone(),
            amount: self.amount,
        }])
    }
}
