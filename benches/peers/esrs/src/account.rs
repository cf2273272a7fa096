//! The same domain as `src/domain.rs` of the benchmarks, in the style of esrs.

use esrs::Aggregate;
use serde::{Deserialize, Serialize};

/// An account that holds at most [`LIMIT`].
pub struct Account;

#[derive(Default)]
pub struct AccountState {
    balance: u64,
}

pub const LIMIT: u64 = 1 << 40;

pub struct Deposit {
    pub amount: u64,
}

#[derive(Serialize, Deserialize)]
pub enum AccountEvent {
    Deposited { amount: u64 },
}

#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("the account is full")]
    Full,
}

impl Aggregate for Account {
    const NAME: &'static str = "account";
    type State = AccountState;
    type Command = Deposit;
    type Event = AccountEvent;
    type Error = AccountError;

    fn handle_command(
        state: &AccountState,
        command: Deposit,
    ) -> Result<Vec<AccountEvent>, AccountError> {
        if state.balance + command.amount > LIMIT {
            return Err(AccountError::Full);
        }
        Ok(vec![AccountEvent::Deposited {
            amount: command.amount,
        }])
    }

    fn apply_event(state: AccountState, event: AccountEvent) -> AccountState {
        let AccountEvent::Deposited { amount } = event;
        AccountState {
            balance: state.balance + amount,
        }
    }
}
