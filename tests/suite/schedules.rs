//! Commands that are scheduled: due, canceled, moved, each once.

#[cfg(unix)]
mod crashes;
mod failures;
mod notes;
mod races;
mod refusals;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cqrs_core::app::{Builder, ScheduleState, Scheduled};
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;
use cqrs_core::testing::reaction;

use crate::processes::{names, recorded};
use crate::support::stores::{on_each, on_each_twice, on_each_with};
use notes::{Postpone, Postponed, Remind};

const LIMIT: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3600);

const WORKER: &str = "scheduled-commands";

/// A clock that is ahead of the time by what a test has let elapse.
#[derive(Clone, Default)]
struct Elapsing(Arc<AtomicU64>);

impl Elapsing {
    fn elapse(&self, duration: Duration) {
        self.0.fetch_add(duration.as_secs(), Ordering::SeqCst);
    }

    fn set(&self, builder: Builder) -> Builder {
        let ahead = self.0.clone();
        builder.clock(move || {
            let ahead = Duration::from_secs(ahead.load(Ordering::SeqCst));
            Timestamp::now().checked_add(ahead).expect("a time")
        })
    }
}

async fn idle(app: &Dispatcher) {
    app.wait_until_idle(LIMIT).await.expect("comes to rest");
}

async fn count(app: &Dispatcher, name: &str) -> usize {
    let names = names(app).await;
    names.iter().filter(|it| *it == name).count()
}

