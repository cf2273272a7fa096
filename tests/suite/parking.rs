//! Projections and reactions that park the id of an event that keeps failing: the events of others go on, and
//! once the id is released, none of its own is missing. What a store has to do with it is in the conformance
//! suite, and a longer run in `poison`. One domain serves all tests, so the file is over 500 lines.

use std::time::Duration;

use cqrs_core::app::{Builder, SubscriptionHealth, SubscriptionState, WaitError};
use cqrs_core::error::{OperationError, Parked, QueryError, QueryErrorKind};
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;
use cqrs_core::{Memory, Position};

use crate::support::one_by_one::OneByOne;
use crate::support::parked::{parked, until, until_parked, until_parked_at};
use crate::support::stores::on_each_twice;

/// Carts that are filled. Each item is reserved in the warehouse.
mod carts {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// The item of a cart that fails.
    static POISON: Mutex<BTreeMap<u32, Poison>> = Mutex::new(BTreeMap::new());

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Poison {
        Fails(u32),
        Panics(u32),
    }

    pub fn poison() -> MutexGuard<'static, BTreeMap<u32, Poison>> {
        POISON.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Fill {
        pub cart: u32,
        pub item: u32,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Reserve {
        pub cart: u32,
        pub item: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "item-added", version = 1)]
    pub struct ItemAdded {
        #[id("cart")]
        pub cart: u32,
        pub item: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "item-reserved", version = 1)]
    pub struct ItemReserved {
        #[id("cart")]
        pub cart: u32,
        pub item: u32,
    }

    #[command_handler]
    fn fill(Fill { cart, item }: Fill) -> ItemAdded {
        ItemAdded { cart, item }
    }

    /// Refuses the items that fail.
    #[command_handler]
    fn reserve(Reserve { cart, item }: Reserve) -> Result<ItemReserved, Rejected> {
        ensure!(!is_poison(cart, item), "item {item} is sold out");
        Ok(ItemReserved { cart, item })
    }

    fn is_poison(cart: u32, item: u32) -> bool {
        let poison = poison().get(&cart).copied();
        poison == Some(Poison::Fails(item)) || poison == Some(Poison::Panics(item))
    }

    #[event_handler(partition = "cart", on_failure = "park")]
    async fn reserving(event: ItemAdded, app: &Dispatcher) -> Result<()> {
        let ItemAdded { cart, item } = event;
        app.execute(Reserve { cart, item }).await?;
        Ok(())
    }

    #[derive(ReadModel, Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
    pub struct Cart {
        #[key]
        pub id: u32,
        /// The items in the order of their folds.
        pub items: Vec<u32>,
        pub reserved: Vec<u32>,
    }

    pub struct Carts;

    #[projection(name = "carts", version = 1, partition = "cart", on_failure = "park")]
    impl Carts {
        #[on]
        fn added(event: &ItemAdded, carts: &mut Views<Cart>) -> Result<()> {
            let ItemAdded { cart, item } = *event;
            let poison = poison().get(&cart).copied();
            assert!(poison != Some(Poison::Panics(item)), "item {item} explodes");
            if poison == Some(Poison::Fails(item)) {
                return Err(Error::message(format!("item {item} has no price")));
            }
            let mut view = carts.get(&cart)?.unwrap_or(Cart {
                id: cart,
                ..Cart::default()
            });
            view.items.push(item);
            carts.put(view);
            Ok(())
        }

        #[on]
        fn reserved(event: &ItemReserved, carts: &mut Views<Cart>) -> Result<()> {
            carts.update(&event.cart, |cart| cart.reserved.push(event.item))?;
            Ok(())
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = Option<Cart>)]
    pub struct FindCart {
        pub cart: u32,
    }

    #[query_handler]
    async fn find(query: FindCart, carts: Read<Cart>) -> Result<Option<Cart>> {
        carts.get(&query.cart).await
    }
}

/// The same reaction in a program that does not partition it.
mod plain {
    use cqrs_core::prelude::*;

    use super::carts::ItemAdded;

    cqrs_core::module!();

    #[event_handler(name = "reserving", on_failure = "stop")]
    fn reserving(_: ItemAdded) {}
}

use carts::{Cart, Carts, Fill, FindCart, Poison, poison};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

async fn build(builders: [Builder; 2]) -> [Dispatcher; 2] {
    let [first, second] = builders.map(|it| it.retry_for(Duration::from_millis(1)));
    [
        first.build().await.expect("builds"),
        second.build().await.expect("builds"),
    ]
}

