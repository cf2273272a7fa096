//! The views of a live version are built again beside it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cqrs_conformance::StoreFixture;
use cqrs_core::app::{Rebuild, Role};
use cqrs_core::store::{ShardStore, Store};
use cqrs_core::{Dispatcher, Memory, Position};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;
use futures_util::future::{join, join_all};
use tokio::time::timeout;

use super::jobs::{DAMAGED, damage};
use super::programs::points::Score;
use super::programs::{NAME, WEIGHT, beside, first, points, repaired, second, weighted};
use crate::support::postgres::Schema;
use crate::support::stores::on_each_twice;

const LIMIT: Duration = Duration::from_secs(30);

const PLAYERS: u32 = 20;

async fn score(app: &Dispatcher, player: u32) -> Position {
    let score = Score { player, points: 1 };
    app.execute(score).await.expect("is carried out").last()
}

async fn points_of(app: &Dispatcher, player: u32) -> u64 {
    let of = repaired::PointsOf { player };
    app.query(of).await.expect("it is answered meanwhile")
}

/// Two processes with the repaired fold, and views of before.
async fn repaired(one: cqrs_core::app::Builder) -> [Dispatcher; 2] {
    let old = one.module(first::module()).build().await.expect("builds");
    let mut last = Position::START;
    for player in 0..PLAYERS {
        last = score(&old, player).await;
    }
    let caught_up = old.wait_until_caught_up(last, LIMIT).await;
    caught_up.expect("catches up");
    let new = beside(&old, repaired::module()).build().await;
    let other = beside(&old, repaired::module()).build().await;
    old.shutdown(LIMIT).await.expect("ends");
    [new.expect("builds"), other.expect("builds")]
}

/// Builds the views again, and asks meanwhile.
async fn rebuild(app: &Dispatcher, other: &Dispatcher, expected: [u64; 2]) {
    let mut rebuild = app.subscriptions().rebuild(NAME).await.expect("begins");
    while let Some(progress) = rebuild.next().await {
        progress.expect("nothing fails");
        let points = points_of(other, 3).await;
        assert!(expected.contains(&points), "{points}");
    }
    for app in [app, other] {
        assert_eq!(points_of(app, 3).await, expected[1]);
    }
}

