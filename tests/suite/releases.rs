//! Parked ids that are released in part, or whose projection has changed since: each event is counted once. Longer
//! than 500 lines: all tests are about the jars of one domain.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cqrs_core::app::Builder;
use cqrs_core::error::{OperationError, QueryError, QueryErrorKind};
use cqrs_core::prelude::*;
use cqrs_core::store::{BoxFuture, ParkedKey, Shard, ShardState, ShardStore, StoreError};
use cqrs_core::{Bookmark, Memory, Position};
use tokio::time::timeout;

use crate::support::decorated::{Decorated, Hooks};
use crate::support::parked::{parked, until_parked_at};
use crate::support::stores::on_each_twice;

/// Jars into which coins are put.
mod jars {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// The coin of a jar that fails.
    static FALSE: Mutex<BTreeMap<u32, u32>> = Mutex::new(BTreeMap::new());

    pub fn false_coins() -> MutexGuard<'static, BTreeMap<u32, u32>> {
        FALSE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct PutCoins {
        /// Each of a jar.
        pub coins: Vec<(u32, u32)>,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "coin-put", version = 1)]
    pub struct CoinPut {
        #[id("jar")]
        pub jar: u32,
        pub coin: u32,
    }

    #[command_handler]
    fn put(PutCoins { coins }: PutCoins) -> Vec<CoinPut> {
        let put = |(jar, coin)| CoinPut { jar, coin };
        coins.into_iter().map(put).collect()
    }

    #[derive(ReadModel, Clone, Default, Debug, Serialize, Deserialize)]
    pub struct Jar {
        #[key]
        pub id: u32,
        pub coins: Vec<u32>,
    }

    pub fn fold(event: &CoinPut, jars: &mut Views<Jar>) -> Result<()> {
        let CoinPut { jar: id, coin } = *event;
        if false_coins().get(&id) == Some(&coin) {
            return Err(Error::message("the coin is false"));
        }
        let coins = vec![coin];
        jars.upsert(&id, || Jar { id, coins }, |jar| jar.coins.push(coin))
    }

    pub struct Jars;

    #[projection(name = "jars", version = 1, partition = "jar", on_failure = "park")]
    impl Jars {
        #[on]
        fn put(event: &CoinPut, jars: &mut Views<Jar>) -> Result<()> {
            fold(event, jars)
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = Vec<u32>)]
    pub struct Coins {
        pub jar: u32,
    }

    #[query_handler]
    async fn coins(query: Coins, jars: Read<Jar>) -> Result<Vec<u32>> {
        let found = jars.get(&query.jar).await?;
        Ok(found.unwrap_or_default().coins)
    }
}

/// Scales on which each coin is put.
mod scales {
    use std::collections::BTreeSet;
    use std::sync::LazyLock;

    use cqrs_core::prelude::*;
    use tokio::sync::watch;

    use super::jars::{CoinPut, false_coins};

    cqrs_core::module!();

    /// Coins, each of a jar.
    type Coins = LazyLock<watch::Sender<BTreeSet<(u32, u32)>>>;

    /// Those that take long.
    pub static HEAVY: Coins = LazyLock::new(watch::Sender::default);

    /// Those of them that are on the scales.
    pub static WEIGHED: Coins = LazyLock::new(watch::Sender::default);

    #[derive(ReadModel, Clone, Default, Debug, Serialize, Deserialize)]
    pub struct Weight {
        #[key]
        pub jar: u32,
        pub coins: Vec<u32>,
    }

    pub struct Scales;

    #[projection(name = "scales", version = 1, partition = "jar", on_failure = "park")]
    impl Scales {
        #[on]
        async fn put(event: &CoinPut, weights: &mut Views<Weight>) -> Result<()> {
            let CoinPut { jar, coin } = *event;
            let is_false = false_coins().get(&jar) == Some(&coin);
            ensure!(!is_false, Error::message("the coin is false"));
            let mut heavy = HEAVY.subscribe();
            if heavy.borrow().contains(&(jar, coin)) {
                WEIGHED.send_modify(|coins| {
                    coins.insert((jar, coin));
                });
                heavy.wait_for(|it| !it.contains(&(jar, coin))).await?;
            }
            let coins = vec![coin];
            weights.upsert(&jar, || Weight { jar, coins }, |it| it.coins.push(coin))
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = Vec<u32>)]
    pub struct Weighed {
        pub jar: u32,
    }

