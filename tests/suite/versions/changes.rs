//! A fold or a read model that changed without a new version is noticed.

use std::time::Duration;

use cqrs_core::app::{BuildError, Builder, SubscriptionState};
use cqrs_core::{Dispatcher, Memory, Module};
use cqrs_sqlite::{Sqlite, rusqlite};

use super::programs::points::Score;
use super::programs::{
    accepted, beside, changed, first, other_field, other_index, points, second, stale,
};
use crate::support::parked::until;
use crate::support::stores::on_each_twice;

/// Time that no test needs.
const LIMIT: Duration = Duration::from_secs(60);

/// The only problem of the program on this data.
async fn problem(app: &Dispatcher, program: Module) -> String {
    match beside(app, program).build().await {
        Err(BuildError::Wiring(problems)) if problems.len() == 1 => problems[0].to_string(),
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("it builds"),
    }
}

#[tokio::test]
async fn code_that_changed_without_a_version_is_reported() {
    on_each_twice(points::module(), async |[builder, _]| {
        let builder = builder.module(first::module());
        let app = builder.build().await.expect("builds");
        let text = problem(&app, changed::module()).await;
        assert!(
            text.starts_with(
                "version 1 of projection `tallies` was built by other code: `#[on] fn scored` has \
                 changed\n  --> tests/suite/versions/programs.rs:"
            ),
            "{text}"
        );
        assert!(text.contains("= write `version = 2`"), "{text}");
        for other in [other_field::module(), other_index::module()] {
            let text = problem(&app, other).await;
            let words = "was built by other code: read model `tally` has changed\n";
            assert!(text.contains(words), "{text}");
        }
        let again = beside(&app, first::module()).build().await;
        again.expect("the same code builds");
        let next = beside(&app, second::module()).build().await;
        next.expect("another version builds");
        let text = problem(&app, changed::module()).await;
        assert!(text.contains("= write `version = 3`"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn code_that_is_said_to_be_unchanged_is_accepted_beside_the_former() {
    on_each_twice(points::module(), async |[builder, _]| {
        let builder = builder.module(first::module());
        let app = builder.build().await.expect("builds");
        let text = problem(&app, changed::module()).await;
        let words = "`unchanged = \"13bf6642daf371b6\"` instead";
        assert!(text.ends_with(words), "{text}");
        let same = beside(&app, accepted::module()).build().await;
        same.expect("the change is accepted");
        // During a deployment, and after it without the attribute.
        for program in [first::module(), changed::module()] {
            let again = beside(&app, program).build().await;
            again.expect("both are known");
        }
        let text = problem(&app, other_field::module()).await;
        assert!(text.contains("read model `tally` has changed"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn a_change_is_not_accepted_for_the_next_one() {
    let builder = Dispatcher::builder().module(points::module());
    let builder = builder.module(first::module()).store(Memory::new());
    let app = builder.build().await.expect("builds");
    // Its attribute is that of other code.
    let text = problem(&app, stale::module()).await;
    let words = "`#[on] fn scored` has changed; `unchanged = \"13bf6642daf371b6\"` accepts other code than this";
    assert!(text.contains(words), "{text}");
}

#[tokio::test]
async fn code_that_is_accepted_in_vain_is_warned_of() {
    on_each_twice(points::module(), async |[builder, _]| {
        // It is the first one here.
        let app = builder.module(stale::module()).build().await;
        let app = app.expect("there is nothing to accept");
        let [warning] = app.warnings() else {
            panic!("{:?}", app.warnings());
        };
        let what = "`unchanged = \"13bf6642daf371b6\"` of projection `tallies` accepts nothing: it names neither \
                    this code nor any that has built version 1";
        assert_eq!(warning.what, what);
    })
    .await;
    on_each_twice(points::module(), async |[builder, _]| {
        let app = builder.module(first::module()).build().await;
        let app = app.expect("builds");
        for program in [accepted::module(), first::module(), accepted::module()] {
            let accepted = beside(&app, program).build().await.expect("builds");
            assert_eq!(
                accepted.warnings(),
                [],
                "it names what has built the version"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_known_of_a_version_from_before_registrations() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let store = Sqlite::open(&path).await.expect("SQLite opens");
    let builder = Dispatcher::builder().module(points::module());
    let builder = builder.module(first::module()).store(store);
    let app = builder.build().await.expect("builds");
    problem(&app, changed::module()).await;
    let tables = rusqlite::Connection::open(&path).expect("SQLite opens");
    let delete = "DELETE FROM projection_versions";
    tables.execute(delete, []).expect("the rows are deleted");
    let changed = beside(&app, changed::module()).build().await;
    changed.expect("builds");
    problem(&app, first::module()).await;
}

/// The program on this data, as if all others had registered their versions long ago.
fn later(app: &Dispatcher, program: Module) -> Builder {
    beside(app, program).lease(Duration::from_micros(1))
}

#[tokio::test]
async fn code_of_which_nothing_was_handled_gives_way_to_other_code() {
    on_each_twice(points::module(), async |[builder, _]| {
        let mistaken = builder.module(first::module());
        let mistaken = mistaken.build().await.expect("builds");
        mistaken.shutdown(LIMIT).await.expect("ends");
        // Another process may be about to handle events.
        problem(&mistaken, other_index::module()).await;
        let anew = later(&mistaken, other_index::module()).build().await;
        let anew = anew.expect("there is nothing that the other code has made");
        anew.shutdown(LIMIT).await.expect("ends");
        let text = problem(&anew, first::module()).await;
        assert!(text.contains("read model `tally` has changed"), "{text}");

        // With the tables of the other code, it would not start.
        let app = beside(&anew, other_index::module()).build().await;
        let app = app.expect("it is registered");
        let attends =
            || async { app.health().subscriptions[0].state == SubscriptionState::Running };
        until(attends, &app).await;
        assert!(later(&app, changed::module()).build().await.is_err());
        let score = Score {
            player: 3,
            points: 1,
        };
        app.execute(score).await.expect("is carried out");
        app.wait_until_idle(LIMIT).await.expect("comes to rest");
        app.shutdown(LIMIT).await.expect("ends");
        // Views that the code has made.
        let changed = later(&app, changed::module()).build().await;
        assert!(matches!(changed, Err(BuildError::Wiring(_))));
    })
    .await;
}
