//! Events that concern several instances.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use cqrs_core::app::{Builder, Process};
use cqrs_core::prelude::*;
use cqrs_core::store::{EventQuery, Position, Slices};
use cqrs_core::testing::process_manager;

use super::parcels::{
    self, Announce, Announced, Deliver, Delivery, FAILED, Load, Loaded, Overdue, PATIENCE,
    POISONED, STUCK, Swap, Swapped,
};
use super::{idle, names};
use crate::support::parked::{parked, until, until_parked};
use crate::support::stores::{on_each, on_each_with};

fn impatient(builder: Builder) -> Builder {
    builder.retry_for(Duration::ZERO)
}

fn add(to: &Mutex<BTreeSet<u32>>, parcel: u32) {
    to.lock().expect("no panic").insert(parcel);
}

fn remove(from: &Mutex<BTreeSet<u32>>, parcel: u32) {
    from.lock().expect("no panic").remove(&parcel);
}

async fn delivery(app: &Dispatcher, parcel: u32) -> Process<Delivery> {
    let instance = app.process::<Delivery>(&parcel).await.expect("reads");
    instance.unwrap_or_else(|| panic!("{parcel} has begun"))
}

/// Waits until no id is parked.
async fn until_unparked(app: &Dispatcher) {
    let unparked = || async { parked(app, "delivery").await.is_empty() };
    until(unparked, app).await;
}

