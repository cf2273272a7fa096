//! Shards that are locked by a process which hangs.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::Memory;
use cqrs_core::prelude::*;
use cqrs_core::store::{
    Attendance, BoxFuture, Claim, Epoch, Roster, ShardStore, StoreError, WorkerId,
};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::{parcels, processes};
use crate::support::decorated::{Decorated, Hooks};

/// Shards that somebody keeps locked.
struct LockedShards {
    attended: Arc<Semaphore>,
}

impl Hooks<Memory> for LockedShards {
    fn attend<'a>(
        &'a self,
        shards: &'a dyn ShardStore,
        attendance: Attendance,
    ) -> BoxFuture<'a, Result<Roster, StoreError>> {
        self.attended.add_permits(1);
        shards.attend(attendance)
    }

    fn claim<'a>(
        &'a self,
        _: &'a dyn ShardStore,
        _: WorkerId,
        claims: Vec<Claim>,
    ) -> BoxFuture<'a, Result<Vec<Option<Epoch>>, StoreError>> {
        Box::pin(async move {
            // Not at once, like a database.
            yield_now().await;
            Ok(vec![None; claims.len()])
        })
    }
}

/// Its owner hangs in a transaction, which may take long.
#[tokio::test(start_paused = true)]
async fn a_shard_that_is_locked_is_claimed_again_after_pauses() {
    let attended = Arc::new(Semaphore::new(0));
    let hooks = LockedShards {
        attended: attended.clone(),
    };
    let store = Arc::new(Memory::new());
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
