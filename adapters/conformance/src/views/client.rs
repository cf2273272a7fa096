use std::sync::Arc;

use cqrs_core::store::{
    Checkpoint, CommitMode, ModelSchema, Shard, ViewBatch, ViewPage, ViewScan, ViewStore,
};

use super::draft::SUBSCRIPTION;
use crate::ViewFixture;

/// Opens the fixture's data, as one process would.
pub(super) async fn open<F: ViewFixture>(fixture: &F) -> Arc<F::Views> {
    Arc::new(fixture.open_views().await)
}

/// Opens the fixture's data several times, as several processes would.
pub(super) async fn open_many<F: ViewFixture>(fixture: &F, count: usize) -> Vec<Arc<F::Views>> {
    let mut stores = Vec::with_capacity(count);
    for _ in 0..count {
        stores.push(open(fixture).await);
    }
    stores
}

/// Whether the store writes a batch in a transaction.
pub(super) fn is_atomic<S: ViewStore>(store: &S) -> bool {
    store.view_capabilities().commits == CommitMode::Atomic
}

/// Prepares one read model.
pub(super) async fn prepare<S: ViewStore>(store: &S, model: &Arc<ModelSchema>) {
    let prepared = store.prepare(vec![ModelSchema::clone(model)]).await;
    prepared.expect("the model is prepared");
}

/// Commits a batch, and expects success.
pub(super) async fn commit<S: ViewStore>(store: &S, batch: ViewBatch) {
    let checkpoint = batch.to.position;
    let committed = store.commit(batch).await;
    committed.unwrap_or_else(|error| panic!("the commit up to {checkpoint} failed: {error}"));
}

/// Waits until queries see all commits, and loads views as queries do.
pub(super) async fn load<S: ViewStore>(
    store: &S,
    model: &Arc<ModelSchema>,
    keys: &[&str],
) -> Vec<Option<String>> {
    wait_until_visible(store).await;
    let loaded = store.load(model.clone(), owned(keys)).await;
    text(loaded.expect("views can be loaded"))
}

/// Loads views as a projection does.
pub(super) async fn load_to_fold<S: ViewStore>(
    store: &S,
    model: &Arc<ModelSchema>,
    keys: &[&str],
) -> Vec<Option<String>> {
    let loaded = store
        .load_to_fold(model.clone(), owned(keys))
        .await
        .expect("views can be loaded");
    text(loaded.into_iter().map(|stored| stored.body).collect())
}

/// Waits until queries see all commits, and scans.
pub(super) async fn scan<S: ViewStore>(store: &S, scan: ViewScan) -> ViewPage {
    wait_until_visible(store).await;
    store.scan(scan).await.expect("views can be scanned")
}

/// Waits until queries see all earlier commits.
pub(super) async fn wait_until_visible<S: ViewStore>(store: &S) {
    let visible = store.wait_until_visible().await;
    visible.expect("commits become visible");
}

/// The checkpoint of the tests' subscription.
pub(super) async fn checkpoint<S: ViewStore>(store: &S) -> Option<u64> {
    let checkpoint = whole_checkpoint(store).await;
    checkpoint.map(|checkpoint| checkpoint.position.get())
}

/// The same, with its last event.
pub(super) async fn whole_checkpoint<S: ViewStore>(store: &S) -> Option<Checkpoint> {
    let checkpoint = store.checkpoint(&Shard::whole(SUBSCRIPTION)).await;
    checkpoint.expect("checkpoints can be read")
}

fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().copied().map(str::to_owned).collect()
}

fn text(views: Vec<Option<Vec<u8>>>) -> Vec<Option<String>> {
    views
        .into_iter()
        .map(|view| {
            let body = view?;
            Some(String::from_utf8(body).expect("the body is what was written"))
        })
        .collect()
}
