use std::sync::Arc;

use cqrs_core::store::{
    BoxFuture, Checkpoint, ModelSchema, Shard, StoreError, ViewBatch, ViewCapabilities,
    ViewCommitError, ViewPage, ViewScan, ViewStore,
};

use crate::read::views;
use crate::write::check_models;
use crate::{Sqlite, row};

impl ViewStore for Sqlite {
    fn prepare(&self, models: Vec<ModelSchema>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let shared = self.shared();
            if shared.writer.is_some() {
                return shared.writer()?.prepare(models).await;
            }
            shared
                .readers
                .run(move |conn| check_models(conn, &models))
                .await
        })
    }

    fn checkpoint(&self, shard: &Shard) -> BoxFuture<'_, Result<Option<Checkpoint>, StoreError>> {
        let shard = shard.clone();
        self.shared()
            .readers
            .run(move |conn| row::checkpoint(conn, &shard))
    }

    fn commit(&self, batch: ViewBatch) -> BoxFuture<'_, Result<(), ViewCommitError>> {
        Box::pin(async move { self.shared().writer()?.commit(batch).await })
    }

    fn load(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.shared()
            .readers
            .run(move |conn| views::load(conn, &model, &keys))
    }

    fn scan(&self, scan: ViewScan) -> BoxFuture<'_, Result<ViewPage, StoreError>> {
        self.shared()
            .readers
            .run(move |conn| views::scan(conn, &scan))
    }

    fn view_capabilities(&self) -> ViewCapabilities<'_> {
        ViewCapabilities::default()
            .read_only(self.shared().writer.is_none())
            .shards(self)
            .versions(self)
            .transactions(self)
            .reader(self)
    }
}
