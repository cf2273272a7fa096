//! Aggregates, projections, process managers and reactions that were renamed, and the program of before that
//! still runs.

mod deadlines;
mod depot;
mod library;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cqrs_core::Module;
use cqrs_core::app::{BuildError, Builder, SubscriptionState};
use cqrs_core::prelude::*;
use cqrs_core::store::{Append, EventData, EventLog, EventQuery, ReadRange, StateKey, Tag};

use crate::support::parked::{parked, until, until_parked};
use crate::support::stores::on_each_with;
use depot::{FOLDS, IS_LUCKY, Meanwhile, after, before};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

/// The program of before, on each store.
async fn on_each<F: Future>(test: impl Fn(Dispatcher) -> F) {
    let with = |builder: Builder| {
        builder
            .provide(Arc::new(Meanwhile::default()))
            .retry_for(Duration::from_millis(1))
    };
    on_each_with(before::module(), with, test).await;
}

/// A program on the data of another one. While it packs its first parcel, something else happens.
async fn beside(other: &Dispatcher, module: Module, meanwhile: Meanwhile) -> Dispatcher {
    let builder = Dispatcher::builder()
        .module(module)
        .provide(Arc::new(meanwhile))
        .retry_for(Duration::from_millis(1));
    builder.stores_of(other).build().await.expect("builds")
}

async fn renamed(before: &Dispatcher) -> Dispatcher {
    beside(before, after::module(), Meanwhile::default()).await
}

async fn idle(app: &Dispatcher) {
    app.wait_until_idle(LONG).await.expect("comes to rest");
}

/// The tags of all events, as a log shows them.
async fn tags(log: &dyn EventLog) -> Vec<String> {
    let range = ReadRange::after(Position::START);
    let page = log.read(EventQuery::All, range).await.expect("is read");
    let events = page.events.iter();
    events.map(|event| event.data.tags.to_string()).collect()
}

