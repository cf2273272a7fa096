//! A view store without transactions: it writes views one by one, and may be interrupted between any
//! two writes.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{
    BoxFuture, Checkpoint, CommitMode, Epoch, Incarnation, Memory, ModelSchema, Shard, StoreError,
    StoredView, ViewBatch, ViewCapabilities, ViewChange, ViewCommitError, ViewStore,
};
use tokio::sync::{Mutex, watch};

use super::decorated::{Decorated, Hooks};

/// A store in memory that writes each view in a commit of its own.
pub type OneByOne = Decorated<Memory, SingleWrites>;

/// Splits commits into single writes, any of which can be interrupted.
pub struct SingleWrites {
    /// The position that was written last, by table and key. A deleted view keeps it.
    positions: Mutex<HashMap<(String, String), Position>>,
    interruption: watch::Sender<Interruption>,
}

/// The end of an interrupted write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The write fails, and so does the commit.
    Fails,
    /// The write never ends, and the caller stops waiting for the commit.
    Hangs,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Interruption {
    Never,
    After { writes: usize, end: End },
    Hangs,
}

impl OneByOne {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            store: Arc::new(Memory::new()),
            hooks: SingleWrites {
                positions: Mutex::default(),
                interruption: watch::Sender::new(Interruption::Never),
            },
        })
    }
}

impl SingleWrites {
    /// Interrupts the write after this number of writes, of views and of checkpoints.
    pub fn interrupt(&self, after: Option<(usize, End)>) {
        let interruption = after.map(|(writes, end)| Interruption::After { writes, end });
        let interruption = interruption.unwrap_or(Interruption::Never);
        self.interruption.send_replace(interruption);
    }

    /// Waits until a write hangs.
    pub async fn hangs(&self) {
        let mut interruption = self.interruption.subscribe();
        let hangs = interruption.wait_for(|it| *it == Interruption::Hangs);
        hangs.await.expect("the store is here");
    }

    /// Begins a write, unless it is the one to interrupt.
    async fn begin_write(&self) -> Result<(), StoreError> {
        let mut fails = false;
        self.interruption.send_modify(|it| {
            *it = match *it {
                Interruption::After {
                    writes: 0,
                    end: End::Hangs,
                } => Interruption::Hangs,
                Interruption::After {
                    writes: 0,
                    end: End::Fails,
                } => {
                    fails = true;
                    Interruption::Never
                }
                Interruption::After { writes, end } => Interruption::After {
                    writes: writes - 1,
                    end,
                },
                other => other,
            };
        });
        if fails {
            return Err(StoreError::Unavailable {
                reason: "it was interrupted".into(),
            });
        }
        if *self.interruption.borrow() == Interruption::Hangs {
            pending::<()>().await;
        }
        Ok(())
    }

    async fn write(&self, store: &Memory, change: ViewChange) -> Result<(), ViewCommitError> {
        let mut positions = self.positions.lock().await;
        let key = (change.model.table.clone(), change.key.clone());
        let known = positions.entry(key).or_default();
        if change.position <= *known {
            return Ok(());
        }
        *known = change.position;
        // A separate subscription, whose checkpoint stays where it is.
        let subscription = "one-by-one";
        let batch = ViewBatch {
            shard: Shard::whole(subscription),
            epoch: Epoch::UNCLAIMED,
            from: store
                .checkpoint(&Shard::whole(subscription))
                .await?
                .map(|it| it.position),
            to: Checkpoint::default(),
            incarnation: Incarnation::default(),
            changes: vec![change],
            parked: Vec::new(),
        };
        store.commit(batch).await
    }
}

impl Hooks<Memory> for SingleWrites {
    fn commit<'a>(
        &'a self,
        store: &'a Memory,
        mut batch: ViewBatch,
    ) -> BoxFuture<'a, Result<(), ViewCommitError>> {
        Box::pin(async move {
            for change in std::mem::take(&mut batch.changes) {
                self.begin_write().await?;
                self.write(store, change).await?;
            }
            self.begin_write().await?;
            store.commit(batch).await
        })
    }

    fn load_to_fold<'a>(
        &'a self,
        store: &'a Memory,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'a, Result<Vec<StoredView>, StoreError>> {
        Box::pin(async move {
            let positions = self.positions.lock().await;
            let bodies = store.load(model.clone(), keys.clone()).await?;
            let stored = keys.into_iter().zip(bodies).map(|(key, body)| StoredView {
                body,
                position: positions
                    .get(&(model.table.clone(), key))
                    .copied()
                    .unwrap_or_default(),
            });
            Ok(stored.collect())
        })
    }

    fn view_capabilities<'a>(&'a self, _: ViewCapabilities<'a>) -> ViewCapabilities<'a> {
        ViewCapabilities::default().commits(CommitMode::ByPosition)
    }
}
