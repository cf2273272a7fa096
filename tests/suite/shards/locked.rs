//! Shards that are locked by a process which hangs.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::Memory;
use cqrs_core::prelude::*;
use cqrs_core::store::{
    Attendance, BoxFuture, Claim, Division, Epoch, Halt, KeyRelease, ParkedKey, Relocation, Roster,
    Shard, ShardState, ShardStore, SkippedEvent, StoreError, ViewCapabilities, WorkerId,
};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::{parcels, processes};
use crate::support::decorated::{Decorated, Hooks};

/// Shards that somebody keeps locked.
struct LockedShards {
    store: Memory,
    attended: Arc<Semaphore>,
}

impl Hooks<Memory> for LockedShards {
    fn view_capabilities<'a>(&'a self, capabilities: ViewCapabilities<'a>) -> ViewCapabilities<'a> {
        capabilities.shards(self)
    }
}

impl ShardStore for LockedShards {
    fn attend(&self, attendance: Attendance) -> BoxFuture<'_, Result<Roster, StoreError>> {
        self.attended.add_permits(1);
        self.store.attend(attendance)
    }

    fn claim(
        &self,
        _: WorkerId,
        claims: Vec<Claim>,
    ) -> BoxFuture<'_, Result<Vec<Option<Epoch>>, StoreError>> {
        Box::pin(async move {
            // Not at once, like a database.
            yield_now().await;
            Ok(vec![None; claims.len()])
        })
    }

    fn release(&self, worker: WorkerId, all: Vec<Shard>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.release(worker, all)
    }

    fn leave(&self, worker: WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.leave(worker)
    }

    fn shards(&self, subscription: String) -> BoxFuture<'_, Result<Vec<ShardState>, StoreError>> {
        self.store.shards(subscription)
    }

    fn halt(
        &self,
        shard: Shard,
        halt: Halt,
        epoch: Option<Epoch>,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.store.halt(shard, halt, epoch)
    }

    fn resume(&self, shard: Shard, from_pause: bool) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.store.resume(shard, from_pause)
    }

    fn relocate(&self, relocation: Relocation) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.store.relocate(relocation)
    }

    fn seize(&self, worker: WorkerId, of: String) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.store.seize(worker, of)
    }

    fn divide(&self, division: Division) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.store.divide(division)
    }

    fn skipped(&self, of: String) -> BoxFuture<'_, Result<Vec<SkippedEvent>, StoreError>> {
        self.store.skipped(of)
    }

    fn parked(&self, of: Shard) -> BoxFuture<'_, Result<Vec<ParkedKey>, StoreError>> {
        self.store.parked(of)
    }

    fn release_keys(&self, of: KeyRelease) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.store.release_keys(of)
    }
}

/// Its owner hangs in a transaction, which may take long.
#[tokio::test(start_paused = true)]
async fn a_shard_that_is_locked_is_claimed_again_after_pauses() {
    let store = Memory::new();
    let attended = Arc::new(Semaphore::new(0));
    let hooks = LockedShards {
        store: store.clone(),
        attended: attended.clone(),
    };
    let store = Arc::new(store);
    let builders = [0, 1].map(|_| Dispatcher::builder().module(parcels::module()));
    let (_processes, [builder, _], _events) = processes(builders);
    let app = builder.store(Decorated { store, hooks }).build().await;
    let _app = app.expect("builds");
    let began = Instant::now();
    for _ in 0..20 {
        attended.acquire().await.expect("it attends").forget();
    }
    assert!(
        began.elapsed() > Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}
