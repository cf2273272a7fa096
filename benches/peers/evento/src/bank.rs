use evento::{Executor, WriteError, create_with, load_optional, save, save_with};
use peer::{Bank, Failure, Seed};

use crate::account::{Account, Deposited, LIMIT};

/// Number of events per commit when a history is written.
const BATCH: u32 = 1_000;

/// An executor of evento, with a function that drops its snapshots.
#[derive(Clone)]
pub struct Bound<E> {
    pub executor: E,
    pub pool: Option<sqlx::PgPool>,
}

impl<E: Executor + Clone> Bank for Bound<E> {
    async fn deposit(&self, account: &str) -> Result<(), Failure> {
        let executor = &self.executor;
        let loaded = load_optional::<Account, _>(executor, account);
        let loaded = loaded.await.map_err(|error| busy(error.to_string()))?;
        let balance = loaded.as_ref().map_or(0, |it| it.item.balance);
        if balance + 1 > LIMIT {
            return Err(Failure::Final("the account is full".into()));
        }
        let builder = match loaded {
            Some(account) => save_with(account),
            None => create_with::<Account>(account),
        };
        let deposited = Deposited { amount: 1 };
        let builder = builder.data(&deposited).map_err(encoding)?;
        let builder = builder.metadata(&true).map_err(encoding)?;
        builder.commit(executor).await.map_err(unwritten)?;
        Ok(())
    }
}

impl<E: Executor + Clone> Seed for Bound<E> {
    async fn seed(&self, account: &str, events: u32) -> peer::Result<()> {
        for first in (0..events).step_by(BATCH as usize) {
            let mut builder = save::<Account>(account);
            for _ in first..events.min(first + BATCH) {
                builder = builder.data(&Deposited { amount: 1 })?;
            }
            builder.metadata(&true)?.commit(&self.executor).await?;
        }
        Ok(())
    }

    async fn forget(&self) -> peer::Result<()> {
        if let Some(pool) = &self.pool {
            sqlx::query("DELETE FROM snapshot").execute(pool).await?;
        }
        Ok(())
    }
}

fn encoding(error: bincode::error::EncodeError) -> Failure {
    Failure::Final(error.into())
}

fn unwritten(error: WriteError) -> Failure {
    match error {
        WriteError::InvalidOriginalVersion => Failure::Again(error.into()),
        error => busy(error.to_string()),
    }
}

/// The failure for an error. After SQLite's busy timeout, the command is sent again.
fn busy(error: String) -> Failure {
    if error.contains("database is locked") {
        Failure::Again(error.into())
    } else {
        Failure::Final(error.into())
    }
}