async fn scheduled(app: &Dispatcher, id: ScheduleId) -> Scheduled {
    let scheduled = app.scheduled(id).await.expect("reads");
    scheduled.expect("it was scheduled")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_sent_once_it_is_due() {
    let clock = Elapsing::default();
    let with = |builder: Builder| clock.set(builder.schedules());
    on_each_with(notes::module(), with, async |app| {
        let call = app.schedule(Remind::of(1)).after(HOUR);
        let id = call.await.expect("is scheduled");
        idle(&app).await;
        let waiting = scheduled(&app, id).await;
        assert_eq!(waiting.state, ScheduleState::Waiting);
        assert_eq!(
            (waiting.command.as_str(), &waiting.json["note"]),
            ("Remind", &1.into())
        );
        assert_eq!(count(&app, "reminded").await, 0);

        clock.elapse(HOUR);
        recorded(&app, "reminded", 1).await;
        idle(&app).await;
        assert_eq!(scheduled(&app, id).await.state, ScheduleState::Done);
        let events = app.events(EventQuery::All).all().await.expect("reads");
        let [first, due, reminded] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(ScheduleId::from(first.meta.command), id);
        assert!(due.meta.time >= waiting.due, "{due:?}");
        assert_eq!(reminded.meta.correlation, first.meta.correlation);
        assert_eq!(reminded.meta.causation, due.meta.id.as_uuid());
        let text = id.to_string();
        assert_eq!(text.parse::<ScheduleId>().expect("parses"), id);
        assert!(app.health().is_ok(), "{:?}", app.health());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_time_is_due_at_once() {
    on_each_with(notes::module(), Builder::schedules, async |app| {
        let id = app.schedule(Remind::of(1)).at(Timestamp::UNIX_EPOCH);
        let id = id.await.expect("is scheduled");
        idle(&app).await;
        assert_eq!(scheduled(&app, id).await.state, ScheduleState::Done);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_command_is_not_sent() {
    let clock = Elapsing::default();
    let with = |builder: Builder| clock.set(builder.schedules());
    on_each_with(notes::module(), with, async |app| {
        let id = app
            .schedule(Remind::of(1))
            .after(HOUR)
            .await
            .expect("is scheduled");
        let other = app
            .schedule(Remind::of(2))
            .after(HOUR)
            .await
            .expect("is scheduled");
        assert!(app.cancel(id).await.expect("cancels"));
        assert!(app.cancel(id).await.expect("is canceled"), "it was in time");
        let moved = app.reschedule(id).after(HOUR).await;
        assert!(!moved.expect("is canceled"), "there is nothing to move");
        assert_eq!(scheduled(&app, id).await.state, ScheduleState::Canceled);
        clock.elapse(HOUR);
        recorded(&app, "reminded", 1).await;
        idle(&app).await;
        assert_eq!(scheduled(&app, id).await.state, ScheduleState::Canceled);
        assert_eq!(scheduled(&app, other).await.state, ScheduleState::Done);
        assert_eq!(count(&app, "reminded").await, 1);
        assert!(!app.cancel(other).await.expect("answers"), "it is too late");
        let moved = app.reschedule(other).after(HOUR).await;
        assert!(!moved.expect("answers"), "it is too late");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_moved() {
    let clock = Elapsing::default();
    let with = |builder: Builder| clock.set(builder.schedules());
    on_each_with(notes::module(), with, async |app| {
        let [earlier, later, between] = [1, 2, 3].map(|note| app.schedule(Remind::of(note)));
        let earlier = earlier.after(HOUR * 5).await.expect("is scheduled");
        let later = later.after(HOUR).await.expect("is scheduled");
        assert!(app.reschedule(earlier).after(HOUR).await.expect("moves"));
        let due = scheduled(&app, later).await.due;
        let to = due.checked_add(HOUR * 9).expect("a time");
        assert!(app.reschedule(later).at(to).await.expect("moves"));
        assert_eq!(scheduled(&app, later).await.due, to);
        let between = between.after(HOUR * 2).await.expect("is scheduled");
        clock.elapse(HOUR * 3);
        recorded(&app, "reminded", 2).await;
        idle(&app).await;
        for (id, state) in [
            (earlier, ScheduleState::Done),
            (between, ScheduleState::Done),
            (later, ScheduleState::Waiting),
        ] {
            assert_eq!(scheduled(&app, id).await.state, state);
        }
    })
    .await;
}

/// As long as the worker has seen nothing of them, from the log; afterwards, by what it has stored.
#[tokio::test(flavor = "multi_thread")]
async fn the_commands_that_are_not_carried_out_are_listed() {
    on_each_with(notes::module(), Builder::schedules, async |app| {
        let list = async |after| {
            let listed = app.scheduled_ids(after, None).await;
            listed.expect("lists")
        };
        assert!(list(None).await.is_empty());
        let subscriptions = app.subscriptions();
        let pause = subscriptions.pause(WORKER, "a look");
        pause.await.expect("pauses");
        let mut ids = Vec::new();
        for note in 1..=4 {
            let json = format!("{{\"note\": {note}}}");
            let call = app.schedule_json("Remind", json.as_bytes()).after(HOUR);
            ids.push(call.await.expect("is scheduled"));
        }
        assert!(app.cancel(ids[3]).await.expect("cancels"));
        ids.sort();
        assert_eq!(list(None).await, ids, "nobody has handled them");
        subscriptions.resume(WORKER).await.expect("resumes");
        idle(&app).await;
        let mut waiting = Vec::new();
        for id in ids {
            let is_waiting = scheduled(&app, id).await.state == ScheduleState::Waiting;
            waiting.extend(is_waiting.then_some(id));
        }
        assert_eq!(waiting.len(), 3);
        assert_eq!(list(None).await, waiting);
        assert_eq!(list(Some(waiting[0])).await, waiting[1..]);
        assert!(list(Some(waiting[2])).await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_due_before_what_was_recorded_earlier_is_handled() {
    on_each_with(notes::module(), Builder::schedules, async |app| {
        let subscriptions = app.subscriptions();
        let pause = subscriptions.pause(WORKER, "a look");
        pause.await.expect("pauses");
        let at_once = Timestamp::UNIX_EPOCH;
        let mut ids = Vec::new();
        for note in 1..=3 {
            let id = app.schedule(Remind::of(note)).at(at_once).await;
            ids.push(id.expect("is scheduled"));
        }
        // They are due, but nobody has seen that.
        assert!(app.cancel(ids[0]).await.expect("cancels"));
        assert!(app.reschedule(ids[1]).after(HOUR).await.expect("moves"));
        subscriptions.resume(WORKER).await.expect("resumes");
        recorded(&app, "reminded", 1).await;
        idle(&app).await;
        let mut states = Vec::new();
        for id in ids {
            states.push(scheduled(&app, id).await.state);
        }
        let expected = [
            ScheduleState::Canceled,
            ScheduleState::Waiting,
            ScheduleState::Done,
        ];
        assert_eq!(states, expected);
        assert_eq!(count(&app, "reminded").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_schedules_once() {
    on_each_with(notes::module(), Builder::schedules, async |app| {
        let id = CommandId::new();
        for _ in 0..2 {
            let scheduled = app.schedule(Remind::of(1)).after(HOUR).id(id).await;
            assert_eq!(scheduled.expect("is scheduled"), ScheduleId::from(id));
        }
        let another = app.schedule(Remind::of(2)).after(HOUR).id(id).await;
        assert!(
            matches!(another, Err(CommandError::Invalid(_))),
            "{another:?}"
        );
        let at_another_time = app.schedule(Remind::of(1)).after(HOUR * 2).id(id).await;
        assert!(matches!(at_another_time, Err(CommandError::Invalid(_))));
        assert_eq!(names(&app).await.len(), 1);

        let change = CommandId::new();
        for _ in 0..2 {
            let moved = app.reschedule(id.into()).after(HOUR * 3).id(change).await;
            assert!(moved.expect("moves"));
        }
        assert_eq!(names(&app).await.len(), 2);
    })
    .await;
}

/// The reaction fails the first time, after its calls have had their effects.
#[tokio::test(flavor = "multi_thread")]
async fn a_reaction_that_runs_again_schedules_once() {
    let clock = Elapsing::default();
    let with = |builder: Builder| clock.set(builder.schedules());
    let stores = AtomicU64::new(1);
    on_each_with(notes::module(), with, async |app| {
        let note = u32::try_from(stores.fetch_add(1, Ordering::SeqCst)).expect("few");
        let postponed = app.execute(Postpone { note }).await.expect("postpones");
        idle(&app).await;
        let expected = ["scheduled", "scheduled", "moved", "canceled"];
        let expected = expected.map(|name| format!("process:scheduled-commands:{name}"));
        assert_eq!(names(&app).await[1..], expected);
        clock.elapse(HOUR * 10);
        recorded(&app, "reminded", 1).await;
        idle(&app).await;
        assert_eq!(count(&app, "reminded").await, 1);
        let events = app.events(EventQuery::All).all().await.expect("reads");
        let conversation = postponed.command().as_uuid();
        let correlations = events.iter().map(|event| event.meta.correlation);
        assert!(correlations.into_iter().all(|it| it == conversation));
    })
    .await;
}

/// In a test of a reaction, nothing is due. It shows what waits: not the second command, which was canceled.
#[test]
fn a_test_of_a_reaction_shows_what_it_schedules() {
    let note = 4_711;
    let run = || {
        reaction("postponed")
            .module(notes::module())
            .at(Timestamp::UNIX_EPOCH + HOUR)
            .when(Postponed { note })
    };
    run().then_error("not the first time");
    run()
        .then_sent(())
        .then_schedules(Remind::of(note), HOUR)
        .then_sent(());

    let failure = |test: &dyn Fn()| {
        let failed = catch_unwind(AssertUnwindSafe(test)).expect_err("the test fails");
        *failed.downcast::<String>().expect("a text")
    };
    let differing = failure(&|| {
        run().then_schedules((Remind::of(1), Remind::of(2)), HOUR * 9);
    });
    let first = differing.lines().next().unwrap_or_default();
    assert_eq!(
        first,
        "`postponed` has scheduled other commands than expected"
    );
    for line in [
        "≠   due 1970-01-01T10:00:00Z |   due 1970-01-01T02:00:00Z",
        "≠   note: 1                  |   note: 4711",
        "≠ Remind                     | (no command)",
    ] {
        assert!(differing.contains(line), "{differing}");
    }
    let unexpected = failure(&|| {
        run().then_schedules_nothing();
    });
    assert!(
        unexpected.contains("≠ (no command) | Remind"),
        "{unexpected}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_carries_out_what_one_has_scheduled() {
    use cqrs_core::app::Role;

    on_each_twice(notes::module(), async |[web, worker]| {
        let web = web.schedules().roles([Role::Commands, Role::Queries]);
        let web = web.build().await.expect("builds");
        let id = web.schedule(Remind::of(1)).at(Timestamp::UNIX_EPOCH);
        let id = id.await.expect("is scheduled");
        assert_eq!(scheduled(&web, id).await.state, ScheduleState::Waiting);
        let worker = worker.schedules().build().await.expect("builds");
        idle(&worker).await;
        assert_eq!(scheduled(&web, id).await.state, ScheduleState::Done);
        assert_eq!(count(&web, "reminded").await, 1);
    })
    .await;
}

/// What waits is in the log, so it is found again without what else is stored, and nothing is sent twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_view_store_loses_nothing() {
    let clock = Elapsing::default();
    let log = Memory::new();
    let builder = || {
        let builder = Dispatcher::builder().module(notes::module());
        clock.set(builder.log(log.clone()).views(Memory::new()).schedules())
    };
    let app = builder().build().await.expect("builds");
    let mut ids = Vec::new();
    for (note, wait) in [(1, Duration::ZERO), (2, HOUR), (3, HOUR)] {
        let id = app.schedule(Remind::of(note)).after(wait).await;
        ids.push(id.expect("is scheduled"));
    }
    assert!(app.cancel(ids[1]).await.expect("cancels"));
    idle(&app).await;
    drop(app);
    let app = builder().build().await.expect("builds");
    idle(&app).await;
    clock.elapse(HOUR);
    recorded(&app, "reminded", 2).await;
    idle(&app).await;
    let mut states = Vec::new();
    for id in ids {
        states.push(scheduled(&app, id).await.state);
    }
    let expected = [
        ScheduleState::Done,
        ScheduleState::Canceled,
        ScheduleState::Done,
    ];
    assert_eq!(states, expected);
    assert_eq!(names(&app).await.len(), 3 + 1 + 2 + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_schedule_has_no_worker() {
    on_each(notes::module(), async |app| {
        let subscriptions = app.health().subscriptions;
        let workers: Vec<_> = subscriptions.iter().map(|it| it.name).collect();
        assert_eq!(workers, ["postponed"]);
    })
    .await;
}
