//! What is refused at once.

use cqrs_core::app::{BuildError, Builder};
use cqrs_core::error::Failure;
use cqrs_core::prelude::*;

use super::notes::{self, Remind};
use super::{HOUR, names};
use crate::support::one_by_one::OneByOne;
use crate::support::stores::on_each_with;

/// Out of the scope of the dispatchers.
mod elsewhere {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Shred;

    #[command_handler]
    fn shred(_: Shred) {}
}

mod namesake {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "delayed", version = 1)]
    pub struct Delayed {
        #[id("note")]
        pub note: u32,
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Own;

    #[process_manager(name = "scheduled-commands", id("note" = u32))]
    impl Own {
        #[start]
        fn delayed(&mut self, _: &Delayed) -> End {
            End
        }
    }
}

#[tokio::test]
async fn what_could_not_be_sent_is_not_scheduled() {
    let small = |builder: Builder| builder.schedules().max_message(100);
    on_each_with(notes::module(), small, async |app| {
        let invalid = app.schedule(Remind::of(0)).after(HOUR).await;
        assert!(
            matches!(invalid, Err(CommandError::Invalid(_))),
            "{invalid:?}"
        );
        let text = "a".repeat(100);
        let large = app.schedule(Remind { note: 1, text }).after(HOUR).await;
        let Err(CommandError::Invalid(large)) = large else {
            panic!("{large:?}");
        };
        assert!(large.to_string().contains("100"), "{large}");
        let foreign = app.schedule(elsewhere::Shred).after(HOUR).await;
        assert!(
            matches!(
                foreign,
                Err(CommandError::Failed(Failure::NoHandler { .. }))
            ),
            "{foreign:?}"
        );
        let unnamed = app.schedule_json("Remnd", b"{}").after(HOUR).await;
        assert!(
            matches!(unnamed, Err(CommandError::Unknown(_))),
            "{unnamed:?}"
        );
        let empty = app.schedule_json("Remind", b"").after(HOUR).await;
        assert!(matches!(empty, Err(CommandError::Invalid(_))), "{empty:?}");
        let unknown = app.cancel(CommandId::new().into()).await;
        assert!(
            matches!(unknown, Err(CommandError::Invalid(_))),
            "{unknown:?}"
        );
        let nothing = app.scheduled(CommandId::new().into()).await;
        assert_eq!(nothing.expect("reads"), None);
        assert!(names(&app).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn who_schedules_says_so_on_the_builder() {
    let builder = Dispatcher::builder().module(notes::module());
    let app = builder.store(Memory::new()).build().await.expect("builds");
    let refused = app.schedule(Remind::of(1)).after(HOUR).await;
    let Err(error @ CommandError::Failed(Failure::NoSchedules)) = refused else {
        panic!("{refused:?}");
    };
    assert!(error.to_string().contains("`.schedules()`"), "{error}");
    let unlisted = app.scheduled_ids(None, None).await;
    let error = unlisted.expect_err("there is nothing to list").to_string();
    assert!(error.contains("`.schedules()`"), "{error}");
}

#[tokio::test]
async fn a_store_without_shards_is_refused() {
    let builder = Dispatcher::builder().module(elsewhere::module());
    let builder = builder.log(Memory::new()).views(OneByOne::new());
    let Err(BuildError::Wiring(problems)) = builder.schedules().build().await else {
        panic!("it cannot keep what is scheduled");
    };
    let [problem] = &problems[..] else {
        panic!("{problems:?}");
    };
    let what = &problem.what;
    assert!(
        what.contains("`scheduled-commands`") && what.contains("in a view store that"),
        "{what}"
    );
    assert!(problem.at[0].file.ends_with("refusals.rs"), "{problem:?}");
}

#[tokio::test]
async fn the_name_belongs_to_the_framework() {
    let builder = Dispatcher::builder().module(namesake::module());
    let Err(BuildError::Wiring(problems)) = builder.store(Memory::new()).build().await else {
        panic!("the name is taken");
    };
    let expected = "process manager `scheduled-commands` has the name of one of the framework";
    assert!(
        problems.iter().any(|it| it.what == expected),
        "{problems:?}"
    );
}
