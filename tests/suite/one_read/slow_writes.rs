//! Pages whose writes take long, while the next ones are folded.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::app::{Health, SubscriptionState};
use cqrs_core::store::{
    BoxFuture, ModelSchema, ParkedKey, StoreError, StoredView, ViewBatch, ViewCommitError,
    ViewStore,
};
use cqrs_core::{Dispatcher, Memory, Position, Receipt, Timestamp};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::wells::{DryUp, Measure, Watch};
use super::{LONG, divided, hooked, levels, wells};
use crate::support::decorated::Hooks;

/// The first well of the second page.
const NEXT: u32 = 512;

/// Commits that wait until they may.
#[derive(Default)]
struct Slow {
    /// Whether the second page is being folded.
    is_next_folded: watch::Sender<bool>,
    is_open: watch::Sender<bool>,
}

impl Hooks<Memory> for Slow {
    fn commit<'a>(
        &'a self,
        store: &'a Memory,
        batch: ViewBatch,
    ) -> BoxFuture<'a, Result<(), ViewCommitError>> {
        Box::pin(async move {
            let mut open = self.is_open.subscribe();
            let may = open.wait_for(|is_open| *is_open).await;
            drop(may.expect("the sender is here"));
            store.commit(batch).await
        })
    }

    fn load_to_fold<'a>(
        &'a self,
        store: &'a Memory,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'a, Result<Vec<StoredView>, StoreError>> {
        if keys.contains(&NEXT.to_string()) {
            self.is_next_folded.send_replace(true);
        }
        store.load_to_fold(model, keys)
    }
}

/// A query after it has been answered at that position: no checkpoint was written there.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_stays_done_while_the_next_page_is_written() {
    let (store, builder) = hooked(&Memory::new(), Slow::default());
    let app = builder.module(levels::module()).build().await;
    let app = app.expect("builds");
    let total = |after: Receipt, within| {
        let query = app.query(levels::Total);
        query.after(&after).max_wait(within)
    };
    // Only the worker folds an event. A process that has not claimed the shard yet answers after one that is not
    // selected, too, and its worker would begin later, in a store without views: it would load none.
    store.is_open.send_replace(true);
    let watch = Watch {
        well: 3_000,
        times: 1,
    };
    let watched = app.execute(watch).await.expect("is watched");
    assert_eq!(total(watched, LONG).await.expect("answers"), 1);
    store.is_open.send_replace(false);
    let dried_up = app.execute(DryUp { well: 1 }).await.expect("dries up");
    assert_eq!(total(dried_up, LONG).await.expect("answers"), 1);
    let measure = Measure {
        first: 0,
        wells: 3_000,
    };
    app.execute(measure).await.expect("is measured");
    let mut next = store.is_next_folded.subscribe();
    let folded = timeout(LONG, next.wait_for(|is_folded| *is_folded)).await;
    drop(folded.expect("in time").expect("the sender is here"));
    let again = total(dried_up, Duration::ZERO).await;
    assert_eq!(again.expect("nothing was undone"), 1);
    store.is_open.send_replace(true);
    app.wait_until_idle(LONG).await.expect("catches up");
    assert_eq!(app.query(levels::Total).await.expect("answers"), 1_000);
}

/// The half of the slices that a well is in.
fn half_of(well: u32) -> u16 {
    let key = ParkedKey {
        partition: "well".to_owned(),
        key: well.to_string(),
        first: Position::START,
        cause: String::new(),
        since: Timestamp::UNIX_EPOCH,
        is_released: false,
    };
    key.slice() / 512
}

/// No event of the other half is in the next page, so nothing but the write is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_hangs_shows() {
    let memory = Memory::new();
    let builder = Dispatcher::builder().module(wells::module());
    let builder = builder.module(divided::module()).store(memory.clone());
    let app = builder.build().await.expect("builds");
    let divided = app.subscriptions().divide("divided-levels", 2).await;
    divided.expect("is divided");
    app.shutdown(LONG).await.expect("ends");
    let builder = Dispatcher::builder().module(wells::module());
    let app = builder.store(memory.clone()).build().await;
    let app = app.expect("builds");
    for (half, times) in [(0, 512), (1, 1)] {
        let well = (0..100).find(|well| half_of(*well) == half).expect("some");
        let watched = app.execute(Watch { well, times }).await;
        watched.expect("is watched");
    }
    app.shutdown(LONG).await.expect("ends");

    let (store, builder) = hooked(&memory, Slow::default());
    let patience = Duration::from_millis(400);
    let app = builder.module(divided::module()).stuck_after(patience);
    let app = app.build().await.expect("builds");
    let is_stuck = |state: &SubscriptionState| matches!(state, SubscriptionState::Stuck { .. });
    let all_stuck = async {
        let shows = |health: &Health| {
            let shards = &health.subscriptions[0].shards;
            shards.len() == 2 && shards.iter().all(|shard| is_stuck(&shard.state))
        };
        while !shows(&app.health()) {
            // Nothing tells of a time that has passed.
            sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = timeout(Duration::from_secs(10), all_stuck).await;
    in_time.unwrap_or_else(|_| panic!("{:?}", app.health()));
    store.is_open.send_replace(true);
    app.wait_until_idle(LONG).await.expect("catches up");
    assert!(app.health().is_ok());
}
