use std::sync::Arc;

use cqrs_es::persist::{PersistedEventRepository, PersistedEventStore};
use cqrs_es::{AggregateError, CqrsFramework, EventStore};
use peer::{Bank, Failure, Seed};

use crate::account::{Account, Deposit};

/// A framework of cqrs-es on any of its stores.
pub struct Framework<S: EventStore<Account>>(pub Arc<CqrsFramework<Account, S>>);

impl<S: EventStore<Account>> Framework<S> {
    pub async fn execute(&self, account: &str, deposit: Deposit) -> Result<(), Failure> {
        match self.0.execute(account, deposit).await {
            Ok(()) => Ok(()),
            // With many connections, the busy timeout can expire. The command is sent again then.
            Err(
                error @ (AggregateError::AggregateConflict
                | AggregateError::DatabaseConnectionError(_)
                | AggregateError::UnexpectedError(_)),
            ) => Err(Failure::Again(error.to_string().into())),
            Err(error) => Err(Failure::Final(error.to_string().into())),
        }
    }
}

impl<S: EventStore<Account>> Clone for Framework<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> Bank for Framework<S>
where
    S: EventStore<Account> + 'static,
    S::AC: Send,
{
    async fn deposit(&self, account: &str) -> Result<(), Failure> {
        self.execute(
            account,
            Deposit {
                amount: 1,
                times: 1,
            },
        )
        .await
    }
}

impl<R> Seed for Framework<PersistedEventStore<R, Account>>
where
    R: PersistedEventRepository + 'static,
{
    async fn seed(&self, account: &str, events: u32) -> peer::Result<()> {
        let deposit = Deposit {
            amount: 1,
            times: events,
        };
        match self.execute(account, deposit).await {
            Ok(()) => Ok(()),
            Err(Failure::Again(error) | Failure::Final(error)) => Err(error),
        }
    }
}