    #[query_handler]
    async fn weighed(query: Weighed, weights: Read<Weight>) -> Result<Vec<u32>> {
        let found = weights.get(&query.jar).await?;
        Ok(found.unwrap_or_default().coins)
    }
}

use jars::{Coins, PutCoins, false_coins};
use scales::{HEAVY, WEIGHED, Weighed};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

/// Time in which nothing is to happen.
const SHORT: Duration = Duration::from_millis(100);

/// Waits until the events of released ids are handled, and none is parked any more.
async fn none_is_parked(app: &Dispatcher, name: &str) {
    app.wait_until_idle(LONG).await.expect("comes to rest");
    assert_eq!(parked(app, name).await, []);
}

/// From now on, the coin takes long on the scales.
fn make_heavy(coin: (u32, u32)) {
    HEAVY.send_modify(|coins| {
        coins.insert(coin);
    });
    WEIGHED.send_modify(|coins| {
        coins.remove(&coin);
    });
}

/// Waits until the heavy coin is on the scales.
async fn until_weighed(coin: (u32, u32)) {
    let mut on_scales = WEIGHED.subscribe();
    let weighed = on_scales.wait_for(|coins| coins.contains(&coin));
    drop(timeout(LONG, weighed).await.expect("in time"));
}

/// While the heavy coin is on the scales, no program is at rest.
async fn none_is_idle_until_lightened(apps: &[Dispatcher], coin: (u32, u32)) {
    for app in apps {
        let idle = timeout(SHORT, app.wait_until_idle(LONG)).await;
        assert!(idle.is_err(), "events of a released id wait: {idle:?}");
    }
    HEAVY.send_modify(|coins| {
        coins.remove(&coin);
    });
}

async fn build(builders: [Builder; 2]) -> [Dispatcher; 2] {
    let [first, second] = builders.map(|it| it.retry_for(Duration::from_millis(1)));
    [
        first.build().await.expect("builds"),
        second.build().await.expect("builds"),
    ]
}

async fn put(app: &Dispatcher, coins: &[(u32, u32)]) -> Receipt {
    let coins = coins.to_vec();
    app.execute(PutCoins { coins }).await.expect("is put")
}

async fn coins(app: &Dispatcher, jar: u32) -> Vec<u32> {
    app.query(Coins { jar }).await.expect("answers")
}

fn key_of(error: &QueryError) -> &str {
    match error.kind() {
        QueryErrorKind::Parked(parked) => &parked.key,
        _ => panic!("{error}"),
    }
}