async fn finish(mut rebuild: Rebuild<'_>) {
    while let Some(progress) = rebuild.next().await {
        progress.expect("nothing fails");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_version_is_built_again_beside_itself() {
    on_each_twice(points::module(), async |[one, _]| {
        let [app, other] = repaired(one).await;
        rebuild(&app, &other, [1, 7]).await;
        // In shards, and twice.
        let divided = app.subscriptions().divide(NAME, 3).await;
        divided.expect("it has a partition");
        rebuild(&other, &app, [7, 7]).await;
        let last = score(&app, 3).await;
        for app in [&app, &other] {
            let of = repaired::PointsOf { player: 3 };
            let answer = app.query(of).after_position(last).max_wait(LIMIT).await;
            assert_eq!(answer.expect("answers"), 14);
            let all = app.query(repaired::AllPoints {}).await.expect("answers");
            assert_eq!(all.len(), 20);
            assert_eq!(all.iter().map(|(_, points)| points).sum::<u64>(), 21 * 7);
        }
    })
    .await;
}

/// In the process in which it became live, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_built_again_where_it_became_live() {
    on_each_twice(points::module(), async |[one, _]| {
        let old = one.module(first::module()).build().await.expect("builds");
        for player in 0..PLAYERS {
            score(&old, player).await;
        }
        WEIGHT.store(1, Ordering::SeqCst);
        let app = beside(&old, weighted::module()).build().await;
        let app = app.expect("builds");
        finish(app.subscriptions().rebuild(NAME).await.expect("begins")).await;
        let last = score(&app, 3).await;
        let of = weighted::PointsOf { player: 3 };
        let answer = app.query(of.clone()).after_position(last).await;
        assert_eq!(answer.expect("it is live"), 2);

        WEIGHT.store(7, Ordering::SeqCst);
        finish(app.subscriptions().rebuild(NAME).await.expect("begins")).await;
        assert_eq!(app.query(of).await.expect("answers"), 14);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rebuilds_at_once_come_to_their_end() {
    on_each_twice(points::module(), async |[one, _]| {
        let [app, other] = repaired(one).await;
        for shards in [1, 4] {
            let divided = app.subscriptions().divide(NAME, shards).await;
            divided.expect("it has a partition");
            let both = [(&app, &other), (&other, &app)];
            let rebuilds = both.map(|(app, other)| rebuild(app, other, [1, 7]));
            join_all(rebuilds).await;
        }
        let all = app.query(repaired::AllPoints {}).await.expect("answers");
        assert_eq!(all.iter().map(|(_, points)| points).sum::<u64>(), 20 * 7);
    })
    .await;
}

/// The new views never win a race to the head with all of these shards by chance.
#[tokio::test(flavor = "multi_thread")]
async fn the_views_of_many_busy_shards_are_built_again() {
    const SHARDS: u16 = 16;
    on_each_twice(points::module(), async |[one, _]| {
        let [app, other] = repaired(one).await;
        let divided = app.subscriptions().divide(NAME, SHARDS).await;
        divided.expect("it has a partition");
        let is_over = AtomicBool::new(false);
        let scoring = (0..u32::from(SHARDS)).map(async |player| {
            let mut scored = 0;
            while !is_over.load(Ordering::SeqCst) {
                let of = repaired::PointsOf {
                    player: 1000 + player,
                };
                let position = score(&app, of.player).await;
                let answer = app.query(of).after_position(position).max_wait(LIMIT).await;
                answer.expect("answers");
                scored += 1;
            }
            scored
        });
        let rebuilding = async {
            let rebuild = rebuild(&other, &app, [1, 7]);
            let in_time = timeout(2 * LIMIT, rebuild).await;
            is_over.store(true, Ordering::SeqCst);
            in_time.expect("it ends while events are recorded");
        };
        let (scored, ()) = tokio::join!(join_all(scoring), rebuilding);
        let last = score(&app, 0).await;
        for app in [&app, &other] {
            let all = app.query(repaired::AllPoints {});
            let all = all.after_position(last).max_wait(LIMIT).await;
            let points: u64 = all.expect("answers").iter().map(|(_, points)| points).sum();
            let scored: u64 = scored.iter().sum();
            assert_eq!(points, (u64::from(PLAYERS) + scored + 1) * 7);
        }
    })
    .await;
}

/// An operator divides the version while its views are built again.
#[tokio::test(flavor = "multi_thread")]
async fn a_division_outlasts_a_rebuild() {
    on_each_twice(points::module(), async |[one, _]| {
        let [app, other] = repaired(one).await;
        for shards in [4, 2, 1] {
            let subscriptions = app.subscriptions();
            let begun = subscriptions.rebuild(NAME).await.expect("begins");
            let divided = other.subscriptions().divide(NAME, shards).await;
            divided.expect("it has a partition");
            finish(begun).await;
            let health = other.health().subscriptions;
            let found = health
                .iter()
                .find(|it| it.name == NAME)
                .expect("it is there");
            assert_eq!(found.shards.len().max(1), usize::from(shards));
            let divided = app.subscriptions().divide(NAME, shards).await;
            divided.expect("it has a partition");
            let last = score(&app, 3).await;
            let of = repaired::PointsOf { player: 3 };
            let answer = other.query(of).after_position(last).max_wait(LIMIT).await;
            answer.expect("answers");
        }
        let of = repaired::PointsOf { player: 3 };
        assert_eq!(app.query(of).await.expect("answers"), 4 * 7);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_that_is_recorded_while_views_are_built_again() {
    on_each_twice(points::module(), async |[one, _]| {
        let [app, other] = repaired(one).await;
        let is_over = AtomicBool::new(false);
        let scoring = async {
            let mut scored = 0;
            while !is_over.load(Ordering::SeqCst) {
                let position = score(&app, 5).await;
                scored += 1;
                let of = repaired::PointsOf { player: 5 };
                let asked = other.query(of).after_position(position).max_wait(LIMIT);
                let answer = asked.await.expect("answers");
                // Of the old fold's views, or of the new one's.
                assert!(
                    [1 + scored * 7, 7 + scored * 7].contains(&answer),
                    "{answer}"
                );
                tokio::task::yield_now().await;
            }
            scored
        };
        let rebuilding = async {
            finish(other.subscriptions().rebuild(NAME).await.expect("begins")).await;
            is_over.store(true, Ordering::SeqCst);
        };
        let (scored, ()) = tokio::join!(scoring, rebuilding);
        let last = score(&app, 5).await;
        for app in [&app, &other] {
            let of = repaired::PointsOf { player: 5 };
            let answer = app.query(of).after_position(last).max_wait(LIMIT).await;
            assert_eq!(answer.expect("answers"), (scored + 2) * 7);
        }
    })
    .await;
}

/// Nothing is recorded meanwhile, so no checkpoint moves.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_of_views_that_were_built_again() {
    // On the heap, since it is large.
    Box::pin(on_each_twice(points::module(), async |[one, _]| {
        let [app, other] = repaired(one).await;
        // This one handles no events.
        let web = beside(&app, repaired::module()).roles([Role::Queries]);
        let web = web.build().await.expect("builds");
        let apps = [&app, &other, &web];
        let mut watches = apps.map(|app| app.watch(repaired::PointsOf { player: 3 }));
        for watch in &mut watches {
            let answer = watch.next().await.expect("goes on").expect("answers");
            assert_eq!(answer.output, 1);
        }
        let answers = watches.map(async |mut watch| {
            let answer = timeout(LIMIT, watch.next()).await.expect("in time");
            answer.expect("goes on").expect("answers").output
        });
        let rebuild = app.subscriptions().rebuild(NAME).await.expect("begins");
        let (answers, ()) = join(join_all(answers), finish(rebuild)).await;
        assert_eq!(answers, [7, 7, 7]);
    }))
    .await;
}

/// Builds the views of a version again that became live in this process: by hand, or by itself and before anybody
/// waited for its build.
async fn is_built_again_where_it_became_live<S>(store: S, by_hand: bool)
where
    S: Store + ShardStore + Clone,
{
    let damaged = async |app: &Dispatcher| {
        let of = second::PointsOf { player: DAMAGED };
        app.query(of).await.expect("answers")
    };
    let old = Dispatcher::builder().module(points::module());
    let old = old.module(first::module()).store(store.clone()).build();
    let old = old.await.expect("builds");
    for player in 0..PLAYERS {
        score(&old, player).await;
    }
    let app = beside(&old, second::module()).hold_versions(by_hand);
    let app = app.build().await.expect("builds");
    let subscriptions = app.subscriptions();
    app.wait_until_idle(LIMIT).await.expect("it is built");
    old.shutdown(LIMIT).await.expect("ends");
    app.wait_until_idle(LIMIT).await.expect("it has all shards");
    if by_hand {
        subscriptions.switch(NAME).await.expect("is complete");
    }
    assert_eq!(damaged(&app).await, 10);
    damage(&store).await;
    assert_eq!(damaged(&app).await, 1);
    if !by_hand {
        // A job that awaits the build of before does not build it twice.
        finish(subscriptions.rebuild(NAME).await.expect("is over")).await;
        assert_eq!(damaged(&app).await, 1);
    }
    finish(subscriptions.rebuild(NAME).await.expect("begins")).await;
    assert_eq!(damaged(&app).await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_became_live_in_this_process_is_built_again() {
    for by_hand in [true, false] {
        is_built_again_where_it_became_live(Memory::new(), by_hand).await;

        let directory = tempfile::tempdir().expect("a directory");
        let store = Sqlite::open(directory.path().join("log.db")).await;
        is_built_again_where_it_became_live(store.expect("opens"), by_hand).await;

        let Some(schema) = Schema::fresh("rebuild_became_live", Postgres::options()) else {
            return;
        };
        is_built_again_where_it_became_live(schema.open().await, by_hand).await;
    }
}