async fn load(app: &Dispatcher, parcels: impl IntoIterator<Item = u32>) -> Position {
    let parcels = parcels.into_iter().collect();
    let loaded = app.execute(Load { parcels }).await;
    loaded.expect("loads").last()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_instance_of_an_event_handles_it_in_its_shard() {
    on_each(parcels::module(), async |app| {
        let subscriptions = app.subscriptions();
        let divided = subscriptions.divide("delivery", 4);
        divided.await.expect("divides");
        load(&app, 0..12).await;
        idle(&app).await;
        for parcel in 0..12 {
            let ended = delivery(&app, parcel).await;
            let steps: &[&str] = match parcel {
                3 => &["loaded", "it has no address"],
                _ => &["loaded"],
            };
            assert_eq!(ended.state.steps, steps, "{parcel}");
            assert_eq!(ended.state.parcel, parcel);
            assert!(ended.ended.is_some(), "{ended:?}");
            assert!(ended.deadlines.is_empty() && ended.commands.is_empty());
        }
        let events = app.events(EventQuery::All).all().await.expect("reads");
        let causation = events[0].meta.id.as_uuid();
        assert!(events[1..].iter().all(|it| it.meta.causation == causation));
        let ids: BTreeSet<_> = events.iter().map(|it| it.meta.command).collect();
        assert_eq!(ids.len(), 13, "the ids differ");

        // In a division during their conversation, too.
        let swap = async |out, into| {
            let swapped = app.execute(Swap { out, into }).await;
            swapped.expect("swaps");
        };
        for parcel in 20..30 {
            let announced = app.execute(Announce { parcel }).await;
            announced.expect("announces");
        }
        swap(20, 21).await;
        let divided = subscriptions.divide("delivery", 2);
        divided.await.expect("divides");
        swap(22, 21).await;
        idle(&app).await;
        let divided = subscriptions.divide("delivery", 7);
        divided.await.expect("divides");
        swap(21, 20).await;
        idle(&app).await;
        let expected = [
            (20, vec!["announced", "out", "into"]),
            (21, vec!["announced", "into", "into", "out"]),
            (22, vec!["announced", "out"]),
            (23, vec!["announced"]),
        ];
        for (parcel, steps) in expected {
            let handled = delivery(&app, parcel).await;
            assert_eq!(handled.state.steps, steps, "{parcel}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_fails_parks_alone() {
    on_each_with(parcels::module(), impatient, async |app| {
        add(&POISONED, 107);
        let loaded = load(&app, 104..110).await;
        let again = app.execute(Swap {
            out: 107,
            into: 108,
        });
        again.await.expect("swaps");
        idle(&app).await;
        let failed = parked(&app, "delivery").await;
        let keys: Vec<_> = failed
            .iter()
            .map(|it| (it.key.as_str(), it.first))
            .collect();
        assert_eq!(keys, [("107", loaded)]);
        let cause = &failed[0].cause;
        assert!(cause.contains("its label cannot be read"), "{cause}");
        for parcel in [104, 105, 106, 108, 109] {
            assert!(delivery(&app, parcel).await.ended.is_some(), "{parcel}");
        }
        let before = app.process::<Delivery>(&107).await.expect("reads");
        assert!(before.is_none(), "{before:?}");
        let late = delivery(&app, 108).await.late;

        remove(&POISONED, 107);
        let subscriptions = app.subscriptions();
        let released = subscriptions.release("delivery", 107).await;
        released.expect("releases");
        until_unparked(&app).await;
        idle(&app).await;
        let ended = delivery(&app, 107).await;
        assert_eq!(ended.state.steps, ["loaded", "out"]);
        assert!(ended.ended.is_some(), "{ended:?}");
        assert_eq!(delivery(&app, 108).await.late, late, "handles it once");
        let names = names(&app).await;
        let delivered = names.iter().filter(|it| *it == "parcel-delivered");
        assert_eq!(delivered.count(), 6);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_instance_that_fails_at_an_event_has_its_own_time_to_recover() {
    let patient = |builder: Builder| builder.retry_for(Duration::from_millis(200));
    on_each_with(parcels::module(), patient, async |app| {
        let failing = [151, 152, 154];
        for parcel in failing {
            add(&POISONED, parcel);
        }
        let failed = |parcel| {
            let failed = FAILED.lock().expect("no panic");
            failed.iter().filter(|it| **it == parcel).count()
        };
        let before = failing.map(failed);
        load(&app, 150..156).await;
        until_parked(&app, "delivery", 3).await;
        for (parcel, before) in failing.into_iter().zip(before) {
            let attempts = failed(parcel) - before;
            assert!(attempts > 1, "{parcel} is parked after its first failure");
        }
        idle(&app).await;
        for parcel in [150, 153, 155] {
            assert!(delivery(&app, parcel).await.ended.is_some(), "{parcel}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_skipped_for_the_instances_that_are_parked_at_it() {
    on_each_with(parcels::module(), impatient, async |app| {
        for parcel in [201, 202] {
            add(&STUCK, parcel);
        }
        add(&POISONED, 204);
        let announced = app.execute(Announce { parcel: 204 }).await;
        let announced = announced.expect("announces").last();
        let loaded = load(&app, 201..206).await;
        idle(&app).await;
        let at = async || {
            let parked = parked(&app, "delivery").await;
            let at = parked.into_iter().map(|it| (it.first, it.key));
            at.collect::<BTreeSet<_>>()
        };
        let expected = [(announced, 204), (loaded, 201), (loaded, 202)];
        let expected = expected.map(|(at, key)| (at, key.to_string()));
        assert_eq!(at().await, BTreeSet::from(expected));

        let subscriptions = app.subscriptions();
        let skipped = subscriptions.skip("delivery", loaded, "brought by hand");
        skipped.await.expect("skips");
        let skipped = subscriptions.skipped("delivery").await.expect("reads");
        let keys: Vec<_> = skipped.iter().map(|it| it.key.as_deref()).collect();
        assert_eq!(keys, [Some("201"), Some("202")]);
        remove(&POISONED, 204);
        let released = subscriptions.release("delivery", 204).await;
        released.expect("releases");
        until_unparked(&app).await;
        idle(&app).await;
        for parcel in [201, 202] {
            let skipped = delivery(&app, parcel).await;
            assert!(skipped.commands.is_empty(), "{skipped:?}");
            assert!(skipped.ended.is_none(), "{skipped:?}");
        }
        // It has handled the event later, and its command is its own.
        let ended = delivery(&app, 204).await;
        assert!(ended.ended.is_some(), "{ended:?}");
        let names = names(&app).await;
        let delivered = names.iter().filter(|it| *it == "parcel-delivered");
        assert_eq!(delivered.count(), 2, "204 and 205");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_event_is_skipped_also_if_nothing_comes_after_it() {
    on_each_with(parcels::module(), impatient, async |app| {
        let subscriptions = app.subscriptions();
        for parcels in [301..302, 302..304] {
            for parcel in parcels.clone() {
                add(&POISONED, parcel);
            }
            let loaded = load(&app, parcels.clone()).await;
            idle(&app).await;
            assert_eq!(parked(&app, "delivery").await.len(), parcels.len());
            let skipped = subscriptions.skip("delivery", loaded, "its label is lost");
            skipped.await.expect("skips");
            idle(&app).await;
            assert_eq!(parked(&app, "delivery").await, []);
            for parcel in parcels {
                let instance = app.process::<Delivery>(&parcel).await.expect("reads");
                assert!(instance.is_none(), "{instance:?}");
                remove(&POISONED, parcel);
                load(&app, [parcel]).await;
                idle(&app).await;
                let delivered = delivery(&app, parcel).await;
                assert!(delivered.ended.is_some(), "{delivered:?}");
            }
        }
    })
    .await;
}

/// Number of the parcel's shard, of four.
fn shard_of(parcel: u32) -> u16 {
    Slices::of_tag(&parcel.to_string()) / (Slices::COUNT / 4)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_fails_in_one_shard_is_skipped_in_that_one() {
    on_each(parcels::module(), async |app| {
        let subscriptions = app.subscriptions();
        let divided = subscriptions.divide("delivery", 4);
        divided.await.expect("divides");
        let all = [
            400, 401, 402, 404, 405, 406, 407, 408, 409, 410, 411, 412, 414,
        ];
        add(&POISONED, 401);
        for parcel in all {
            add(&STUCK, parcel);
        }
        let loaded = load(&app, all).await;
        let (same, others): (Vec<u32>, Vec<u32>) = all
            .into_iter()
            .partition(|it| shard_of(*it) == shard_of(401));
        assert!(!others.is_empty(), "in one shard");
        let others_have_begun = || async {
            for parcel in &others {
                let instance = app.process::<Delivery>(parcel).await.expect("reads");
                if instance.is_none() {
                    return false;
                }
            }
            true
        };
        until(others_have_begun, &app).await;
        let skipped = subscriptions.skip("delivery", loaded, "its label is lost");
        skipped.await.expect("skips");

        let skipped = subscriptions.skipped("delivery").await.expect("reads");
        let keys: BTreeSet<_> = skipped.into_iter().filter_map(|it| it.key).collect();
        let of_shard: BTreeSet<_> = same.iter().map(u32::to_string).collect();
        assert_eq!(keys, of_shard);
        // What is to be sent is read again.
        subscriptions.retry("delivery").await.expect("begins again");
        for parcel in all {
            remove(&STUCK, parcel);
        }
        remove(&POISONED, 401);
        idle(&app).await;
        for parcel in others {
            let delivered = delivery(&app, parcel).await;
            assert!(delivered.ended.is_some(), "{delivered:?}");
        }
        for parcel in same {
            let instance = app.process::<Delivery>(&parcel).await.expect("reads");
            assert!(instance.is_none(), "{instance:?}");
        }
        let names = names(&app).await;
        let delivered = names.iter().filter(|it| *it == "parcel-delivered");
        assert_eq!(delivered.count(), all.len() - of_shard.len());
    })
    .await;
}

#[test]
fn a_test_shows_the_effects_of_all_instances() {
    let parcels = || vec![601, 602];
    process_manager::<Delivery>()
        .given(Announced { parcel: 602 })
        .when(Loaded { parcels: parcels() })
        .then_sends([601, 602].map(|parcel| Deliver { parcel }).to_vec())
        .then_deadline(Overdue { parcel: 601 }, PATIENCE)
        .of(&602)
        .then_deadline(Overdue { parcel: 602 }, PATIENCE)
        .then_state(Delivery {
            parcel: 602,
            steps: ["announced", "loaded"].map(str::to_owned).to_vec(),
        })
        .rejected(Deliver { parcel: 602 }, "no address".into())
        .then_ended()
        .of(&601)
        .then_running()
        .when(Swapped {
            out: 602,
            into: 601,
        })
        .of(&601)
        .then_state(Delivery {
            parcel: 601,
            steps: ["loaded", "into"].map(str::to_owned).to_vec(),
        });
}