/// A worker that begins again looks for events before its checkpoint that it has not handled.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_release_has_handled_before_it_failed_is_not_handled_again() {
    const BAD: u32 = 1;
    const OTHER: u32 = 2;
    on_each_twice(jars::module(), |builders| async {
        let apps = build(builders).await;
        false_coins().insert(BAD, 1);
        let all = [(BAD, 1), (OTHER, 1), (BAD, 2), (BAD, 3), (BAD, 4)];
        let receipt = put(&apps[0], &all).await;
        let at = |place: u64| Position::new(receipt.first().get() + place);
        until_parked_at(&apps[1], "jars", at(0)).await;
        for app in &apps {
            app.wait_until_idle(LONG).await.expect("comes to rest");
        }
        false_coins().insert(BAD, 3);
        let subscriptions = apps[1].subscriptions();
        subscriptions
            .release("jars", BAD)
            .await
            .expect("is released");
        until_parked_at(&apps[0], "jars", at(3)).await;
        assert_eq!(coins(&apps[0], BAD).await, [1, 2]);

        // In any way.
        subscriptions.retry("jars").await.expect("begins again");
        let other = put(&apps[0], &[(OTHER, 2)]).await;
        let found = apps[1].query(Coins { jar: OTHER }).after(&other).await;
        assert_eq!(found.ok(), Some(vec![1, 2]));
        assert_eq!(coins(&apps[0], BAD).await, [1, 2], "after a retry");
        for shards in [3, 1] {
            let divided = subscriptions.divide("jars", shards).await;
            divided.expect("is divided");
            let other = put(&apps[0], &[(OTHER, 3)]).await;
            let found = apps[1].query(Coins { jar: OTHER }).after(&other).await;
            found.expect("answers");
            assert_eq!(coins(&apps[0], BAD).await, [1, 2], "in {shards} shards");
        }
        false_coins().remove(&BAD);
        subscriptions
            .release("jars", BAD)
            .await
            .expect("is released");
        none_is_parked(&apps[0], "jars").await;
        subscriptions.retry("jars").await.expect("begins again");
        let last = put(&apps[0], &[(BAD, 5)]).await;
        for app in &apps {
            let found = app.query(Coins { jar: BAD }).after(&last).await;
            assert_eq!(found.ok(), Some(vec![1, 2, 3, 4, 5]));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_release_has_handled_before_it_was_interrupted_is_not_handled_again() {
    const BAD: u32 = 5;
    const OTHER: u32 = 10_000;
    const COINS: u32 = 600;
    on_each_twice(jars::module(), |builders| async {
        let apps = build(builders.map(|it| it.module(scales::module()))).await;
        false_coins().insert(BAD, 1);
        // So many others come in between that those of the id are in a page that is longer than one of a release.
        let others = (0..COINS).map(|number| (OTHER + number, 1));
        let first = [(BAD, 1)].into_iter().chain(others);
        let all: Vec<_> = first.chain((2..=COINS).map(|coin| (BAD, coin))).collect();
        let receipt = put(&apps[0], &all).await;
        until_parked_at(&apps[1], "scales", receipt.first()).await;
        for app in &apps {
            app.wait_until_idle(LONG).await.expect("comes to rest");
        }
        false_coins().remove(&BAD);
        // After those that are committed together.
        let heavy = (BAD, COINS);
        make_heavy(heavy);
        let subscriptions = apps[1].subscriptions();
        let released = subscriptions.release("scales", BAD).await;
        released.expect("is released");
        until_weighed(heavy).await;
        subscriptions.retry("scales").await.expect("begins again");
        none_is_idle_until_lightened(&apps, heavy).await;
        none_is_parked(&apps[0], "scales").await;
        let last = put(&apps[0], &[(BAD, COINS + 1)]).await;
        let found = apps[1].query(Weighed { jar: BAD }).after(&last).await;
        assert_eq!(found.ok(), Some((1..=COINS + 1).collect()));
    })
    .await;
}

/// The checkpoint is before these events, which were left out: others have come to rest after them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_newest_events_of_a_released_id_are_waited_for() {
    const BAD: u32 = 6;
    const COINS: u32 = 5;
    on_each_twice(jars::module(), |builders| async {
        let apps = build(builders.map(|it| it.module(scales::module()))).await;
        false_coins().insert(BAD, 1);
        let first = put(&apps[0], &[(BAD, 1)]).await;
        until_parked_at(&apps[1], "scales", first.first()).await;
        let all: Vec<_> = (2..=COINS).map(|coin| (BAD, coin)).collect();
        put(&apps[0], &all).await;
        for app in &apps {
            app.wait_until_idle(LONG).await.expect("comes to rest");
        }
        false_coins().remove(&BAD);
        let heavy = (BAD, COINS);
        make_heavy(heavy);
        let subscriptions = apps[1].subscriptions();
        let released = subscriptions.release("scales", BAD).await;
        released.expect("is released");
        until_weighed(heavy).await;
        none_is_idle_until_lightened(&apps, heavy).await;
        none_is_parked(&apps[0], "scales").await;
        let last = put(&apps[0], &[(BAD, COINS + 1)]).await;
        let found = apps[1].query(Weighed { jar: BAD }).after(&last).await;
        assert_eq!(found.ok(), Some((1..=COINS + 1).collect()));
    })
    .await;
}

/// The checkpoint is after the event, and so is the one that is known to be handled before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_event_that_fails_in_a_release_can_be_skipped() {
    const BAD: u32 = 3;
    const OTHER: u32 = 4;
    on_each_twice(jars::module(), |builders| async {
        let apps = build(builders).await;
        false_coins().insert(BAD, 1);
        let all = [(BAD, 1), (OTHER, 1), (BAD, 2), (BAD, 3), (BAD, 4)];
        let receipt = put(&apps[0], &all).await;
        let at = |place: u64| Position::new(receipt.first().get() + place);
        until_parked_at(&apps[1], "jars", at(0)).await;
        for app in &apps {
            app.wait_until_idle(LONG).await.expect("comes to rest");
        }
        let subscriptions = apps[1].subscriptions();
        false_coins().insert(BAD, 2);
        subscriptions
            .release("jars", BAD)
            .await
            .expect("is released");
        for (place, next) in [(2, 3), (3, 0)] {
            until_parked_at(&apps[0], "jars", at(place)).await;
            false_coins().insert(BAD, next);
            let skipped = subscriptions.skip("jars", at(place), "a button").await;
            skipped.expect("is skipped");
        }
        none_is_parked(&apps[0], "jars").await;
        let last = put(&apps[0], &[(BAD, 5)]).await;
        for app in &apps {
            let found = app.query(Coins { jar: BAD }).after(&last).await;
            assert_eq!(found.ok(), Some(vec![1, 4, 5]));
        }
        false_coins().remove(&BAD);
    })
    .await;
}

/// A released id is listed with the position after its last handled event until its next one is handled.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_event_that_is_not_left_out_is_not_skipped() {
    const BAD: u32 = 7;
    const OTHER: u32 = 8;
    on_each_twice(jars::module(), |builders| async {
        let apps = build(builders).await;
        false_coins().insert(BAD, 1);
        let receipt = put(&apps[0], &[(BAD, 1), (OTHER, 1), (BAD, 2)]).await;
        until_parked_at(&apps[1], "jars", receipt.first()).await;
        for app in &apps {
            app.wait_until_idle(LONG).await.expect("comes to rest");
        }
        let subscriptions = apps[1].subscriptions();
        let paused = subscriptions.pause("jars", "an audit").await;
        paused.expect("is paused");
        let skipped = subscriptions
            .skip("jars", receipt.first(), "a button")
            .await;
        skipped.expect("is skipped");
        let other = Position::new(receipt.first().get() + 1);
        let refused = subscriptions.skip("jars", other, "by mistake").await;
        assert!(
            matches!(refused, Err(OperationError::NotNext { .. })),
            "{refused:?}"
        );
        let listed = subscriptions.skipped("jars").await.expect("is read");
        assert_eq!(listed.len(), 1, "{listed:?}");
        subscriptions.resume("jars").await.expect("goes on");
        none_is_parked(&apps[0], "jars").await;
        assert_eq!(coins(&apps[0], BAD).await, [2]);
        false_coins().remove(&BAD);
    })
    .await;
}

