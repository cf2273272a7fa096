//! A view store without the fence: whoever commits is taken for the owner at the current checkpoint.

use std::sync::Arc;

use cqrs_core::store::{
    BoxFuture, Checkpoint, CommitMode, Incarnation, ModelSchema, Shard, StoreError, StoredView,
    ViewBatch, ViewCapabilities, ViewCommitError, ViewPage, ViewScan, ViewStore,
};

pub struct Unfenced(pub Arc<dyn ViewStore>);

#[deny(clippy::missing_trait_methods)]
impl ViewStore for Unfenced {
    fn prepare(&self, models: Vec<ModelSchema>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.0.prepare(models)
    }

    fn checkpoint(&self, shard: &Shard) -> BoxFuture<'_, Result<Option<Checkpoint>, StoreError>> {
        self.0.checkpoint(shard)
    }

    fn commit(&self, mut batch: ViewBatch) -> BoxFuture<'_, Result<(), ViewCommitError>> {
        Box::pin(async move {
            let shards = self.0.view_capabilities().shards;
            let shards = shards.expect("the store has shards");
            loop {
                let all = shards.shards(batch.shard.subscription.clone()).await?;
                let Some(state) = all.iter().find(|state| state.shard == batch.shard) else {
                    return Err(ViewCommitError::Moved { found: None });
                };
                batch.epoch = state.epoch;
                batch.from = state.checkpoint.map(|checkpoint| checkpoint.position);
                match self.0.commit(batch.clone()).await {
                    // Another commit has come in between, which is no fence.
                    Err(ViewCommitError::Moved { .. }) => {}
                    outcome => return outcome,
                }
            }
        })
    }

    fn wait_until_visible(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.0.wait_until_visible()
    }

    fn load(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.0.load(model, keys)
    }

    fn load_to_fold(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<StoredView>, StoreError>> {
        self.0.load_to_fold(model, keys)
    }

    fn scan(&self, scan: ViewScan) -> BoxFuture<'_, Result<ViewPage, StoreError>> {
        self.0.scan(scan)
    }

    fn view_incarnation(&self) -> Incarnation {
        self.0.view_incarnation()
    }

    fn view_capabilities(&self) -> ViewCapabilities<'_> {
        let capabilities = self.0.view_capabilities();
        capabilities
            .commits(CommitMode::Atomic)
            .without_transactions()
    }
}
