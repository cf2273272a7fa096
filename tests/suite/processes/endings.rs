//! Instances that end while the commands that they have sent are not answered.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cqrs_core::app::Process;
use cqrs_core::prelude::*;
use cqrs_core::store::{EventQuery, Tag};

use super::rentals::{self, Complain, Course, OFFLINE, Rent, Rental, UNCLEAR};
use super::{LIMIT, idle, names, recorded};
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
