//! Which version answers queries.

use std::time::Duration;

use cqrs_core::app::SubscriptionState;
use cqrs_core::error::{OperationError, QueryErrorKind};
use cqrs_core::{Dispatcher, Position};

use super::programs::points::Score;
use super::programs::{NAME, first, points, second, third};
use crate::support::stores::on_each_twice;

const LIMIT: Duration = Duration::from_secs(30);

/// Records an event, and returns the position.
async fn score(app: &Dispatcher, points: u64) -> Position {
    let score = Score { player: 1, points };
    app.execute(score).await.expect("is carried out").last()
}

async fn settled(app: &Dispatcher, position: Position) {
    let caught_up = app.wait_until_caught_up(position, LIMIT).await;
    caught_up.expect("catches up");
}

/// The live version, and those that are in the store.
async fn live(app: &Dispatcher) -> (u32, Vec<u32>) {
    let versions = app.subscriptions().versions(NAME).await.expect("versions");
    let live = versions.iter().find(|it| it.is_live).expect("one is live");
    (live.version, versions.iter().map(|it| it.version).collect())
}

#[tokio::test]
async fn the_live_version_answers_while_a_new_one_is_held() {
    on_each_twice(points::module(), async |[one, other]| {
        let old = one.module(first::module()).build().await.expect("builds");
        let position = score(&old, 1).await;
        settled(&old, position).await;
        let builder = other.module(second::module()).hold_versions(true);
        let new = builder.build().await.expect("builds");
        let of = second::PointsOf { player: 1 };
        assert_eq!(new.query(of.clone()).await.expect("answers"), 1);
        settled(&new, position).await;
        let health = new.health();
        let state = &health.subscriptions[0].state;
        assert!(
            matches!(state, SubscriptionState::Rebuilding { is_held: true, progress } if
                progress.position == progress.head && progress.head == position),
            "{state:?}"
        );
        assert!(health.is_ok());

        // What it waits for is what the other process folds.
        let mut watch = new.watch(of.clone()).after_position(position);
        let answer = watch.next().await.expect("goes on").expect("answers");
        assert_eq!(answer.output, 1);
        let receipt = new
            .execute(Score {
                player: 1,
                points: 2,
            })
            .await;
        let receipt = receipt.expect("is carried out");
        let answer = new.query(of.clone()).after(&receipt).max_wait(LIMIT).await;
        assert_eq!(answer.expect("answers"), 3);
        let answer = watch.next().await.expect("goes on").expect("answers");
        assert_eq!((answer.output, answer.position), (3, receipt.last()));
        let waited = new
            .execute(Score {
                player: 1,
                points: 3,
            })
            .and_wait_for::<second::Tallies>()
            .max_wait(LIMIT)
            .await;
        let receipt = waited.expect("is carried out");
        assert_eq!(new.query(of.clone()).await.expect("answers"), 6);
        let answer = watch.next().await.expect("goes on").expect("answers");
        assert_eq!(answer.output, 6);
        assert_eq!(live(&new).await, (1, vec![1, 2]));

        let switched = new.subscriptions().switch(NAME).await;
        switched.expect("it is complete");
        let answer = new.query(of.clone()).after(&receipt).max_wait(LIMIT).await;
        assert_eq!(answer.expect("answers"), 60);
        let answer = watch.next().await.expect("goes on").expect("answers");
        assert_eq!(answer.output, 60);
        assert_eq!(live(&old).await, (2, vec![1, 2]));
        assert_eq!(
            new.health().subscriptions[0].state,
            SubscriptionState::Running
        );

        // Processes of the former version answer from theirs, and go on.
        let position = score(&old, 4).await;
        let of = first::PointsOf { player: 1 };
        let answer = old.query(of.clone()).after_position(position);
        assert_eq!(answer.await.expect("answers"), 10);
        let held = new.subscriptions().hold(NAME).await;
        assert!(matches!(
            held,
            Err(OperationError::AlreadyLive { version: 2, .. })
        ));
        let text = held.expect_err("it is live").to_string();
        assert!(
            text.contains("start the next one with `hold_versions(true)`"),
            "{text}"
        );
        let back = old.subscriptions().switch(NAME).await;
        back.expect("it was live");
        assert_eq!(live(&new).await, (1, vec![1, 2]));
        assert_eq!(old.query(of).await.expect("answers"), 10);
    })
    .await;
}