async fn count(app: &Dispatcher, name: &'static str) -> usize {
    let events = app.events(EventQuery::typed([name])).all().await;
    events.expect("are read").len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_renamed_aggregate_has_its_events_and_states() {
    on_each(async |before| {
        assert!(before::packs(&before, 1, 60).await);
        idle(&before).await;
        let after = renamed(&before).await;
        assert_eq!(after::grams(&after, 1).await, 60);
        assert!(!after::packs(&after, 1, 60).await, "120 are too many");
        assert!(after::packs(&after, 1, 20).await);
        assert_eq!(before::grams(&before, 1).await, 80);
        assert!(!before::packs(&before, 1, 30).await, "110 are too many");
        idle(&after).await;

        // The log keeps its name for it.
        let seen = tags(&**after.log()).await;
        assert!(seen.iter().all(|tag| tag == "consignment:1"), "{seen:?}");
        let stored = tags(&**before.log()).await;
        assert_eq!(stored, vec!["parcel:1"; seen.len()]);
        let history = after.history::<after::Consignment>(&1).all().await;
        assert_eq!(history.expect("is read").len(), seen.len());

        // There is one state, which both write.
        let key = |aggregate| StateKey {
            aggregate,
            id: "1".to_owned(),
        };
        let states = before.log().capabilities().states.expect("has states");
        let stored = states.states(vec![key("parcel"), key("consignment")]).await;
        let stored = stored.expect("are read");
        assert!(stored[0].is_some() && stored[1].is_none(), "{stored:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn decisions_of_both_programs_exclude_each_other() {
    on_each(async |first| {
        let after = renamed(&first).await;
        for (parcel, is_known) in [(1, false), (2, true)] {
            if is_known {
                assert!(before::packs(&first, parcel, 1).await);
            }
            let meanwhile = Meanwhile::of(before::packing(&first, parcel, 60));
            let deciding = beside(&first, after::module(), meanwhile).await;
            assert!(!after::packs(&deciding, parcel, 60).await, "120");
        }
        for (parcel, is_known) in [(3, false), (4, true)] {
            if is_known {
                assert!(after::packs(&after, parcel, 1).await);
            }
            let meanwhile = Meanwhile::of(after::packing(&after, parcel, 60));
            let deciding = beside(&first, before::module(), meanwhile).await;
            assert!(!before::packs(&deciding, parcel, 60).await, "120");
        }
    })
    .await;
}

/// A program that was given the new name, but not the earlier one, has recorded events under the new name.
#[tokio::test]
async fn events_under_both_names_are_found() {
    let store = Memory::new();
    let builder = || {
        let builder = Dispatcher::builder().provide(Arc::new(Meanwhile::default()));
        builder.store(store.clone())
    };
    let before = builder().module(before::module()).build().await;
    let before = before.expect("builds");
    assert!(before::packs(&before, 1, 20).await);
    let event = EventData {
        event_type: "parcel-packed".into(),
        version: 1,
        tags: [Tag::new("consignment", 1)].into_iter().collect(),
        payload: br#"{"parcel":1,"grams":30}"#.to_vec(),
    };
    let append = Append::new(CommandId::new(), vec![event]);
    store.append(append).await.expect("is appended");
    let after = builder().module(after::module()).build().await;
    let after = after.expect("builds");
    assert_eq!(after::grams(&after, 1).await, 50);
    let seen = tags(&**after.log()).await;
    assert!(seen.iter().all(|tag| tag == "consignment:1"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_renamed_projection_goes_on_where_it_was() {
    on_each(async |before| {
        IS_LUCKY.store(false, Ordering::SeqCst);
        let operations = before.subscriptions();
        for parcel in 1..=8 {
            let grams = if parcel == 3 { 13 } else { 10 };
            assert!(before::packs(&before, parcel, grams).await);
        }
        until_parked(&before, "parcels", 1).await;
        until(
            || async { before::shown(&before, 8).await.is_some() },
            &before,
        )
        .await;
        operations.divide("parcels", 4).await.expect("is divided");
        operations
            .pause("parcels", "moving house")
            .await
            .expect("pauses");
        before.shutdown(LONG).await.expect("ends");
        let folds = FOLDS.load(Ordering::SeqCst);

        let after = renamed(&before).await;
        assert!(after::packs(&after, 8, 10).await);
        let all = after.subscriptions().list().await.expect("are listed");
        let status = all.iter().find(|it| it.health.name == "consignments");
        let state = &status.expect("it is there").health.state;
        let is_paused =
            matches!(state, SubscriptionState::Paused { reason, .. } if reason == "moving house");
        assert!(is_paused, "{state:?}");
        let keys = parked(&after, "consignments").await;
        assert_eq!((&*keys[0].partition, &*keys[0].key), ("consignment", "3"));
        let versions = after.subscriptions().versions("consignments").await;
        assert_eq!(versions.expect("are read").len(), 1);
        after
            .subscriptions()
            .resume("consignments")
            .await
            .expect("resumes");
        until(
            || async { after::shown(&after, 8).await == Some(20) },
            &after,
        )
        .await;
        assert_eq!(
            FOLDS.load(Ordering::SeqCst),
            folds,
            "nothing is folded again"
        );
        assert_eq!(after::shown(&after, 3).await, None);
        IS_LUCKY.store(true, Ordering::SeqCst);
        let released = after.subscriptions().release("consignments", 3).await;
        released.expect("is released");
        until(
            || async { after::shown(&after, 3).await == Some(13) },
            &after,
        )
        .await;
        after
            .subscriptions()
            .divide("consignments", 2)
            .await
            .expect("is divided");
        idle(&after).await;

        // The program of before comes back.
        after.shutdown(LONG).await.expect("ends");
        let again = beside(&after, before::module(), Meanwhile::default()).await;
        assert!(before::packs(&again, 3, 10).await);
        idle(&again).await;
        assert_eq!(before::shown(&again, 3).await, Some(23));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn renamed_process_managers_and_reactions_go_on_where_they_were() {
    on_each(async |before| {
        assert!(before::packs(&before, 1, 10).await);
        idle(&before).await;
        before.shutdown(LONG).await.expect("ends");

        let after = renamed(&before).await;
        let begun = after.process::<after::Delivery>(&1).await.expect("reads");
        let begun = begun.expect("it has begun");
        assert_eq!((begun.state.grams, begun.deadlines.len()), (10, 1));
        // The deadline that the program of before has set is that of this one.
        let hurried = after.execute(after::Hurry { parcel: 1 }).await;
        hurried.expect("hurries");
        idle(&after).await;
        assert_eq!(count(&after, "parcel-late").await, 1);
        assert_eq!(count(&after, "parcel-complained").await, 1);
        assert!(
            after
                .state::<after::Consignment>(&1)
                .await
                .expect("is folded")
                .is_late
        );
        assert_eq!(count(&after, "parcel-labeled").await, 1, "not again");

        // And the other way around.
        assert!(after::packs(&after, 2, 10).await);
        idle(&after).await;
        after.shutdown(LONG).await.expect("ends");
        let again = beside(&after, before::module(), Meanwhile::default()).await;
        let hurried = again.execute(before::Hurry { parcel: 2 }).await;
        hurried.expect("hurries");
        idle(&again).await;
        for name in ["parcel-late", "parcel-complained", "parcel-labeled"] {
            assert_eq!(count(&again, name).await, 2, "{name}");
        }
        let late = again.state::<before::Parcel>(&2).await.expect("is folded");
        assert!(late.is_late);
        let stored = tags(&**again.log()).await;
        assert!(
            stored.iter().all(|tag| tag.starts_with("parcel:")),
            "{stored:?}"
        );
    })
    .await;
}

/// Names that two items have.
mod misfits {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "kettle-boiled", version = 1)]
    pub struct Boiled {
        #[id(Kettle)]
        pub kettle: u32,
        #[id("cauldron")]
        pub cauldron: u32,
        #[id(Pot)]
        pub pot: u32,
        #[id(Pan)]
        pub pan: u32,
    }

    macro_rules! vessel {
        ($Vessel:ident, $($was:tt)*) => {
            #[derive(Default)]
            pub struct $Vessel;

            #[aggregate(id = u32, $($was)*)]
            impl $Vessel {
                #[apply]
                fn boiled(&mut self, _: &Boiled) {}
            }
        };
    }

    vessel!(Kettle, was = ["cauldron"]);
    vessel!(Pot, was = ["kettle"]);
    vessel!(Pan, was = ["cauldron"]);

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Steam {
        #[key]
        pub kettle: u32,
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Fog {
        #[key]
        pub kettle: u32,
    }

    pub struct Steams;

    #[projection(name = "steams", version = 1, was = ["clouds"])]
    impl Steams {
        #[on]
        fn boiled(_: &Boiled, _: &mut Views<Steam>) {}
    }

    pub struct Clouds;

    #[projection(name = "clouds", version = 1)]
    impl Clouds {
        #[on]
        fn boiled(_: &Boiled, _: &mut Views<Fog>) {}
    }

    #[event_handler(was = ["hiss"])]
    fn whistle(_: Boiled) {}

    #[event_handler(was = ["hiss"])]
    fn sing(_: Boiled) {}

    #[derive(Default, Serialize, Deserialize)]
    pub struct Breakfast {}

    #[process_manager(name = "breakfast", id(Kettle = u32), was = ["supper"])]
    impl Breakfast {
        #[start]
        fn boiled(&mut self, _: &Boiled) {}
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Supper {}

    #[process_manager(name = "supper", id(Kettle = u32))]
    impl Supper {
        #[start]
        fn boiled(&mut self, _: &Boiled) {}
    }
}

#[tokio::test]
async fn build_reports_names_that_two_items_have() {
    let builder = Dispatcher::builder().module(misfits::module());
    let error = builder.store(Memory::new()).build().await;
    let Err(BuildError::Wiring(problems)) = error else {
        panic!("it was built")
    };
    let problems: Vec<_> = problems.iter().map(|it| (&*it.what, &*it.write)).collect();
    let stored =
        "it in the `was` of the one that has it in the store, and another `name` for the other one";
    let logged = "it in the `was` of the one that the log has under it";
    let expected = [
        (
            "the projections `clouds` and `steams` are both stored as `clouds`",
            stored,
        ),
        (
            "the event handlers `sing` and `whistle` are both stored as `hiss`",
            stored,
        ),
        (
            "the process managers `breakfast` and `supper` are both stored as `supper`",
            stored,
        ),
        (
            "the aggregates `kettle` and `pan` both have the name `cauldron`, at present or earlier",
            logged,
        ),
        (
            "the event `kettle-boiled` has an id of `cauldron`, which is the earlier name of the aggregate `kettle`",
            "`#[id(\"kettle\")]` on its field: the log keeps the earlier name by itself",
        ),
        (
            "the event `kettle-boiled` has an id of `cauldron`, which is the earlier name of the aggregate `pan`",
            "`#[id(\"pan\")]` on its field: the log keeps the earlier name by itself",
        ),
        (
            "the aggregates `pot` and `kettle` both have the name `kettle`, at present or earlier",
            logged,
        ),
        (
            "the event `kettle-boiled` has an id of `kettle`, which is the earlier name of the aggregate `pot`",
            "`#[id(\"pot\")]` on its field: the log keeps the earlier name by itself",
        ),
    ];
    assert_eq!(problems, expected);
}