async fn fill(app: &Dispatcher, cart: u32, item: u32) -> Receipt {
    app.execute(Fill { cart, item }).await.expect("is filled")
}

/// The items of a cart, as its view has them.
async fn items(app: &Dispatcher, cart: u32) -> Vec<u32> {
    let found = app.query(FindCart { cart }).await.expect("answers");
    found.map(|cart: Cart| cart.items).unwrap_or_default()
}

fn health(app: &Dispatcher, name: &str) -> SubscriptionHealth {
    let mut all = app.health().subscriptions.into_iter();
    all.find(|it| it.name == name).expect("it is there")
}

/// Waits until all processes have caught up, and nothing is parked as far as they know.
async fn until_well(apps: &[Dispatcher]) {
    for app in apps {
        app.wait_until_idle(LONG).await.expect("comes to rest");
        until(|| async { app.health().is_ok() }, app).await;
    }
}

/// Lets a cart be as it should.
fn cure(cart: u32) {
    poison().remove(&cart);
}

async fn release(app: &Dispatcher, name: &str, cart: u32) {
    let released = app.subscriptions().release(name, cart).await;
    released.expect("is released");
}

fn parked_error(error: &QueryError) -> &Parked {
    match error.kind() {
        QueryErrorKind::Parked(parked) => parked,
        _ => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_failing_key_is_parked_and_released_and_the_others_go_on() {
    const BAD: u32 = 1_001;
    const GOOD: u32 = 1_002;
    on_each_twice(carts::module(), |builders| async {
        let apps = build(builders).await;
        fill(&apps[0], BAD, 1).await;
        poison().insert(BAD, Poison::Fails(2));
        let failing = fill(&apps[0], BAD, 2).await;
        fill(&apps[1], BAD, 3).await;
        for (item, app) in (1..10).zip(apps.iter().cycle()) {
            fill(app, GOOD, item).await;
        }
        for name in ["carts", "reserving"] {
            until_parked(&apps[1], name, 1).await;
        }
        let key = parked(&apps[1], "carts").await.remove(0);
        assert_eq!((key.key.as_str(), key.partition.as_str()), ("1001", "cart"));
        assert_eq!((key.first, key.is_released), (failing.first(), false));
        assert!(
            key.cause
                .contains("`added` failed at the event at position"),
            "{}",
            key.cause
        );
        assert!(key.cause.contains("item 2 has no price"), "{}", key.cause);
        let later = fill(&apps[1], BAD, 4).await;
        for app in &apps {
            app.wait_until_idle(LONG).await.expect("comes to rest");
            assert_eq!(items(app, BAD).await, [1]);
            assert_eq!(items(app, GOOD).await, (1..10).collect::<Vec<_>>());
            until(|| async { !app.health().is_ok() }, app).await;
            let state = health(app, "carts").state;
            assert_eq!(state, SubscriptionState::Parked { keys: 1 });
            assert_eq!(state.to_string(), "1 id is parked: release it");
            until(|| async { app.readiness().is_ok() }, app).await;
            assert!(app.liveness().is_ok());
        }

        cure(BAD);
        let unknown = apps[0].subscriptions().release("carts", "nobody").await;
        assert!(
            matches!(unknown, Err(OperationError::NotParked { .. })),
            "{unknown:?}"
        );
        release(&apps[0], "carts", BAD).await;
        assert_eq!(
            apps[1].subscriptions().release_all("reserving").await.ok(),
            Some(1)
        );
        until_well(&apps).await;
        for app in &apps {
            let found = app.query(FindCart { cart: BAD }).after(&later).await;
            let cart = found.expect("answers").expect("it is there");
            assert_eq!(
                (cart.items, cart.reserved),
                (vec![1, 2, 3, 4], vec![1, 2, 3, 4])
            );
        }
        let last = fill(&apps[0], BAD, 5).await;
        let found = apps[1].query(FindCart { cart: BAD }).after(&last).await;
        assert_eq!(found.expect("answers").expect("is there").items.len(), 5);
    })
    .await;
}

/// In the process that parked it, and in the others. Who waits for another id does not notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_waits_for_a_parked_key_learns_that_at_once() {
    const BAD: u32 = 2_001;
    const GOOD: u32 = 2_002;
    on_each_twice(carts::module(), |builders| async {
        let apps = build(builders.map(|it| it.max_wait(LONG))).await;
        poison().insert(BAD, Poison::Panics(1));
        let first = fill(&apps[0], BAD, 1).await;
        // Parked while it is waited for.
        let find = || FindCart { cart: BAD };
        for app in &apps {
            let error = app
                .query(find())
                .after(&first)
                .await
                .expect_err("is parked");
            let parked = parked_error(&error);
            assert_eq!((parked.name, parked.key.as_str()), ("carts", "2001"));
            assert!(parked.cause.contains("item 1 explodes"), "{}", parked.cause);
            assert!(
                error
                    .to_string()
                    .contains("leaves out the events of `cart:2001`"),
                "{error}"
            );
        }
        let later = fill(&apps[1], BAD, 2).await;
        let good = fill(&apps[1], GOOD, 1).await;
        for app in &apps {
            let error = app
                .query(find())
                .after(&later)
                .await
                .expect_err("is parked");
            assert_eq!(parked_error(&error).key, "2001");
            let bookmark = later.bookmark();
            let error = app
                .query(find())
                .after(bookmark)
                .await
                .expect_err("is parked");
            assert_eq!(parked_error(&error).key, "2001");
            let mut watch = app.watch(find()).after(&later);
            let error = watch.next().await.expect("goes on").expect_err("is parked");
            assert_eq!(parked_error(&error).key, "2001");

            // Another one of the same projection.
            let found = app.query(FindCart { cart: GOOD }).after(&good).await;
            assert!(found.expect("answers").is_some());
            let found = app.query(find()).after_position(good.last()).await;
            assert_eq!(found.expect("answers"), None, "it names no command");

            let session = app.session();
            let written = session.execute(Fill { cart: BAD, item: 3 }).await;
            written.expect("is carried out");
            let error = session.query(find()).await.expect_err("is parked");
            assert_eq!(parked_error(&error).key, "2001");
            session
                .query(find())
                .stale()
                .await
                .expect("waits for nothing");
            let resumed = app.session().after(session.bookmark());
            let error = resumed.query(find()).await.expect_err("is parked");
            assert_eq!(parked_error(&error).key, "2001");

            let fill = Fill { cart: BAD, item: 4 };
            match app.execute(fill).and_wait_for::<Carts>().await {
                Err(WaitError::Recorded { error, .. }) => {
                    assert_eq!(parked_error(&error).key, "2001");
                }
                outcome => panic!("{outcome:?}"),
            }
        }
        for name in ["carts", "reserving"] {
            until_parked(&apps[0], name, 1).await;
        }
        cure(BAD);
        for name in ["carts", "reserving"] {
            let released = apps[0].subscriptions().release_all(name).await;
            assert_eq!(released.ok(), Some(1), "{name}");
        }
        until_well(&apps).await;
        for app in &apps {
            let found = app.query(find()).after(&later).await.expect("answers");
            assert_eq!(found.expect("is there").items, [1, 2, 3, 4, 3, 4]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_fails_again_stays_parked_with_the_new_error() {
    const BAD: u32 = 3_001;
    const OTHER: u32 = 3_002;
    on_each_twice(carts::module(), |builders| async {
        let apps = build(builders).await;
        poison().insert(BAD, Poison::Fails(2));
        let mut receipts = Vec::new();
        for item in 1..=6 {
            receipts.push(fill(&apps[0], BAD, item).await);
        }
        until_parked(&apps[0], "carts", 1).await;
        until_parked(&apps[0], "reserving", 1).await;
        // So that all of them are before the checkpoint.
        let other = fill(&apps[1], OTHER, 1).await;
        let found = apps[1].query(FindCart { cart: OTHER }).after(&other).await;
        assert!(found.expect("answers").is_some());
        let before = parked(&apps[0], "carts").await.remove(0);
        poison().insert(BAD, Poison::Panics(4));
        let at = receipts[3].first();
        for name in ["carts", "reserving"] {
            release(&apps[1], name, BAD).await;
            until_parked_at(&apps[0], name, at).await;
        }
        let again = parked(&apps[0], "carts").await.remove(0);
        assert!(again.cause.contains("item 4 explodes"), "{}", again.cause);
        assert_eq!(again.since, before.since, "since then");
        assert_eq!(items(&apps[1], BAD).await, [1, 2, 3]);
        // Nothing has changed.
        release(&apps[0], "carts", BAD).await;
        let same = until_parked_at(&apps[1], "carts", at).await;
        assert_eq!((same.since, &same.cause), (again.since, &again.cause));
        cure(BAD);
        for name in ["carts", "reserving"] {
            release(&apps[0], name, BAD).await;
        }
        until_well(&apps).await;
        let found = apps[1]
            .query(FindCart { cart: BAD })
            .await
            .expect("answers");
        let cart = found.expect("it is there");
        let all: Vec<u32> = (1..=6).collect();
        assert_eq!((cart.items, cart.reserved), (all.clone(), all));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_stays_parked_when_another_process_takes_over_and_across_divisions() {
    const BAD: u32 = 4_001;
    on_each_twice(carts::module(), |builders| async {
        let apps = build(builders).await;
        for name in ["carts", "reserving"] {
            let divided = apps[0].subscriptions().divide(name, 4).await;
            divided.expect("is divided");
        }
        poison().insert(BAD, Poison::Fails(1));
        for item in 1..=2 {
            fill(&apps[0], BAD, item).await;
        }
        for name in ["carts", "reserving"] {
            until_parked(&apps[1], name, 1).await;
        }
        let before = parked(&apps[1], "carts").await;
        for (shards, item) in [(1, 3), (7, 4), (1, 5), (2, 6)] {
            for name in ["carts", "reserving"] {
                let divided = apps[1].subscriptions().divide(name, shards).await;
                divided.expect("is divided");
            }
            fill(&apps[0], BAD, item).await;
            let other = fill(&apps[0], 4_100 + item, 1).await;
            let found = apps[1]
                .query(FindCart { cart: 4_100 + item })
                .after(&other)
                .await;
            assert!(found.expect("answers").is_some());
            assert_eq!(
                parked(&apps[0], "carts").await,
                before,
                "in {shards} shards"
            );
        }
        let [first, second] = apps;
        first.shutdown(LONG).await.expect("shuts down");
        drop(first);
        let other = fill(&second, 4_200, 1).await;
        let found = second.query(FindCart { cart: 4_200 }).after(&other).await;
        assert!(found.expect("answers").is_some());
        assert_eq!(items(&second, BAD).await, [0; 0]);
        assert_eq!(parked(&second, "carts").await, before, "in another process");
        until(|| async { !second.health().is_ok() }, &second).await;
        cure(BAD);
        for name in ["carts", "reserving"] {
            assert_eq!(second.subscriptions().release_all(name).await.ok(), Some(1));
        }
        until_well(std::slice::from_ref(&second)).await;
        let found = second.query(FindCart { cart: BAD }).await.expect("answers");
        let cart = found.expect("it is there");
        let all: Vec<u32> = (1..=6).collect();
        assert_eq!((cart.items, cart.reserved), (all.clone(), all));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_first_event_of_a_parked_key_can_be_skipped() {
    const BAD: u32 = 5_001;
    on_each_twice(carts::module(), |builders| async {
        let apps = build(builders).await;
        poison().insert(BAD, Poison::Fails(2));
        let mut receipts = Vec::new();
        for item in 1..=3 {
            receipts.push(fill(&apps[0], BAD, item).await);
        }
        for name in ["carts", "reserving"] {
            until_parked(&apps[1], name, 1).await;
        }
        let at = receipts[1].first();
        let subscriptions = apps[1].subscriptions();
        // It is left out, and not the next one.
        let refused = subscriptions.skip("carts", receipts[2].first(), "?").await;
        assert!(
            matches!(refused, Err(OperationError::NotNext { .. })),
            "{refused:?}"
        );
        for name in ["carts", "reserving"] {
            let paused = subscriptions.pause(name, "ticket 4711").await;
            paused.expect("is paused");
            subscriptions
                .skip(name, at, "ticket 4711")
                .await
                .expect("is skipped");
            // Its events after that are not handled yet.
            let key = parked(&apps[0], name).await.remove(0);
            assert_eq!((key.first, key.is_released), (at.plus(1), true));
            let former = format!("failed at the event at position {at} ");
            let words = "released, and not handled yet; was parked because ";
            assert!(
                key.cause.starts_with(words) && key.cause.contains(&former),
                "{}",
                key.cause
            );
            subscriptions.resume(name).await.expect("goes on");
            let skipped = subscriptions.skipped(name).await.expect("is read");
            assert_eq!((skipped[0].position, skipped.len()), (at, 1));
            assert_eq!(skipped[0].reason, "ticket 4711");
        }
        // First where it is known already that they are not paused.
        until_well(&apps[1..]).await;
        until_well(&apps).await;
        for app in &apps {
            let found = app.query(FindCart { cart: BAD }).after(&receipts[2]).await;
            let cart = found.expect("answers").expect("it is there");
            assert_eq!((cart.items, cart.reserved), (vec![1, 3], vec![1, 3]));
        }
        cure(BAD);
    })
    .await;
}

/// The second one came after the checkpoint, which stays where it is while nothing is handled.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_event_after_the_checkpoint_can_be_skipped() {
    const BAD: u32 = 7_001;
    on_each_twice(carts::module(), |builders| async {
        let apps = build(builders).await;
        fill(&apps[0], BAD, 1).await;
        apps[0].wait_until_idle(LONG).await.expect("comes to rest");
        poison().insert(BAD, Poison::Fails(2));
        let second = fill(&apps[0], BAD, 2).await.first();
        for name in ["carts", "reserving"] {
            until_parked(&apps[1], name, 1).await;
        }
        let third = fill(&apps[0], BAD, 3).await.first();
        assert_eq!(third, second.plus(1));
        let subscriptions = apps[1].subscriptions();
        subscriptions
            .pause("carts", "ticket 4712")
            .await
            .expect("is paused");
        for at in [second, third] {
            let skipped = subscriptions.skip("carts", at, "ticket 4712").await;
            skipped.expect("is skipped");
        }
        cure(BAD);
        subscriptions.resume("carts").await.expect("goes on");
        release(&apps[1], "reserving", BAD).await;
        until_well(&apps[1..]).await;
        until_well(&apps).await;
        fill(&apps[0], BAD, 4).await;
        until_well(&apps).await;
        assert_eq!(items(&apps[1], BAD).await, [1, 4]);
    })
    .await;
}

/// All of its events come again then.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_is_not_parked_once_its_events_are_rewound() {
    const BAD: u32 = 6_001;
    on_each_twice(carts::module(), |builders| async {
        let apps = build(builders).await;
        let first = fill(&apps[0], BAD, 1).await;
        poison().insert(BAD, Poison::Fails(2));
        let failing = fill(&apps[0], BAD, 2).await;
        for name in ["carts", "reserving"] {
            until_parked(&apps[1], name, 1).await;
        }
        let later = fill(&apps[1], 6_002, 1).await;
        for app in &apps {
            app.wait_until_idle(LONG).await.expect("comes to rest");
        }
        cure(BAD);
        let subscriptions = apps[1].subscriptions();
        subscriptions
            .rewind("reserving", failing.first())
            .await
            .expect("moves back");
        assert_eq!(
            parked(&apps[0], "reserving").await.len(),
            1,
            "it is before that"
        );
        subscriptions
            .rewind("reserving", first.last())
            .await
            .expect("moves back");
        assert_eq!(parked(&apps[0], "reserving").await, []);
        release(&apps[0], "carts", BAD).await;
        until_well(&apps).await;
        let events = apps[0]
            .events(EventQuery::All)
            .all()
            .await
            .expect("is read");
        let reserved = events
            .iter()
            .filter(|it| it.data.event_type.as_str() == "item-reserved");
        assert_eq!(reserved.count(), 3, "each command has one effect");
        let found = apps[0].query(FindCart { cart: BAD }).after(&later).await;
        let cart = found.expect("answers").expect("it is there");
        assert_eq!((cart.items, cart.reserved), (vec![1, 2], vec![1, 2]));
    })
    .await;
}

/// The views of the key change, and the checkpoint does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_watches_a_query_sees_the_events_of_a_released_key() {
    const BAD: u32 = 7_001;
    on_each_twice(carts::module(), |builders| async {
        let apps = build(builders).await;
        poison().insert(BAD, Poison::Fails(1));
        fill(&apps[0], BAD, 1).await;
        for name in ["carts", "reserving"] {
            until_parked(&apps[1], name, 1).await;
        }
        for app in &apps {
            app.wait_until_idle(LONG).await.expect("comes to rest");
        }
        let mut watches: Vec<_> = apps
            .iter()
            .map(|app| app.watch(FindCart { cart: BAD }))
            .collect();
        for watch in &mut watches {
            let answer = watch.next().await.expect("goes on").expect("answers");
            assert_eq!(answer.output, None);
        }
        cure(BAD);
        release(&apps[1], "carts", BAD).await;
        for watch in &mut watches {
            let next = tokio::time::timeout(LONG, watch.next()).await;
            let answer = next.expect("in time").expect("goes on").expect("answers");
            assert_eq!(answer.output.map(|cart| cart.items), Some(vec![1]));
        }
        release(&apps[0], "reserving", BAD).await;
        until_well(&apps).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_too_many_keys_it_stops() {
    const FIRST: u32 = 100_000;
    const LIMIT: u32 = 1_000;
    let builder = Dispatcher::builder().module(carts::module());
    let builder = builder.store(Memory::new()).retry_for(Duration::ZERO);
    let app = builder.build().await.expect("builds");
    poison().extend((FIRST..=FIRST + LIMIT).map(|cart| (cart, Poison::Fails(1))));
    for cart in FIRST..FIRST + LIMIT {
        fill(&app, cart, 1).await;
    }
    until_parked(&app, "carts", LIMIT as usize).await;
    until_parked(&app, "reserving", LIMIT as usize).await;
    let last = fill(&app, FIRST + LIMIT, 1).await;
    for name in ["carts", "reserving"] {
        let is_stopped = || async {
            let state = health(&app, name).state;
            matches!(state, SubscriptionState::Stopped { at, .. } if at == last.first())
        };
        until(is_stopped, &app).await;
        assert_eq!(parked(&app, name).await.len(), LIMIT as usize);
    }
    poison().retain(|cart, _| *cart < FIRST);
    for name in ["carts", "reserving"] {
        let released = app.subscriptions().release_all(name).await;
        assert_eq!(released.ok(), Some(u64::from(LIMIT)));
        app.subscriptions().retry(name).await.expect("goes on");
    }
    until_well(std::slice::from_ref(&app)).await;
    for cart in [FIRST, FIRST + LIMIT] {
        let found = app.query(FindCart { cart }).await.expect("answers");
        let cart = found.expect("it is there");
        assert_eq!((cart.items, cart.reserved), (vec![1], vec![1]));
    }
}

/// Its events would be lost, or handled out of order.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_without_the_partition_leaves_parked_keys_to_others() {
    const BAD: u32 = 8_001;
    let store = Memory::new();
    let builder = Dispatcher::builder().module(carts::module());
    let builder = builder.store(store.clone()).retry_for(Duration::ZERO);
    let app = builder.build().await.expect("builds");
    poison().insert(BAD, Poison::Fails(1));
    fill(&app, BAD, 1).await;
    until_parked(&app, "reserving", 1).await;
    app.shutdown(LONG).await.expect("shuts down");
    let builder = Dispatcher::builder().module(plain::module());
    let other = builder.store(store).build().await.expect("builds");
    let is_failing = || async {
        let state = health(&other, "reserving").state;
        matches!(state, SubscriptionState::Failing { error, .. }
            if error.contains("its events are parked by their `cart`")
                && error.contains("release them with a program that has `partition = \"cart\"`"))
    };
    until(is_failing, &other).await;
    let refused = other.subscriptions().release_all("reserving").await;
    assert!(
        matches!(&refused, Err(OperationError::OtherPartition { stored, .. }) if stored == "cart"),
        "{refused:?}"
    );
    cure(BAD);
}

#[tokio::test]
async fn a_store_that_keeps_no_keys_is_reported() {
    let builder = Dispatcher::builder().module(carts::module());
    let builder = builder.log(Memory::new()).views(OneByOne::new());
    let error = builder.build().await.err().expect("it does not build");
    for line in [
        "projection `carts` parks keys, and its view store has no shards to keep them with",
        "event handler `reserving` parks keys, and its view store has no shards to keep them with",
        "= write `on_failure = \"stop\"`, or another view store on the builder",
    ] {
        assert!(error.to_string().contains(line), "{line}\n\n{error}");
    }
}

/// As in other states, one that is read is not the one that is written.
#[tokio::test]
async fn a_position_counts_although_keys_are_parked() {
    const BAD: u32 = 9_001;
    let builder = Dispatcher::builder().module(carts::module());
    let builder = builder.store(Memory::new()).retry_for(Duration::ZERO);
    let app = builder.build().await.expect("builds");
    poison().insert(BAD, Poison::Fails(1));
    let receipt = fill(&app, BAD, 1).await;
    until_parked(&app, "carts", 1).await;
    let position = app.wait_until_idle(LONG).await.expect("comes to rest");
    assert!(position >= receipt.last() && health(&app, "carts").position >= receipt.last());
    let listed = app.subscriptions().list().await.expect("is read");
    assert!(
        listed.iter().all(|it| it.lag == Duration::ZERO),
        "{listed:?}"
    );
    assert_ne!(position, Position::START);
    cure(BAD);
}
