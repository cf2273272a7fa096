//! Instances that end while the commands that they have sent are not answered.

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cqrs_core::app::Process;
use cqrs_core::prelude::*;
use cqrs_core::store::{
    BoxFuture, EventLog, EventPage, EventQuery, ReadRange, StoreError, Tag, ViewBatch,
    ViewCommitError, ViewStore,
};

use super::rentals::{self, Complain, Course, OFFLINE, Rent, Rental, UNCLEAR};
use super::{LIMIT, idle, names, recorded};
use crate::support::decorated::{Decorated, Hooks};
use crate::support::parked::until;
use crate::support::stores::{on_each, on_each_twice, on_each_with};

const REJECTED: &str = "process:rental:rejected";

const DAY: u64 = 24 * 3600;

async fn rent(app: &Dispatcher, rental: u32, course: Course) {
    app.execute(Rent { rental, course }).await.expect("rents");
}

async fn find(app: &Dispatcher, rental: u32) -> Option<Process<Rental>> {
    app.process::<Rental>(&rental).await.expect("reads")
}

async fn rental(app: &Dispatcher, rental: u32) -> Process<Rental> {
    find(app, rental).await.expect("it has begun")
}

fn begin(trouble: &Mutex<BTreeSet<u32>>, rental: u32) {
    trouble.lock().expect("no panic").insert(rental);
}

fn end(trouble: &Mutex<BTreeSet<u32>>, rental: u32) {
    trouble.lock().expect("no panic").remove(&rental);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_has_ended_learns_that_its_commands_are_rejected() {
    on_each(rentals::module(), async |app| {
        let courses = [Course::Unlocked, Course::Refused, Course::RefusedTwice];
        for (id, course) in (1..).zip(courses) {
            rent(&app, id, course).await;
        }
        idle(&app).await;
        let events = app.events(EventQuery::All).all().await.expect("reads");
        let names_of = |rental: u32| {
            let tag = Tag::new("rental", rental);
            let own = events.iter().filter(|event| event.data.tags.contains(&tag));
            let names = own.map(|event| event.data.event_type.to_string());
            names.collect::<BTreeSet<_>>()
        };
        let expected = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
        let expected: [BTreeSet<String>; 3] = [
            expected(&["rented", "unlocked", "reported"]),
            expected(&["rented", REJECTED, "reported", "refunded"]),
            expected(&["rented", REJECTED, "reported"]),
        ];
        assert_eq!([1, 2, 3].map(names_of), expected);

        let [accepted, refused, twice] = [
            rental(&app, 1).await,
            rental(&app, 2).await,
            rental(&app, 3).await,
        ];
        assert_eq!(accepted.state.refusals, [""; 0]);
        assert_eq!(refused.state.refusals, ["the tire is flat"]);
        assert_eq!(
            twice.state.refusals,
            ["the tire is flat", "the account is closed"]
        );
        for over in [accepted, refused, twice] {
            let (end, _) = over.ended.expect("it has ended");
            assert_eq!(end, over.started, "{over:?}");
            assert!(over.commands.is_empty(), "{over:?}");
            assert!(over.deadlines.is_empty(), "{over:?}");
            assert_eq!(over.late, 0, "{over:?}");
        }
        // Other events are late.
        app.execute(Complain { rental: 2 })
            .await
            .expect("complains");
        idle(&app).await;
        let late = rental(&app, 2).await;
        assert_eq!((late.late, late.state.refusals.len()), (1, 1), "{late:?}");
        assert!(app.health().is_ok(), "{:?}", app.health());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_after_the_end_that_nothing_takes_parks_the_instance() {
    on_each_with(
        rentals::module(),
        |builder| builder.retry_for(Duration::ZERO),
        async |app| {
            rent(&app, 1, Course::Unreported).await;
            idle(&app).await;
            let parked = app.subscriptions().parked("rental").await.expect("reads");
            assert_eq!(parked.len(), 1, "{parked:?}");
            let cause = &parked[0].cause;
            assert!(cause.contains("nobody reads that"), "{cause}");
            assert!(!app.health().is_ok());
        },
    )
    .await;
}

/// The rejection is recorded by one process, and handled by the next one.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_process_handles_a_rejection_after_the_end() {
    on_each_twice(rentals::module(), async |[first, second]| {
        begin(&UNCLEAR, 4_001);
        let first = first.build().await.expect("builds");
        rent(&first, 4_001, Course::Refused).await;
        recorded(&first, REJECTED, 1).await;
        let ended = rental(&first, 4_001).await;
        assert!(ended.ended.is_some(), "{ended:?}");
        drop(first);
        end(&UNCLEAR, 4_001);
        let second = second.build().await.expect("builds");
        recorded(&second, "refunded", 1).await;
        idle(&second).await;
        let over = rental(&second, 4_001).await;
        assert_eq!(over.state.refusals, ["the tire is flat"]);
        assert!(over.commands.is_empty() && over.late == 0, "{over:?}");
        let names = names(&second).await;
        for name in [REJECTED, "refunded"] {
            assert_eq!(names.iter().filter(|it| *it == name).count(), 1, "{name}");
        }
    })
    .await;
}

/// A view store that fails when a row is to forget the commands that were carried out.
struct Forgetless;

impl Hooks<dyn ViewStore> for Forgetless {
    fn commit<'a>(
        &'a self,
        store: &'a dyn ViewStore,
        batch: ViewBatch,
    ) -> BoxFuture<'a, Result<(), ViewCommitError>> {
        let is_between = batch.from == Some(batch.to.position);
        if is_between && !batch.changes.is_empty() {
            return Box::pin(ready(Err(ViewCommitError::Failed(
                StoreError::Unavailable {
                    reason: "the disk is full".into(),
                },
            ))));
        }
        store.commit(batch)
    }
}

/// A log that reads single events up to a head that it knew before, for now.
struct Behind {
    is_behind: AtomicBool,
    reads: AtomicU32,
}

impl Hooks<dyn EventLog> for Behind {
    fn read<'a>(
        &'a self,
        store: &'a dyn EventLog,
        query: EventQuery,
        mut range: ReadRange,
    ) -> BoxFuture<'a, Result<EventPage, StoreError>> {
        let is_single = range.limit == 1 && range.up_to.is_some();
        if is_single && self.is_behind.load(Ordering::SeqCst) {
            self.reads.fetch_add(1, Ordering::SeqCst);
            range.up_to = Some(range.after);
        }
        store.read(query, range)
    }
}

