//! A view store without transactions: it writes views one by one, and may be interrupted between any
//! two writes.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{
    BoxFuture, CommitMode, Incarnation, Memory, ModelSchema, StoreError, StoredView, ViewBatch,
    ViewCapabilities, ViewChange, ViewCommitError, ViewPage, ViewScan, ViewStore,
};
use tokio::sync::{Mutex, watch};

/// The views are in a [`Memory`], which writes each of them by itself.
pub struct OneByOne {
    data: Memory,
    /// The position that was written last, by table and key; it stays when the view is deleted.
    positions: Mutex<HashMap<(String, String), Position>>,
    interruption: watch::Sender<Interruption>,
}

/// What happens instead of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It fails, and so does the commit.
    Fails,
    /// It never comes: the caller stops waiting for the commit.
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
            data: Memory::new(),
            positions: Mutex::default(),
            interruption: watch::Sender::new(Interruption::Never),
        })
    }

    /// After so many writes, of views and of checkpoints, the next one ends so.
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

    /// Begins a write, unless it is to be interrupted.
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

    async fn write(&self, change: ViewChange) -> Result<(), ViewCommitError> {
        let mut positions = self.positions.lock().await;
        let key = (change.model.table.clone(), change.key.clone());
        let known = positions.entry(key).or_default();
        if change.position <= *known {
            return Ok(());
        }
        *known = change.position;
        // A subscription of its own, whose checkpoint stays where it is.
        let subscription = "one-by-one";
        let batch = ViewBatch {
            subscription: subscription.to_owned(),
            from: self.data.checkpoint(subscription).await?,
            to: Position::START,
            incarnation: Incarnation::default(),
            changes: vec![change],
        };
        self.data.commit(batch).await
    }
}

#[deny(clippy::missing_trait_methods)]
impl ViewStore for OneByOne {
    fn prepare(&self, models: Vec<ModelSchema>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.data.prepare(models)
    }

    fn checkpoint(
        &self,
        subscription: &str,
    ) -> BoxFuture<'_, Result<Option<Position>, StoreError>> {
        self.data.checkpoint(subscription)
    }

    fn commit(&self, mut batch: ViewBatch) -> BoxFuture<'_, Result<(), ViewCommitError>> {
        Box::pin(async move {
            for change in std::mem::take(&mut batch.changes) {
                self.begin_write().await?;
                self.write(change).await?;
            }
            self.begin_write().await?;
            self.data.commit(batch).await
        })
    }

    fn wait_until_visible(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.data.wait_until_visible()
    }

    fn load(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.data.load(model, keys)
    }

    fn load_to_fold(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<StoredView>, StoreError>> {
        Box::pin(async move {
            let positions = self.positions.lock().await;
            let bodies = self.data.load(model.clone(), keys.clone()).await?;
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

    fn scan(&self, scan: ViewScan) -> BoxFuture<'_, Result<ViewPage, StoreError>> {
        self.data.scan(scan)
    }

    fn view_incarnation(&self) -> Incarnation {
        self.data.view_incarnation()
    }

    fn view_capabilities(&self) -> ViewCapabilities<'_> {
        ViewCapabilities::default().commits(CommitMode::ByPosition)
    }
}