/// The bookmark of a command without events has the position of somebody else's event.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_has_recorded_nothing_is_told_of_no_parked_id() {
    const BAD: u32 = 11;
    on_each_twice(jars::module(), |builders| async {
        let apps = build(builders).await;
        false_coins().insert(BAD, 1);
        let bad = put(&apps[0], &[(BAD, 1)]).await;
        until_parked_at(&apps[1], "jars", bad.first()).await;
        let nothing = put(&apps[0], &[]).await;
        let session = apps[0].session();
        let coins = Vec::new();
        session.execute(PutCoins { coins }).await.expect("is put");
        for text in [nothing.bookmark(), session.bookmark()].map(|it| it.to_string()) {
            let bookmark: Bookmark = text.parse().expect("is read");
            for app in &apps {
                let found = app.query(Coins { jar: 12 }).after(bookmark).await;
                assert_eq!(found.map_err(|it| it.to_string()), Ok(vec![]));
                let found = app.session().after(bookmark).query(Coins { jar: 12 }).await;
                assert_eq!(found.map_err(|it| it.to_string()), Ok(vec![]));
            }
        }
        // As opposed to one with it.
        let bookmark = bad.bookmark();
        let error = apps[1].query(Coins { jar: BAD }).after(bookmark).await;
        assert_eq!(key_of(&error.expect_err("is parked")), "11");
        false_coins().remove(&BAD);
    })
    .await;
}

/// The same projection in a program that stops.
mod strict {
    use cqrs_core::prelude::*;

    use super::jars::{CoinPut, Jar, fold};

    cqrs_core::module!();

    pub struct StrictJars;

    #[projection(name = "jars", version = 1, partition = "jar", on_failure = "stop")]
    impl StrictJars {
        #[on]
        fn put(event: &CoinPut, jars: &mut Views<Jar>) -> Result<()> {
            fold(event, jars)
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = Vec<u32>)]
    pub struct StrictCoins {
        pub jar: u32,
    }

