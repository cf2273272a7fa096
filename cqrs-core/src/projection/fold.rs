use std::any::TypeId;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::dispatcher::{Guarded, Models, panic_message};
use crate::error::{Error, Result};
use crate::handler::{Fold, FoldScope, Folded, TxSlot};
use crate::store::{Recorded, Store, ViewChange};
use crate::views::ErasedBuffer;
use crate::wiring::PlannedProjection;

/// Views kept in memory between batches, per read model.
const KEEP: usize = 10_000;

/// Runs the folds of a projection on views in memory.
pub(super) struct Folder {
    name: &'static str,
    folds: HashMap<&'static str, Fold>,
    buffers: HashMap<TypeId, Arc<dyn ErasedBuffer>>,
    pub(super) takes_transaction: bool,
    store: Arc<dyn Store>,
}

impl Folder {
    pub(super) fn new(plan: &PlannedProjection, models: &Models, store: Arc<dyn Store>) -> Self {
        let buffers = plan.models().into_iter().filter_map(|model| {
            let (_, schema) = models.get(&model.id)?;
            Some((model.id, (model.buffer)(schema.clone())))
        });
        Self {
            name: plan.entry.name,
            folds: plan
                .folds
                .iter()
                .map(|fold| (fold.event, fold.clone()))
                .collect(),
            buffers: buffers.collect(),
            takes_transaction: plan.takes_transaction(),
            store,
        }
    }

    /// Folds one event: whole, or with no trace. Returns the name of what folded it.
    pub(super) async fn fold(
        &self,
        event: &Recorded,
        tx: Option<&TxSlot>,
    ) -> (&'static str, Result<()>) {
        let Some(fold) = self.folds.get(event.event_type.as_str()) else {
            return (self.name, Ok(()));
        };
        let result = loop {
            let result = self.run(fold, event, tx).await;
            match self.load_missing().await {
                Ok(true) => self.discard(),
                Ok(false) => break result,
                Err(error) => break Err(error),
            }
        };
        match result {
            Ok(()) => self.buffers.values().for_each(|buffer| buffer.settle()),
            Err(_) => self.discard(),
        }
        (fold.name, result)
    }

    async fn run(&self, fold: &Fold, recorded: &Recorded, tx: Option<&TxSlot>) -> Result<()> {
        let scope = FoldScope {
            recorded,
            buffers: &self.buffers,
            tx,
        };
        let panicked = |message| Error::message(format!("it panicked: {message}"));
        match catch_unwind(AssertUnwindSafe(|| (fold.run)(recorded, &scope))) {
            Ok(Folded::Now(result)) => result,
            Ok(Folded::Later(future)) => Guarded(future).await.map_err(panicked)?,
            Err(panic) => Err(panicked(panic_message(&*panic))),
        }
    }

    /// Loads the views that the fold asked for in vain; whether there were any.
    async fn load_missing(&self) -> Result<bool> {
        let mut any = false;
        for buffer in self.buffers.values() {
            let keys = buffer.take_missing();
            if keys.is_empty() {
                continue;
            }
            any = true;
            let bodies = self
                .store
                .load_to_fold(buffer.schema().clone(), keys.clone())
                .await?;
            for (key, body) in keys.into_iter().zip(bodies) {
                buffer.insert(key, body.as_deref())?;
            }
        }
        Ok(any)
    }

    /// What to write.
    pub(super) fn changes(&self) -> Result<Vec<ViewChange>> {
        let mut changes = Vec::new();
        for buffer in self.buffers.values() {
            changes.extend(buffer.changes()?);
        }
        Ok(changes)
    }

    pub(super) fn committed(&self) {
        self.buffers
            .values()
            .for_each(|buffer| buffer.committed(KEEP));
    }

    /// Forgets everything in memory.
    pub(super) fn reset(&self) {
        self.buffers.values().for_each(|buffer| buffer.reset());
    }

    fn discard(&self) {
        self.buffers.values().for_each(|buffer| buffer.discard());
    }
}
