//! A cluster whose leader waits for no standby loses what was acknowledged last, and says so.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::app::{Role, SubscriptionState};
use cqrs_core::error::Failure;
use cqrs_core::prelude::*;
use cqrs_core::store::{AppendError, EventLog as _, EventLogExt as _, Incarnation, StoreError};
use cqrs_core::{CommandError, CommandId, Dispatcher};
use cqrs_postgres::{Postgres, StandbyHealth};
use test_cluster::{Cluster, Peer};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::PATIENCE;
use crate::audit::audit;
use crate::domain::{self, AllCounts, Step};

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Counters that lose some of their steps.
const COUNTERS: u32 = 5;

async fn on(cluster: &Arc<Cluster>, change: impl FnOnce(&Cluster) + Send + 'static) {
    let cluster = cluster.clone();
    let done = spawn_blocking(move || change(&cluster));
    done.await.expect("the cluster does it");
}

/// A step of each counter, each under an id of its own.
async fn step(app: &Dispatcher, ids: &[CommandId]) {
    for (counter, id) in (0..).zip(ids) {
        let stepped = app.execute(Step { counter }).id(*id).await;
        stepped.expect("it is recorded");
    }
    app.wait_until_idle(PATIENCE).await.expect("comes to rest");
}

/// Waits until both standbys have everything.
async fn wait_until_replayed(store: &Postgres) {
    let replayed = async {
        loop {
            let standbys = store.cluster_health().await.log.map(|log| log.standbys);
            let is_behind = |it: &StandbyHealth| it.bytes_behind != Some(0);
            if standbys.is_some_and(|it| it.len() == 2 && !it.iter().any(is_behind)) {
                return;
            }
            // Nothing tells of it.
            sleep(PAUSE).await;
        }
    };
    let waited = timeout(PATIENCE, replayed).await;
    waited.expect("the standbys follow");
}

fn ids() -> Vec<CommandId> {
    (0..COUNTERS).map(|_| CommandId::new()).collect()
}

/// Takes the cluster that other tests have had, whole and without an application.
pub async fn what_was_acknowledged_last_is_lost(cluster: &Arc<Cluster>) {
    on(cluster, Cluster::make_asynchronous).await;
    let store = Postgres::options().retry_timeout(PATIENCE);
    let store = store.connect(&cluster.url()).await.expect("connects");
    let builder = Dispatcher::builder().module(domain::module());
    let app = builder.store(store.clone()).build().await.expect("builds");
    // One whose views are elsewhere, and do not go back with the log.
    let builder = Dispatcher::builder().module(domain::module());
    let apart = builder.log(store.clone()).views(Memory::new());
    let apart = apart.roles([Role::Projections, Role::Queries]);
    let apart = apart.build().await.expect("builds");
    let kept = ids();
    step(&app, &kept).await;
    let head = store.head().await.expect("a head");
    let leader = {
        let cluster = cluster.clone();
        let asked = spawn_blocking(move || cluster.wait_for_leader());
        asked.await.expect("the cluster answers")
    };
    wait_until_replayed(&store).await;

    on(cluster, move |cluster| {
        cluster.cut_off(leader, Peer::Standbys);
    })
    .await;
    // Acknowledged, seen in views, and reacted to.
    let lost = ids();
    step(&app, &lost).await;
    let seen = store.head().await.expect("a head");
    assert_eq!(seen.since(head), u64::from(2 * COUNTERS));
    apart
        .query(AllCounts)
        .after_position(seen)
        .await
        .expect("it is seen");
    on(cluster, move |cluster| cluster.kill(leader)).await;

    // Decided on what is lost.
    match app.execute(Step { counter: 0 }).await {
        Err(CommandError::Failed(Failure::Append(AppendError::Store(StoreError::Rewound {
            ..
        })))) => {}
        other => panic!("it was decided on what is lost: {other:?}"),
    }
    assert_ne!(store.heads().incarnation(), Incarnation::default());
    let now = store.head().await.expect("a head");
    assert!(now < seen, "nothing was lost: {now}");
    // Views elsewhere are ahead of the log.
    let is_rewound = async {
        let says_so =
            |state: &SubscriptionState| state.to_string().contains("the log was replaced");
        while !apart
            .health()
            .subscriptions
            .iter()
            .any(|it| says_so(&it.state))
        {
            // Nothing tells of it.
            sleep(PAUSE).await;
        }
    };
    timeout(PATIENCE, is_rewound).await.expect("it says so");
    drop(apart);

    // Lost commands can be sent again, under the same ids.
    step(&app, &lost).await;
    app.shutdown(PATIENCE).await.expect("shuts down");
    drop(store);
    let sent = kept.iter().chain(&lost);
    let sent: Vec<String> = sent.map(|id| id.as_uuid().to_string()).collect();
    audit(&cluster.url(), &sent).await;
}