    #[query_handler]
    async fn coins(query: StrictCoins, jars: Read<Jar>) -> Result<Vec<u32>> {
        let found = jars.get(&query.jar).await?;
        Ok(found.unwrap_or_default().coins)
    }
}

/// It may be changed at any time, and ids that are parked stay so.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_stops_tells_of_ids_that_another_one_has_parked() {
    const BAD: u32 = 21;
    let store = Memory::new();
    let builder = Dispatcher::builder().module(jars::module());
    let builder = builder.store(store.clone()).retry_for(Duration::ZERO);
    let app = builder.build().await.expect("builds");
    false_coins().insert(BAD, 1);
    let receipt = put(&app, &[(BAD, 1)]).await;
    until_parked_at(&app, "jars", receipt.first()).await;
    app.shutdown(LONG).await.expect("shuts down");
    let builder = Dispatcher::builder().module(strict::module());
    let strict = builder.store(store).build().await.expect("builds");
    for _ in 0..2 {
        let asked = strict.query(strict::StrictCoins { jar: BAD });
        let error = asked.after(&receipt).await.expect_err("is parked");
        assert_eq!(key_of(&error), "21");
        strict.wait_until_idle(LONG).await.expect("comes to rest");
    }
    false_coins().remove(&BAD);
}

/// Counts the reads of shards and of parked keys.
#[derive(Default)]
struct Reads {
    shards: AtomicU32,
    parked: AtomicU32,
}

impl Reads {
    /// The reads of both since the last time.
    fn take(&self) -> (u32, u32) {
        let [shards, parked] = [&self.shards, &self.parked].map(|it| it.swap(0, Ordering::SeqCst));
        (shards, parked)
    }
}

impl Hooks<Memory> for Reads {
    fn shards<'a>(
        &'a self,
        shards: &'a dyn ShardStore,
        subscription: String,
    ) -> BoxFuture<'a, Result<Vec<ShardState>, StoreError>> {
        self.shards.fetch_add(1, Ordering::SeqCst);
        shards.shards(subscription)
    }

    fn parked<'a>(
        &'a self,
        shards: &'a dyn ShardStore,
        shard: Shard,
    ) -> BoxFuture<'a, Result<Vec<ParkedKey>, StoreError>> {
        self.parked.fetch_add(1, Ordering::SeqCst);
        shards.parked(shard)
    }
}

/// On one thread, nothing else is done during an operation on a store in memory.
#[tokio::test]
async fn an_operation_reads_the_shards_once_before_and_once_after() {
    const BAD: u32 = 31;
    let memory = Memory::new();
    let counted = Arc::new(Decorated {
        store: Arc::new(memory.clone()),
        hooks: Reads::default(),
    });
    let builder = Dispatcher::builder().module(jars::module());
    let builder = builder.log(memory.clone()).views(counted.clone());
    let app = builder.retry_for(Duration::ZERO).build().await;
    let app = app.expect("builds");
    let subscriptions = app.subscriptions();
    let all: Vec<_> = (BAD..BAD + 40).map(|jar| (jar, 1)).collect();
    put(&app, &all).await;
    app.wait_until_idle(LONG).await.expect("comes to rest");
    let divided = subscriptions.divide("jars", 8).await;
    divided.expect("is divided");
    app.wait_until_idle(LONG).await.expect("comes to rest");
    let paused = subscriptions.pause("jars", "an audit").await;
    paused.expect("is paused");

    counted.take();
    let rewound = subscriptions.rewind("jars", Position::START).await;
    rewound.expect("moves back");
    assert_eq!(counted.take(), (2, 0), "a rewind of 8 shards");
    let skipped = subscriptions.skip("jars", Position::new(1), "once").await;
    skipped.expect("is skipped");
    assert_eq!(counted.take(), (2, 0), "a skip");

    subscriptions.resume("jars").await.expect("goes on");
    app.wait_until_idle(LONG).await.expect("comes to rest");
    false_coins().insert(BAD, 2);
    let bad = put(&app, &[(BAD, 2)]).await;
    until_parked_at(&app, "jars", bad.first()).await;
    counted.take();
    let skipped = subscriptions.skip("jars", bad.first(), "again").await;
    skipped.expect("is skipped");
    assert_eq!(counted.take(), (1, 1), "a skip of a parked event");
    false_coins().remove(&BAD);
    none_is_parked(&app, "jars").await;
    app.shutdown(LONG).await.expect("ends");
}
