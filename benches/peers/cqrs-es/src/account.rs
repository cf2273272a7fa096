//! The same domain as `src/domain.rs` of the benchmarks, in the style of cqrs-es.

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

/// An account that holds at most [`LIMIT`].
#[derive(Default, Serialize, Deserialize)]
pub struct Account {
    balance: u64,
}

pub const LIMIT: u64 = 1 << 40;

pub struct Deposit {
    pub amount: u64,
    /// Number of events. More than one only to fill an account with a long history.
    pub times: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AccountEvent {
    Deposited { amount: u64 },
}

#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("the account is full")]
    Full,
}

impl DomainEvent for AccountEvent {
    fn event_type(&self) -> String {
        "deposited".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = Deposit;
    type Event = AccountEvent;
    type Error = AccountError;
    type Services = ();

    async fn handle(
        &mut self,
        command: Deposit,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), AccountError> {
        if self.balance + command.amount > LIMIT {
            return Err(AccountError::Full);
        }
        for _ in 0..command.times {
            let amount = command.amount;
            sink.write(AccountEvent::Deposited { amount }, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: AccountEvent) {
        let AccountEvent::Deposited { amount } = event;
        self.balance += amount;
    }
}
