//! Operating projections and reactions: they stop at an event that fails for too long, and an operator has
//! it retried or skips it, pauses them and lets them go on, and moves their checkpoints back. All of that
//! applies to all processes, and outlasts them. What a store has to do with it is in the conformance suite.

use std::time::Duration;

use cqrs_core::app::{Builder, Role, SubscriptionHealth, SubscriptionState};
use cqrs_core::error::{OperationError, QueryErrorKind};
use cqrs_core::prelude::*;
use cqrs_core::store::{EventQuery, Position};

use crate::support::stores::on_each_twice;

/// Letters that are stamped once they are posted.
mod letters {
    use std::collections::BTreeSet;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// The letters that fail.
    static FAILING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

    pub fn failing() -> MutexGuard<'static, BTreeSet<u32>> {
        FAILING.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Post {
        pub letter: u32,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Stamp {
        pub letter: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "letter-posted", version = 1)]
    pub struct LetterPosted {
        #[id("letter")]
        pub letter: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "letter-stamped", version = 1)]
    pub struct LetterStamped {
        #[id("letter")]
        pub letter: u32,
    }

    #[command_handler]
    fn post(Post { letter }: Post) -> LetterPosted {
        LetterPosted { letter }
    }

    #[command_handler]
    fn stamp(Stamp { letter }: Stamp) -> LetterStamped {
        LetterStamped { letter }
    }

    #[event_handler]
    async fn stamping(event: LetterPosted, app: &Dispatcher) -> Result<()> {
        check(event.letter)?;
        app.execute(Stamp {
            letter: event.letter,
        })
        .await?;
        Ok(())
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Letter {
        #[key]
        pub letter: u32,
        pub posted: u32,
    }

    pub struct Mailbox;

    #[projection(name = "mailbox", version = 1)]
    impl Mailbox {
        #[on]
        fn posted(event: &LetterPosted, letters: &mut Views<Letter>) -> Result<()> {
            check(event.letter)?;
            let letter = event.letter;
            let first = || Letter { letter, posted: 1 };
            letters.upsert(&letter, first, |it| it.posted += 1)
        }
    }

    fn check(letter: u32) -> Result<()> {
        if failing().contains(&letter) {
            return Err(Error::message("it has no address"));
        }
        Ok(())
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32)]
    pub struct TimesPosted {
        pub letter: u32,
    }

    #[query_handler]
    async fn times_posted(query: TimesPosted, letters: Read<Letter>) -> Result<u32> {
        Ok(letters.get(&query.letter).await?.map_or(0, |it| it.posted))
    }
}

use letters::{Post, TimesPosted, failing};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

const NAMES: [&str; 2] = ["mailbox", "stamping"];

async fn post(app: &Dispatcher, letter: u32) -> Receipt {
    app.execute(Post { letter }).await.expect("is posted")
}

async fn posted(app: &Dispatcher, letter: u32) -> u32 {
    let answer = app.query(TimesPosted { letter }).await;
    answer.expect("answers")
}

/// Number of times that a letter was stamped.
async fn stamped(app: &Dispatcher, letter: u32) -> usize {
    let tag = format!("letter:{letter}");
    let events = app.events(EventQuery::All).all().await.expect("is read");
    let of_letter = events.iter().filter(|event| {
        event.data.event_type.as_str() == "letter-stamped"
            && event.data.tags.iter().any(|it| it.as_str() == tag)
    });
    of_letter.count()
}

async fn build([first, second]: [Builder; 2], retry_for: Duration) -> [Dispatcher; 2] {
    let build = async |builder: Builder| {
        let builder = builder.retry_for(retry_for);
        builder.build().await.expect("builds")
    };
    [build(first).await, build(second).await]
}

fn health(app: &Dispatcher, name: &str) -> SubscriptionHealth {
    let mut all = app.health().subscriptions.into_iter();
    all.find(|it| it.name == name).expect("it is there")
}

/// Waits until both of the subscriptions are in such a state in all processes.
async fn until(apps: &[Dispatcher], is_reached: impl Fn(&SubscriptionState) -> bool) {
    let is_reached = |app| {
        NAMES
            .iter()
            .all(|name| is_reached(&health(app, name).state))
    };
    wait_until(apps, || apps.iter().all(is_reached)).await;
}

async fn wait_until(apps: &[Dispatcher], holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(LONG, wait).await;
    in_time.unwrap_or_else(|_| {
        panic!(
            "{:?}",
            apps.iter().map(Dispatcher::health).collect::<Vec<_>>()
        )
    });
}

fn is_stopped(state: &SubscriptionState) -> bool {
    matches!(state, SubscriptionState::Stopped { .. })
}

fn is_paused(state: &SubscriptionState) -> bool {
    matches!(state, SubscriptionState::Paused { .. })
}

