//! A process has read a checkpoint, and has not yet said so, while it is moved back, or moves on.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cqrs_core::app::Role;
use cqrs_core::prelude::*;
use cqrs_core::store::{
    BoxFuture, Checkpoint, Shard, ShardState, ShardStore, StoreError, ViewStore,
};
use futures_util::future::poll_immediate;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::support::decorated::{Decorated, Hooks};

mod bells {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Strike {
        pub bell: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "bell-struck", version = 1)]
    pub struct BellStruck {
        pub bell: u32,
    }

    #[command_handler]
    fn strike(Strike { bell }: Strike) -> BellStruck {
        BellStruck { bell }
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Bell {
        #[key]
        pub bell: u32,
        pub folds: u32,
    }

    pub struct Belfry;

    #[projection(name = "belfry", version = 1)]
    impl Belfry {
        #[on]
        fn struck(event: &BellStruck, bells: &mut Views<Bell>) -> Result<()> {
            let bell = event.bell;
            bells.upsert(&bell, || Bell { bell, folds: 1 }, |it| it.folds += 1)
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32)]
    pub struct FoldsOf {
        pub bell: u32,
    }

    #[query_handler]
    async fn folds_of(query: FoldsOf, bells: Read<Bell>) -> Result<u32> {
        Ok(bells.get(&query.bell).await?.map_or(0, |it| it.folds))
    }
}

use bells::{FoldsOf, Strike};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

const NAME: &str = "belfry";

/// Keeps the answers of reads of checkpoints back.
struct HeldReads {
    /// Whether they are the reads of rosters.
    of_rosters: bool,
    is_closed: AtomicBool,
    /// A permit for each read that has an answer.
    arrived: Semaphore,
    /// A permit for each answer that may be returned.
    passes: Semaphore,
}

impl HeldReads {
    fn new(of_rosters: bool) -> Self {
        Self {
            of_rosters,
            is_closed: AtomicBool::new(false),
            arrived: Semaphore::new(0),
            passes: Semaphore::new(0),
        }
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
    }

    fn open(&self) {
        self.is_closed.store(false, Ordering::SeqCst);
        self.pass();
    }

    /// Has one answer returned.
    fn pass(&self) {
        self.passes.add_permits(1);
    }

    /// Waits until the checkpoint was read, and is kept back.
    async fn is_read(&self) {
        let read = timeout(LONG, self.arrived.acquire()).await;
        read.expect("it is read").expect("it is open").forget();
    }

    /// Has an answer returned, perhaps later.
    async fn hold<T>(&self, answer: T) -> T {
        if self.is_closed.load(Ordering::SeqCst) {
            self.arrived.add_permits(1);
            self.passes.acquire().await.expect("it is open").forget();
        }
        answer
    }
}

impl Hooks<Memory> for HeldReads {
    fn checkpoint<'a>(
        &'a self,
        store: &'a Memory,
        shard: &Shard,
    ) -> BoxFuture<'a, Result<Option<Checkpoint>, StoreError>> {
        let shard = shard.clone();
        Box::pin(async move {
            let found = store.checkpoint(&shard).await;
            if self.of_rosters {
                return found;
            }
            self.hold(found).await
        })
    }

    fn shards<'a>(
        &'a self,
        shards: &'a dyn ShardStore,
        subscription: String,
    ) -> BoxFuture<'a, Result<Vec<ShardState>, StoreError>> {
        Box::pin(async move {
            let found = shards.shards(subscription).await;
            if !self.of_rosters {
                return found;
            }
            self.hold(found).await
        })
    }
}

type HeldStore = Arc<Decorated<Memory, HeldReads>>;

fn held(memory: &Memory) -> HeldStore {
    decorated(memory, HeldReads::new(false))
}

fn held_rosters(memory: &Memory) -> HeldStore {
    decorated(memory, HeldReads::new(true))
}

fn decorated(memory: &Memory, hooks: HeldReads) -> HeldStore {
    let store = Arc::new(memory.clone());
    Arc::new(Decorated { store, hooks })
}

