use std::sync::Arc;

use esrs::AggregateState;
use esrs::manager::AggregateManager;
use esrs::store::EventStore;
use esrs::store::postgres::{PgStore, PgStoreBuilder, PgStoreError};
use peer::{Bank, Failure, Seed};
use uuid::Uuid;

use crate::account::{Account, AccountEvent, Deposit};

/// An aggregate manager, used in one of the two ways of its example `locking_strategies`.
#[derive(Clone)]
pub struct Accounts {
    store: PgStore<Account>,
    manager: Arc<AggregateManager<PgStore<Account>>>,
    locks: bool,
}

impl Accounts {
    pub async fn new(pool: sqlx::PgPool, locks: bool) -> peer::Result<Self> {
        let store: PgStore<Account> = PgStoreBuilder::new(pool).try_build().await?;
        Ok(Self {
            manager: Arc::new(AggregateManager::new(store.clone())),
            store,
            locks,
        })
    }
}

impl Bank for Accounts {
    async fn deposit(&self, account: &str) -> Result<(), Failure> {
        let id = uuid(account);
        let state = if self.locks {
            let state = self.manager.lock_and_load(id).await.map_err(failure)?;
            state.unwrap_or_default()
        } else {
            let state = self.manager.load(id).await.map_err(failure)?;
            state.unwrap_or_else(|| AggregateState::with_id(id))
        };
        match self
            .manager
            .handle_command(state, Deposit { amount: 1 })
            .await
        {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Failure::Final(error.into())),
            Err(error) => Err(failure(error)),
        }
    }
}

impl Seed for Accounts {
    async fn seed(&self, account: &str, events: u32) -> peer::Result<()> {
        let events = (0..events).map(|_| AccountEvent::Deposited { amount: 1 });
        let mut state = AggregateState::with_id(uuid(account));
        self.store.persist(&mut state, events.collect()).await?;
        Ok(())
    }
}

/// Aggregates of esrs have UUIDs.
fn uuid(account: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, account.as_bytes())
}

fn failure(error: PgStoreError) -> Failure {
    let taken = matches!(&error, PgStoreError::Sqlx(sqlx::Error::Database(error)) if error.is_unique_violation());
    if taken {
        Failure::Again(error.into())
    } else {
        Failure::Final(error.into())
    }
}