async fn idle(apps: &[Dispatcher]) {
    for app in apps {
        app.wait_until_idle(LONG).await.expect("comes to rest");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_fails_for_too_long_stops_all_processes_until_it_is_retried() {
    on_each_twice(letters::module(), |builders| async move {
        failing().insert(2);
        let apps = build(builders, Duration::from_millis(100)).await;
        post(&apps[0], 1).await;
        let bad = post(&apps[1], 2).await;
        let last = post(&apps[0], 3).await;
        until(&apps, is_stopped).await;
        for (app, name) in apps.iter().flat_map(|app| NAMES.map(|name| (app, name))) {
            let found = health(app, name);
            let SubscriptionState::Stopped { at, error, .. } = &found.state else {
                panic!("{found:?}");
            };
            assert_eq!(*at, bad.last(), "{found:?}");
            assert!(error.ends_with("it has no address"), "{error}");
            assert!(!found.is_ok() && !app.health().is_ok());
            let resumed = app.subscriptions().resume(name).await;
            assert!(
                matches!(resumed, Err(OperationError::Stopped { .. })),
                "{resumed:?}"
            );
        }
        // Nobody waits for what will not come.
        let answer = apps[1]
            .query(TimesPosted { letter: 3 })
            .after(&last)
            .max_wait(LONG)
            .await;
        let error = answer.expect_err("has stopped");
        let QueryErrorKind::NotCaughtUp(behind) = error.kind() else {
            panic!("{error:?}");
        };
        assert!(behind.stopped.is_some(), "{behind:?}");

        // A later process finds it stopped, too.
        let later = Dispatcher::builder()
            .module(letters::module())
            .stores_of(&apps[0]);
        for app in apps {
            app.shutdown(LONG)
                .await
                .expect("shuts down, although it has stopped");
        }
        let [app] = [later.retry_for(LONG).build().await.expect("builds")];
        until(std::slice::from_ref(&app), is_stopped).await;
        assert_eq!(posted(&app, 3).await, 0);

        failing().remove(&2);
        for name in NAMES {
            app.subscriptions().retry(name).await.expect("is retried");
        }
        idle(std::slice::from_ref(&app)).await;
        assert!(app.health().is_ok(), "{:?}", app.health());
        for letter in 1..=3 {
            assert_eq!(
                (posted(&app, letter).await, stamped(&app, letter).await),
                (1, 1)
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_next_event_is_skipped_and_the_reason_is_kept() {
    on_each_twice(letters::module(), |builders| async move {
        failing().insert(12);
        let apps = build(builders, Duration::ZERO).await;
        let good = post(&apps[0], 11).await;
        let bad = post(&apps[0], 12).await;
        let last = post(&apps[0], 13).await;
        until(&apps, is_stopped).await;
        for name in NAMES {
            for wrong in [good.last(), last.last(), Position::new(1_000)] {
                let skipped = apps[1]
                    .subscriptions()
                    .skip(name, wrong, "by mistake")
                    .await;
                let Err(OperationError::NotNext { next, .. }) = skipped else {
                    panic!("{skipped:?}");
                };
                assert_eq!(next, Some(bad.last()));
            }
            let reason = "the sender gave up";
            let skipped = apps[1].subscriptions().skip(name, bad.last(), reason).await;
            skipped.expect("is skipped");
            let again = apps[1].subscriptions().skip(name, bad.last(), reason).await;
            assert!(
                matches!(again, Err(OperationError::NotNext { .. })),
                "{again:?}"
            );
        }
        until(&apps, |state| !is_stopped(state)).await;
        idle(&apps).await;
        for (letter, times) in [(11, 1), (12, 0), (13, 1)] {
            assert_eq!(posted(&apps[0], letter).await, times);
            assert_eq!(stamped(&apps[0], letter).await, times as usize);
        }
        for name in NAMES {
            let skipped = apps[0]
                .subscriptions()
                .skipped(name)
                .await
                .expect("is read");
            let [event] = &skipped[..] else {
                panic!("{skipped:?}")
            };
            assert_eq!(event.position, bad.last());
            assert_eq!(event.reason, "the sender gave up");
        }
        failing().remove(&12);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_in_all_processes_and_across_restarts() {
    on_each_twice(letters::module(), |builders| async move {
        let apps = build(builders, LONG).await;
        post(&apps[0], 21).await;
        idle(&apps).await;
        for name in NAMES {
            apps[1]
                .subscriptions()
                .pause(name, "maintenance")
                .await
                .expect("is paused");
        }
        // From now on, not only as soon as the other process has seen it.
        post(&apps[0], 22).await;
        assert_eq!(posted(&apps[0], 22).await, 0);
        until(&apps, is_paused).await;
        let retried = apps[0].subscriptions().retry("mailbox").await;
        assert!(
            matches!(retried, Err(OperationError::Paused { .. })),
            "{retried:?}"
        );

        let later = Dispatcher::builder()
            .module(letters::module())
            .stores_of(&apps[0]);
        for app in apps {
            app.shutdown(LONG)
                .await
                .expect("shuts down, although it is paused");
        }
        let app = later.build().await.expect("builds");
        until(std::slice::from_ref(&app), is_paused).await;
        let found = health(&app, "mailbox");
        let SubscriptionState::Paused { reason, .. } = &found.state else {
            panic!("{found:?}");
        };
        assert_eq!(reason, "maintenance");
        let all = app.subscriptions().list().await.expect("is read");
        for status in &all {
            assert!(status.behind > 0 && !status.lag.is_zero(), "{status:?}");
        }
        assert_eq!((posted(&app, 22).await, stamped(&app, 22).await), (0, 0));
        for name in NAMES {
            app.subscriptions().resume(name).await.expect("is resumed");
            app.subscriptions()
                .resume(name)
                .await
                .expect("changes nothing");
        }
        idle(std::slice::from_ref(&app)).await;
        assert_eq!((posted(&app, 22).await, stamped(&app, 22).await), (1, 1));
        for status in app.subscriptions().list().await.expect("is read") {
            assert_eq!(
                (status.behind, status.lag),
                (0, Duration::ZERO),
                "{status:?}"
            );
        }
    })
    .await;
}

/// The last event of the reaction is not the last one of the log, and its checkpoint stays there.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_handles_nothing_counts_no_events_of_other_types_as_waiting() {
    on_each_twice(letters::module(), |[first, second]| async move {
        let worker = first.build().await.expect("builds");
        post(&worker, 61).await;
        idle(std::slice::from_ref(&worker)).await;
        let web = second.roles([Role::Commands, Role::Queries]);
        let web = web.build().await.expect("builds");
        for app in [&web, &worker] {
            let all = app.subscriptions().list().await.expect("is read");
            let behind = all.iter().map(|status| (status.behind, status.lag));
            assert!(behind.eq([(0, Duration::ZERO); 2]), "{all:?}");
        }
        worker.shutdown(LONG).await.expect("shuts down");
        post(&web, 62).await;
        let head = post(&web, 63).await.last();
        let all = web.subscriptions().list().await.expect("is read");
        for status in all {
            assert!(
                status.behind == 2 && !status.lag.is_zero(),
                "{status:?} of {head}"
            );
        }
    })
    .await;
}

/// Events are handled again, and equal commands of a reaction have no second effect.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_moves_back_only() {
    on_each_twice(letters::module(), |builders| async move {
        let apps = build(builders, LONG).await;
        let first = post(&apps[0], 31).await;
        post(&apps[0], 32).await;
        idle(&apps).await;
        for name in NAMES {
            let forward = apps[1]
                .subscriptions()
                .rewind(name, Position::new(1_000))
                .await;
            assert!(
                matches!(forward, Err(OperationError::NotBack { .. })),
                "{forward:?}"
            );
            let back = apps[1].subscriptions().rewind(name, first.last()).await;
            back.expect("moves back");
        }
        apps[1].wait_until_idle(LONG).await.expect("comes to rest");
        for (letter, times) in [(31, 1), (32, 2)] {
            assert_eq!(posted(&apps[0], letter).await, times, "letter {letter}");
            assert_eq!(stamped(&apps[0], letter).await, 1, "letter {letter}");
        }
    })
    .await;
}

/// A worker that waits for its next attempt gives its shard up, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_fails_moves_to_another_process() {
    on_each_twice(letters::module(), |[first, second]| async move {
        failing().insert(41);
        let first = first.build().await.expect("builds");
        post(&first, 41).await;
        let is_failing = |state: &SubscriptionState| {
            matches!(state, SubscriptionState::Failing { attempts: 6.., .. })
        };
        until(std::slice::from_ref(&first), is_failing).await;
        let apps = [first, second.build().await.expect("builds")];
        let stands_by = |app: &Dispatcher| {
            let of_app = NAMES.iter().map(|name| health(app, name).state);
            let standing_by = of_app.filter(|it| *it == SubscriptionState::Standby);
            standing_by.count() == 1
        };
        wait_until(&apps, || apps.iter().all(stands_by)).await;
        failing().remove(&41);
        idle(&apps).await;
        assert_eq!(
            (posted(&apps[0], 41).await, stamped(&apps[0], 41).await),
            (1, 1)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_cannot_be_operated() {
    on_each_twice(letters::module(), |[first, _]| async move {
        let app = first.build().await.expect("builds");
        let error = app.subscriptions().pause("letterbox", "").await;
        let error = error.expect_err("there is none").to_string();
        let expected = "there is no projection or reaction `letterbox`, only: mailbox, stamping";
        assert_eq!(error, expected);
    })
    .await;
}
