use std::sync::Arc;

use cqrs_core::store::{
    BoxFuture, Checkpoint, Incarnation, ModelSchema, Shard, StoreError, StoredView, ViewBatch,
    ViewCapabilities, ViewCommitError, ViewPage, ViewScan, ViewStore,
};

use crate::dialect::Table;
use crate::fault::Fault;
use crate::read::replica;
use crate::store::Shared;
use crate::write::checkpoint;
use crate::write::models::prepare;
use crate::{Postgres, read, write};

impl ViewStore for Postgres {
    fn prepare(&self, models: Vec<ModelSchema>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { Ok(prepare(self.shared(), &models).await?) })
    }

    fn checkpoint(&self, shard: &Shard) -> BoxFuture<'_, Result<Option<Checkpoint>, StoreError>> {
        let shard = shard.clone();
        Box::pin(async move {
            let Shared { pool, sql, .. } = self.shared();
            let found = pool.patiently(|| async {
                let client = pool.get_at_once().await?;
                checkpoint::find(&client, sql, &shard).await
            });
            Ok(found.await?)
        })
    }

    fn commit(&self, batch: ViewBatch) -> BoxFuture<'_, Result<(), ViewCommitError>> {
        Box::pin(write::views::commit(self.shared(), batch))
    }

    fn wait_until_visible(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            if self.shared().read_link.is_some() {
                let shared = self.shared();
                shared.reads.patiently(|| replica::replayed(shared)).await?;
            }
            Ok(())
        })
    }

    fn load(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        Box::pin(async move {
            if keys.is_empty() {
                return Ok(Vec::new());
            }
            let Shared {
                reads, view_loads, ..
            } = self.shared();
            let loaded = reads.patiently(|| view_loads.load(model.clone(), keys.clone()));
            Ok(loaded.await?)
        })
    }

    fn load_to_fold(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<StoredView>, StoreError>> {
        // Never from a replica, which may lack the last fold.
        Box::pin(async move {
            let Shared { pool, schema, .. } = self.shared();
            let table = Table::new(schema, &model).map_err(Fault::from)?;
            let bodies = pool.patiently(|| read::views::load(pool, &table, &keys));
            Ok(bodies.await?.into_iter().map(StoredView::from).collect())
        })
    }

    fn scan(&self, scan: ViewScan) -> BoxFuture<'_, Result<ViewPage, StoreError>> {
        Box::pin(async move {
            let Shared { reads, schema, .. } = self.shared();
            let found = reads.patiently(|| read::views::scan(reads, schema, &scan));
            Ok(found.await?)
        })
    }

    fn view_incarnation(&self) -> Incarnation {
        self.shared().log.view_incarnation()
    }

    fn view_capabilities(&self) -> ViewCapabilities<'_> {
        ViewCapabilities::default()
            .shards(self)
            .versions(self)
            .transactions(self)
            .reader(self)
    }
}
