//! Watches in several processes: the one that handles the projection, and one that stands by.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cqrs_core::app::{Builder, Role, SubscriptionState};
use cqrs_core::prelude::*;
use cqrs_core::store::{BoxFuture, Checkpoint, Shard, StoreError, ViewStore as _};
use tokio::time::timeout;

use super::counters::{self, Runs, Total};
use super::{LONG, count, error, next, races, until};
use crate::support::decorated::{Decorated, Hooks};
use crate::support::stores::on_each_twice;

/// Three signs of life per second: then the processes soon agree on who handles what.
async fn built(builder: Builder) -> Dispatcher {
    let builder = builder.lease(Duration::from_secs(1));
    let builder = builder.provide(Arc::new(Runs::default()));
    builder.build().await.expect("builds")
}

/// The projections in this state.
fn in_state(app: &Dispatcher, state: &SubscriptionState) -> Vec<&'static str> {
    let subscriptions = app.health().subscriptions;
    let found = subscriptions.iter().filter(|it| it.state == *state);
    found.map(|it| it.name).collect()
}

/// Two processes, first the one that handles the sums. The other one handles the counters.
async fn processes(builders: [Builder; 2]) -> [Dispatcher; 2] {
    let [first, second] = builders;
    let apps = [built(first).await, built(second).await];
    loop {
        let running = [&apps[0], &apps[1]].map(|app| in_state(app, &SubscriptionState::Running));
        let stands_by = [&apps[0], &apps[1]].map(|app| in_state(app, &SubscriptionState::Standby));
        if running
            .iter()
            .chain(&stands_by)
            .all(|names| names.len() == 1)
        {
            let [first, second] = apps;
            return if running[0] == ["sums"] {
                [first, second]
            } else {
                [second, first]
            };
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stands_by_is_told_of_changes() {
    on_each_twice(counters::module(), |builders| async move {
        let [handles, stands_by] = processes(builders).await;
        let mut totals = stands_by.watch(Total);
        assert_eq!(next(&mut totals).await.output, 0);
        for times in 1..=10 {
            let writer = [&handles, &stands_by][usize::from(times % 2 == 0)];
            count(writer).await;
            assert_eq!(next(&mut totals).await.output, times);
        }
        let standby = in_state(&stands_by, &SubscriptionState::Standby);
        assert_eq!(standby, ["sums"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missed_in_any_process() {
    on_each_twice(counters::module(), |builders| async move {
        let apps = processes(builders).await;
        let mut done = 0;
        for _ in 0..10 {
            done = races::round(&apps, done).await;
        }
    })
    .await;
}

/// The process that stood by handles the events from then on.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_when_another_process_takes_over() {
    on_each_twice(counters::module(), |builders| async move {
        let [handles, stands_by] = processes(builders).await;
        let mut totals = stands_by.watch(Total);
        until(&mut totals, 0).await;
        count(&handles).await;
        assert_eq!(next(&mut totals).await.output, 1);
        handles.shutdown(LONG).await.expect("shuts down");
        count(&stands_by).await;
        assert_eq!(next(&mut totals).await.output, 2);
    })
    .await;
}

/// A web server in front, and a worker behind it.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_handles_no_events_is_told_of_changes() {
    on_each_twice(counters::module(), |[web, worker]| async move {
        let web = built(web.roles([Role::Commands, Role::Queries])).await;
        let worker = built(worker.roles([Role::Projections])).await;
        let mut totals = web.watch(Total);
        assert_eq!(next(&mut totals).await.output, 0);
        for times in 1..=5 {
            count(&web).await;
            assert_eq!(next(&mut totals).await.output, times);
        }
        let mut refused = worker.watch(Total);
        let text = error(&mut refused).await.to_string();
        assert!(text.contains("does not have the role `queries`"), "{text}");
        assert!(refused.next().await.is_none());
    })
    .await;
}

/// Counts the reads of checkpoints.
#[derive(Default)]
struct Reads(AtomicUsize);

impl Hooks<Memory> for Reads {
    fn checkpoint<'a>(
        &'a self,
        store: &'a Memory,
        shard: &Shard,
    ) -> BoxFuture<'a, Result<Option<Checkpoint>, StoreError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        store.checkpoint(shard)
    }
}

/// Four reads per second, and none after the wait.
#[tokio::test(start_paused = true)]
async fn a_process_that_stands_by_looks_only_while_somebody_waits() {
    const TIME: Duration = Duration::from_secs(10);
    let memory = Memory::new();
    let stores = [0, 1].map(|_| {
        Arc::new(Decorated {
            store: Arc::new(memory.clone()),
            hooks: Reads::default(),
        })
    });
    let builders = [0, 1].map(|process: usize| {
        let builder = Dispatcher::builder().module(counters::module());
        builder.log(memory.clone()).views(stores[process].clone())
    });
    let apps = processes(builders).await;
    let reads = || {
        let reads = stores
            .each_ref()
            .map(|store| store.hooks.0.load(Ordering::SeqCst));
        reads.iter().sum::<usize>()
    };
    let mut totals = apps[1].watch(Total);
    assert_eq!(next(&mut totals).await.output, 0);

    let before = reads();
    let waited = timeout(TIME, totals.next()).await;
    waited.expect_err("nothing has changed");
    let during = reads() - before;
    assert!((30..60).contains(&during), "{during} reads");

    let before = reads();
    tokio::time::sleep(TIME).await;
    assert_eq!(reads(), before, "nobody waits");

    count(&apps[0]).await;
    assert_eq!(next(&mut totals).await.output, 1);
    drop(totals);
    let before = reads();
    tokio::time::sleep(TIME).await;
    let after = reads() - before;
    assert!(after <= 4, "{after} reads, and not only as of the roster");
}
