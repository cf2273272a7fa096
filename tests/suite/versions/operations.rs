//! What operators do with versions.

use std::time::Duration;

use cqrs_core::Dispatcher;
use cqrs_core::app::Comparison;
use cqrs_core::error::OperationError;
use tokio::time::{sleep, timeout};

use super::programs::points::Score;
use super::programs::{NAME, accepted, beside, fifth, first, fourth, points, second, third};
use crate::support::stores::on_each_twice;

const LIMIT: Duration = Duration::from_secs(30);

async fn score(app: &Dispatcher, players: u32) {
    let mut last = None;
    for player in 0..players {
        let receipt = app.execute(Score { player, points: 1 }).await;
        last = Some(receipt.expect("is carried out").last());
    }
    if let Some(last) = last {
        let caught_up = app.wait_until_caught_up(last, LIMIT).await;
        caught_up.expect("catches up");
    }
}

/// Waits until the first version cannot be dropped because of these.
async fn until_in_use_by(users: &str, app: &Dispatcher) {
    let text = format!("version 1 of projection `tallies` is in use by {users}: shut down");
    let wait = async {
        loop {
            let dropped = app.subscriptions().drop(NAME, 1).await;
            let error = dropped.expect_err("it is in use");
            assert!(matches!(error, OperationError::InUse { .. }), "{error}");
            if error.to_string().starts_with(&text) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LIMIT, wait).await.expect(users);
}

#[tokio::test]
async fn a_version_in_use_is_not_dropped() {
    on_each_twice(points::module(), async |[one, other]| {
        let old = one.module(first::module()).build().await.expect("builds");
        score(&old, 3).await;
        // It is ready to take over.
        let other_old = beside(&old, first::module()).build().await;
        let other_old = other_old.expect("builds");
        let new = other.module(second::module()).build().await;
        let new = new.expect("builds");
        score(&new, 1).await;
        let subscriptions = new.subscriptions();
        subscriptions.switch(NAME).await.expect("is complete");
        let live = subscriptions.drop(NAME, 2).await;
        let live = live.expect_err("is live").to_string();
        let expected = "version 2 of projection `tallies` is live: `switch` to another one first";
        assert_eq!(live, expected);
        until_in_use_by("2 processes", &new).await;
        other_old.shutdown(LIMIT).await.expect("ends");
        until_in_use_by("1 process", &new).await;
        let dropped = subscriptions.drop(NAME, 3).await;
        assert!(matches!(
            dropped,
            Err(OperationError::UnknownVersion { version: 3, .. })
        ));
        old.shutdown(LIMIT).await.expect("ends");
        drop(old);
        subscriptions.drop(NAME, 1).await.expect("nobody uses it");
        let versions = subscriptions.versions(NAME).await.expect("versions");
        assert_eq!(versions.len(), 1);
        assert_eq!((versions[0].version, versions[0].is_live), (2, true));

        // It may be built again.
        let again = beside(&new, first::module()).build().await;
        let again = again.expect("builds");
        score(&again, 1).await;
        let of = first::PointsOf { player: 0 };
        assert_eq!(again.query(of).await.expect("answers"), 3);
    })
    .await;
}

#[tokio::test]
async fn a_rebuild_tells_how_far_it_is() {
    on_each_twice(points::module(), async |[one, other]| {
        let old = one.module(first::module()).build().await.expect("builds");
        score(&old, 20).await;
        let new = other.module(third::module()).build().await.expect("builds");
        // It may be live already.
        match new.subscriptions().rebuild(NAME).await {
            Ok(mut rebuild) => {
                let mut last = None;
                while let Some(progress) = rebuild.next().await {
                    last = Some(progress.expect("nothing fails"));
                }
                if let Some(last) = last {
                    assert!(last.position <= last.head, "{last}");
                }
            }
            Err(error) => assert!(
                matches!(error, OperationError::AlreadyLive { .. }),
                "{error}"
            ),
        }
        let of = third::PointsOf { player: 7 };
        assert_eq!(new.query(of).await.expect("it is live"), 100);
        let builder = beside(&new, second::module()).hold_versions(true);
        let held = builder.build().await.expect("builds");
        let mut rebuild = held.subscriptions().rebuild(NAME).await.expect("is built");
        let mut last = None;
        while let Some(progress) = rebuild.next().await {
            last = Some(progress.expect("nothing fails"));
        }
        let last = last.expect("it tells at least that it is complete");
        assert_eq!((last.position, last.head.get()), (last.head, 20));
        assert!(rebuild.next().await.is_none());
    })
    .await;
}

#[tokio::test]
async fn versions_are_compared_view_by_view() {
    on_each_twice(points::module(), async |[one, other]| {
        let old = one.module(first::module()).build().await.expect("builds");
        score(&old, 5).await;
        let alone = old.subscriptions().compare(NAME).await;
        assert!(
            matches!(alone, Err(OperationError::UnknownVersion { .. })),
            "{alone:?}"
        );
        let builder = other.module(second::module()).hold_versions(true);
        let new = builder.build().await.expect("builds");
        let comparison = new.subscriptions().compare(NAME).await;
        let comparison = comparison.expect("compares");
        assert_eq!((comparison.version, comparison.with), (2, 1));
        assert_eq!((comparison.equal, comparison.different), (0, 5));
        let keys = ["0", "1", "2", "3", "4"].map(|key| ("tally".to_owned(), key.to_owned()));
        assert_eq!(comparison.keys, keys);
        let same = beside(&old, fourth::module()).hold_versions(true);
        let same = same.build().await.expect("builds");
        let comparison = same.subscriptions().compare(NAME).await;
        let comparison = comparison.expect("compares");
        assert_eq!((comparison.version, comparison.with), (4, 1));
        assert_eq!((comparison.equal, comparison.different), (5, 0));
        assert_eq!(comparison.position.get(), 5);

        // Of a version that two codes were accepted for, each read model once.
        let again = beside(&old, accepted::module()).build().await;
        let again = again.expect("builds");
        let comparison = again.subscriptions().compare(NAME).await;
        let comparison = comparison.expect("compares");
        assert_eq!((comparison.version, comparison.with), (1, 4));
        assert_eq!((comparison.equal, comparison.different), (5, 0));

        // Its second read model is in no other version.
        let more = beside(&old, fifth::module()).hold_versions(true);
        let more = more.build().await.expect("builds");
        let comparison = more.subscriptions().compare(NAME).await;
        let comparison = comparison.expect("compares");
        assert_eq!((comparison.version, comparison.with), (5, 1));
        assert_eq!((comparison.equal, comparison.different), (5, 0));
    })
    .await;
}

/// Compares while player 0 scores all the time.
async fn compare_meanwhile(writer: &Dispatcher, compared: &Dispatcher) -> Comparison {
    let scoring = async {
        loop {
            let score = Score {
                player: 0,
                points: 1,
            };
            writer.execute(score).await.expect("is carried out");
            // In memory, nothing else waits.
            tokio::task::yield_now().await;
        }
    };
    let subscriptions = compared.subscriptions();
    let comparison = tokio::select! {
        comparison = subscriptions.compare(NAME) => comparison,
        () = scoring => unreachable!("it does not end"),
    };
    comparison.expect("compares")
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_compared_at_one_position_while_events_are_recorded() {
    on_each_twice(points::module(), async |[one, other]| {
        let old = one.module(first::module()).build().await.expect("builds");
        score(&old, 5).await;
        let same = other.module(fourth::module()).hold_versions(true);
        let same = same.build().await.expect("builds");
        for _ in 0..2 {
            let comparison = compare_meanwhile(&old, &same).await;
            // Of a view that keeps changing, it may not have found two of the same position.
            assert_eq!(comparison.different, 0, "{:?}", comparison.keys);
            assert_eq!(comparison.equal + comparison.undecided, 5);
        }
        same.shutdown(LIMIT).await.expect("ends");
        let new = beside(&old, second::module()).hold_versions(true);
        let new = new.build().await.expect("builds");
        let comparison = compare_meanwhile(&old, &new).await;
        assert_eq!(comparison.equal, 0);
        assert_eq!(comparison.different + comparison.undecided, 5);
        assert!(comparison.different >= 4, "nobody else scores");
    })
    .await;
}