/// A process has recorded a rejection, and ends before its row tells. The next one sends the command again, long after
/// the instance is to be deleted, and does not see the rejection at first.
#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_that_a_log_does_not_show_yet_is_handled_all_the_same() {
    on_each(rentals::module(), async |app| {
        app.shutdown(LIMIT).await.expect("ends");
        let views = app.views().expect("it has views").clone();
        let next = || Dispatcher::builder().module(rentals::module());
        begin(&UNCLEAR, 6_001);
        let first = next().log(app.log().clone()).views(Arc::new(Decorated {
            store: views.clone(),
            hooks: Forgetless,
        }));
        let first = first.build().await.expect("builds");
        rent(&first, 6_001, Course::Refused).await;
        for name in [REJECTED, "reported"] {
            recorded(&first, name, 1).await;
        }
        assert_eq!(rental(&first, 6_001).await.commands.len(), 2);
        drop(first);

        let log = Arc::new(Decorated {
            store: app.log().clone(),
            hooks: Behind {
                is_behind: AtomicBool::new(true),
                reads: AtomicU32::new(0),
            },
        });
        let clock = || Timestamp::now() + Duration::from_secs(31 * DAY);
        let second = next().log(log.clone()).views(views).clock(clock);
        let second = second.build().await.expect("builds");
        let has_looked = || async { log.reads.load(Ordering::SeqCst) > 5 };
        until(has_looked, &second).await;
        assert_eq!(rental(&second, 6_001).await.commands.len(), 2);
        log.is_behind.store(false, Ordering::SeqCst);
        until(
            || async { rental(&second, 6_001).await.commands.is_empty() },
            &second,
        )
        .await;
        end(&UNCLEAR, 6_001);
        recorded(&second, "refunded", 1).await;
        idle(&second).await;
        let all = ["rented", REJECTED, "reported", "refunded"];
        assert_eq!(names(&second).await, all);
    })
    .await;
}

/// A command is answered when its instance is to be deleted since long.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_kept_until_its_rejections_are_handled_and_some_time_longer() {
    let ahead = Arc::new(AtomicU64::new(0));
    let days = |count: u64| ahead.fetch_add(count * DAY, Ordering::SeqCst);
    let clock = {
        let ahead = ahead.clone();
        move || Timestamp::now() + Duration::from_secs(ahead.load(Ordering::SeqCst))
    };
    on_each_with(
        rentals::module(),
        |builder| builder.clock(clock.clone()),
        async |app| {
            begin(&OFFLINE, 5_001);
            rent(&app, 5_001, Course::Refused).await;
            let head = app.log().heads().position();
            app.wait_until_caught_up(head, LIMIT).await.expect("ends");
            days(31);
            end(&OFFLINE, 5_001);
            idle(&app).await;
            let over = rental(&app, 5_001).await;
            assert_eq!(over.state.refusals, ["the tire is flat"]);
            assert!(over.commands.is_empty(), "{over:?}");
            let (_, ended) = over.ended.expect("it has ended");
            let events = app.events(EventQuery::All).all().await.expect("reads");
            assert_eq!(events[0].meta.time, ended);
            let last = events.last().expect("some");
            assert_eq!(last.data.event_type, "refunded");

            days(29);
            rent(&app, 1, Course::Unlocked).await;
            idle(&app).await;
            assert!(find(&app, 5_001).await.is_some());
            days(2);
            rent(&app, 2, Course::Unlocked).await;
            idle(&app).await;
            assert_eq!(find(&app, 5_001).await, None);
        },
    )
    .await;
}