#[tokio::test]
async fn a_new_version_becomes_live_when_it_has_caught_up() {
    on_each_twice(points::module(), async |[one, other]| {
        let old = one.module(first::module()).build().await.expect("builds");
        let position = score(&old, 1).await;
        settled(&old, position).await;
        let new = other.module(second::module()).build().await;
        let new = new.expect("builds");
        let position = score(&new, 2).await;
        settled(&new, position).await;
        let of = second::PointsOf { player: 1 };
        assert_eq!(new.query(of.clone()).await.expect("answers"), 30);
        assert_eq!(live(&old).await, (2, vec![1, 2]));

        // Whoever starts without the former processes waits for the new version.
        old.shutdown(LIMIT).await.expect("ends");
        let third = super::programs::beside(&new, super::programs::fourth::module());
        let third = third.build().await.expect("builds");
        let receipt = third
            .execute(Score {
                player: 1,
                points: 3,
            })
            .await;
        let receipt = receipt.expect("is carried out");
        let of = super::programs::fourth::PointsOf { player: 1 };
        let answer = third.query(of).after(&receipt).max_wait(LIMIT).await;
        let answer = answer.expect("answers");
        assert!([6, 60].contains(&answer), "of version 2 or 4: {answer}");
    })
    .await;
}

#[tokio::test]
async fn nothing_answers_for_other_fields_until_the_version_is_live() {
    on_each_twice(points::module(), async |[one, other]| {
        let old = one.module(first::module()).build().await.expect("builds");
        let position = score(&old, 1).await;
        settled(&old, position).await;
        let builder = other.module(third::module()).hold_versions(true);
        let new = builder.build().await.expect("builds");
        settled(&new, position).await;
        let of = third::PointsOf { player: 1 };
        let after = new.query(of.clone()).after_position(position);
        let short = after.max_wait(Duration::from_millis(1)).await;
        for answer in [new.query(of.clone()).await, short] {
            let error = answer.expect_err("nothing answers");
            let QueryErrorKind::Rebuilding(rebuilding) = error.kind() else {
                panic!("another error: {error}");
            };
            assert_eq!((rebuilding.projection, rebuilding.version), (NAME, 3));
            assert_eq!(rebuilding.progress.head, position);
        }
        let readiness = new.readiness();
        let text = readiness.to_string();
        let words =
            "projection `tallies` is at the head of the log, position 1, and waits to become live";
        assert!(!readiness.is_ok() && text.contains(words), "{text}");
        let mut watch = new.watch(of.clone()).max_wait(LIMIT);
        let (answer, switched) = tokio::join!(watch.next(), async {
            new.subscriptions().switch(NAME).await
        });
        switched.expect("it is complete");
        assert_eq!(answer.expect("goes on").expect("answers").output, 100);
        assert_eq!(new.query(of).await.expect("answers"), 100);
        while !new.readiness().is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Whoever waits for the version that answers learns which one that is.
#[tokio::test]
async fn the_version_that_answers_is_named_if_nobody_feeds_it() {
    on_each_twice(points::module(), async |[one, other]| {
        let old = one.module(first::module()).build().await.expect("builds");
        let position = score(&old, 1).await;
        settled(&old, position).await;
        old.shutdown(LIMIT).await.expect("ends");
        let builder = other.module(second::module()).hold_versions(true);
        let new = builder.build().await.expect("builds");
        let position = score(&new, 2).await;
        settled(&new, position).await;
        let query = new.query(second::PointsOf { player: 1 });
        let query = query.after_position(position);
        let error = query.max_wait(Duration::from_millis(50)).await;
        let error = error.expect_err("nobody feeds it");
        let QueryErrorKind::NotCaughtUp(behind) = error.kind() else {
            panic!("another error: {error}");
        };
        assert_eq!((behind.version, behind.at.get()), (Some(1), 1));
        let words = "version 1 of projection `tallies` reached position 1 but not 2 within";
        assert!(error.to_string().starts_with(words), "{error}");
        let text = new.readiness().to_string();
        let words = "version 1 of projection `tallies` ";
        assert!(new.readiness().is_ok() || text.starts_with(words), "{text}");
    })
    .await;
}