async fn process(memory: &Memory, store: &HeldStore, roles: &[Role]) -> Dispatcher {
    let builder = Dispatcher::builder().module(bells::module());
    let builder = builder.log(memory.clone()).views(store.clone());
    let builder = builder.roles(roles.iter().copied());
    builder.build().await.expect("builds")
}

async fn strike_twice(app: &Dispatcher) -> Position {
    for _ in 0..2 {
        app.execute(Strike { bell: 1 }).await.expect("is struck");
    }
    app.wait_until_idle(LONG).await.expect("comes to rest")
}

async fn folds(app: &Dispatcher) -> u32 {
    app.query(FoldsOf { bell: 1 }).await.expect("answers")
}

/// The worker of this process begins again, and has read its checkpoint by then.
#[tokio::test]
async fn a_worker_that_was_about_to_begin_does_not_hide_a_rewind() {
    let memory = Memory::new();
    let store = held(&memory);
    let app = process(&memory, &store, &Role::ALL).await;
    strike_twice(&app).await;
    assert_eq!(folds(&app).await, 2);
    store.close();
    let subscriptions = app.subscriptions();
    subscriptions.retry(NAME).await.expect("begins again");
    store.is_read().await;
    let rewound = subscriptions.rewind(NAME, Position::START).await;
    rewound.expect("moves back");
    store.pass();
    // The worker has gone on from where it was, and has learned of its new epoch since.
    store.is_read().await;
    let mut idle = pin!(app.wait_until_idle(LONG));
    let rest = poll_immediate(&mut idle).await;
    assert!(rest.is_none(), "no event was handled again: {rest:?}");
    store.open();
    idle.await.expect("comes to rest");
    assert_eq!(folds(&app).await, 4);
    app.shutdown(LONG).await.expect("ends");
}

/// A process that handles no events has read the checkpoint of others by then.
#[tokio::test]
async fn a_process_that_looks_does_not_hide_a_rewind() {
    let memory = Memory::new();
    let worker = process(&memory, &held(&memory), &Role::ALL).await;
    let head = strike_twice(&worker).await;
    worker.shutdown(LONG).await.expect("ends");
    let store = held(&memory);
    let web = process(&memory, &store, &[Role::Queries]).await;
    store.close();
    let mut looking = pin!(web.wait_until_caught_up(head, LONG));
    assert!(poll_immediate(&mut looking).await.is_none());
    store.is_read().await;
    let rewound = web.subscriptions().rewind(NAME, Position::START).await;
    rewound.expect("moves back");
    let mut idle = pin!(web.wait_until_idle(LONG));
    assert!(poll_immediate(&mut idle).await.is_none());
    store.pass();
    store.is_read().await;
    let rest = poll_immediate(&mut idle).await;
    assert!(rest.is_none(), "no event was handled again: {rest:?}");
    store.open();
    let worker = process(&memory, &held(&memory), &Role::ALL).await;
    idle.await.expect("comes to rest");
    assert_eq!(folds(&web).await, 4);
    looking.await.expect("catches up");
    for app in [&worker, &web] {
        app.shutdown(LONG).await.expect("ends");
    }
}

/// A roster has arrived late, and the process has read the checkpoint meanwhile.
#[tokio::test(start_paused = true)]
async fn a_position_does_not_go_back_for_a_roster_from_before() {
    let memory = Memory::new();
    let worker = process(&memory, &held(&memory), &Role::ALL).await;
    let store = held_rosters(&memory);
    let web = process(&memory, &store, &[Role::Queries]).await;
    let first = strike_twice(&worker).await;
    web.wait_until_caught_up(first, LONG)
        .await
        .expect("catches up");
    store.close();
    store.is_read().await;
    let last = strike_twice(&worker).await;
    web.wait_until_caught_up(last, LONG)
        .await
        .expect("catches up");
    store.pass();
    // The next one, by which the former has been noted.
    store.is_read().await;
    assert_eq!(web.health().subscriptions[0].position, last);
    store.open();
    for app in [&worker, &web] {
        app.shutdown(LONG).await.expect("ends");
    }
}
