use std::error::Error;

use disintegrate::serde::json::Json;
use disintegrate::{DecisionError, EventStore, NoSnapshot, SnapshotConfig};
use disintegrate_postgres::{PgDecisionMaker, PgSnapshotter, WithPgSnapshot};
use peer::{Bank, Failure, Seed};

use crate::account::{AccountEvent, Deposit};
use crate::tables::{self, Store};

/// A decision maker, with snapshots or without.
#[derive(Clone)]
pub struct Decisions<S: SnapshotConfig + Clone> {
    store: Store,
    maker: PgDecisionMaker<AccountEvent, Json<AccountEvent>, S>,
}

impl Decisions<NoSnapshot> {
    pub async fn new(pool: sqlx::PgPool) -> peer::Result<Self> {
        let store = tables::create(&pool).await?;
        let maker = disintegrate_postgres::decision_maker(store.clone(), NoSnapshot);
        Ok(Self { store, maker })
    }
}

impl Decisions<WithPgSnapshot> {
    pub async fn with_snapshots(pool: sqlx::PgPool, every: u32) -> peer::Result<Self> {
        let store = tables::create(&pool).await?;
        let snapshots = PgSnapshotter::try_new(pool, every.into()).await?;
        let maker =
            disintegrate_postgres::decision_maker(store.clone(), WithPgSnapshot::new(snapshots));
        Ok(Self { store, maker })
    }
}

macro_rules! bank {
    ($snapshots:ty) => {
        impl Bank for Decisions<$snapshots> {
            async fn deposit(&self, account: &str) -> Result<(), Failure> {
                let deposit = Deposit {
                    account: account.to_owned(),
                    amount: 1,
                };
                match self.maker.make(deposit).await {
                    Ok(_) => Ok(()),
                    Err(DecisionError::StateStore(error)) if is_conflict(&*error) => {
                        Err(Failure::Again(error))
                    }
                    Err(error) => Err(Failure::Final(error.into())),
                }
            }
        }

        impl Seed for Decisions<$snapshots> {
            async fn seed(&self, account: &str, events: u32) -> peer::Result<()> {
                let event = AccountEvent::Deposited {
                    account: account.to_owned(),
                    amount: 1,
                };
                let events = vec![event; events as usize];
                self.store.append_without_validation(events).await?;
                Ok(())
            }
        }
    };
}

// A bound that covers both would be longer than the two.
bank!(NoSnapshot);
bank!(WithPgSnapshot);

/// Whether the error is a conflict: one of disintegrate itself, or of PostgreSQL about a
/// serializable transaction (40001, or 40P01 for a deadlock).
fn is_conflict(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    match error.downcast_ref() {
        Some(disintegrate_postgres::Error::Concurrency) => true,
        Some(disintegrate_postgres::Error::Database(sqlx::Error::Database(error))) => {
            matches!(error.code().as_deref(), Some("40001" | "40P01"))
        }
        _ => false,
    }
}
