//! A database server that stands still: its connections stay open, and nothing is answered, as when
//! a disk hangs or a machine is paused. And a network that swallows packets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cqrs_core::error::{Failure, QueryErrorKind};
use cqrs_core::store::{
    AppendError, EventLog, EventLogExt, EventQuery, HasReader as _, ReadRange, Shard, StoreError,
    Transactional as _, ViewStore, ViewTransaction as _,
};
use cqrs_core::{CommandError, CommandId, Dispatcher, Position};
use cqrs_postgres::{ConnectError, Options, Postgres};
use futures_util::future::join_all;
use test_postgres::Server;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::follow::{BalanceOf, Deposit, module, quiet};
use crate::outage::proxy::{Proxy, Swallowing};
use crate::outage::until;
use crate::outage::writer::{account, append};

const PATIENCE: Duration = Duration::from_secs(2);

/// `PATIENCE` for the database to come back, as long for an exchange, and time for a busy machine.
const LONGEST: Duration = Duration::from_secs(30);

/// The server itself would wait for ever.
fn options() -> Options {
    Postgres::options()
        .retry_timeout(PATIENCE)
        .statement_timeout(Duration::ZERO)
        .pool_size(2)
}

async fn on_server(server: &Arc<Server>, step: fn(&Server)) {
    let server = server.clone();
    let done = spawn_blocking(move || step(&server));
    done.await.expect("the server does it");
}

async fn private(test: &'static str) -> Option<Arc<Server>> {
    let server = spawn_blocking(move || Server::private(test));
    server.await.expect("it starts").map(Arc::new)
}

async fn app(store: Postgres) -> Dispatcher {
    let builder = quiet(Dispatcher::builder()).module(module());
    builder.store(store).build().await.expect("builds")
}

/// What it returns, which must be soon.
async fn soon<T>(call: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let answer = tokio::time::timeout(Duration::from_secs(60), call).await;
    let took = began.elapsed();
    assert!(took < LONGEST, "it took {took:?}");
    answer.expect("there is an answer")
}

type Answer = (CommandId, Result<(), String>);

/// A deposit of one cent, and how it ended.
fn deposit(app: &Dispatcher, account: u32, id: CommandId) -> JoinHandle<Answer> {
    let app = app.clone();
    tokio::spawn(async move {
        let command = Deposit { account, cents: 1 };
        let answer = soon(app.execute(command).id(id).into_future()).await;
        let outcome = match answer {
            Ok(_) => Ok(()),
            Err(CommandError::Failed(Failure::Append(
                error @ (AppendError::Store(StoreError::Unavailable { .. })
                | AppendError::Indeterminate { .. }),
            ))) => Err(error.to_string()),
            Err(CommandError::Failed(Failure::Store(error @ StoreError::Unavailable { .. }))) => {
                Err(error.to_string())
            }
            Err(error) => panic!("{error:?}"),
        };
        (id, outcome)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_keeps_nobody_waiting() {
    let Some(server) = private("a_server_that_stands_still_keeps_nobody_waiting").await else {
        return;
    };
    let store = options().connect(server.url()).await.expect("connects");
    let app = app(store.clone()).await;
    let mut sent = Vec::new();
    for account in 0..4 {
        let (id, outcome) = deposit(&app, account, CommandId::new())
            .await
            .expect("no panic");
        outcome.expect("it is done");
        sent.push((account, id));
    }
    // Some before it stands still and some after, on aggregates in memory and on others.
    let under_way: Vec<_> = (0..8).map(|account| (account, CommandId::new())).collect();
    sent.extend(&under_way);
    let mut deposits: Vec<_> = under_way
        .iter()
        .map(|(account, id)| deposit(&app, *account, *id))
        .collect();
    on_server(&server, Server::stand_still).await;
    let late: Vec<_> = (0..8).map(|account| (account, CommandId::new())).collect();
    sent.extend(&late);
    deposits.extend(
        late.iter()
            .map(|(account, id)| deposit(&app, *account, *id)),
    );
    let query = soon(app.query(BalanceOf { account: 1 }).into_future());
    let (read, commit) = (
        soon(store.read(EventQuery::All, ReadRange::after(Position::START))),
        soon(async {
            let mut transaction = store.begin().await?;
            transaction
                .checkpoint(Shard::whole("projection:balances:1"))
                .await
        }),
    );
    let (query, read, begun) = tokio::join!(query, read, commit);
    let failed = query.expect_err("fails");
    assert!(
        matches!(failed.kind(), QueryErrorKind::Failed(_)),
        "{failed}"
    );
    assert!(
        matches!(read, Err(StoreError::Unavailable { .. })),
        "{read:?}"
    );
    assert!(matches!(begun, Err(StoreError::Unavailable { .. })));
    let checkpoint = soon(store.checkpoint(&Shard::whole("projection:balances:1"))).await;
    assert!(
        matches!(checkpoint, Err(StoreError::Unavailable { .. })),
        "{checkpoint:?}"
    );
    let connected = soon(options().connect(server.url())).await;
    assert!(
        matches!(connected, Err(ConnectError::Unreachable { .. })),
        "{connected:?}"
    );
    let mut failed = Vec::new();
    for deposit in deposits {
        let (id, outcome) = deposit.await.expect("no panic");
        if outcome.is_err() {
            failed.push(id);
        }
    }
    assert!(!failed.is_empty(), "it stood still for nobody");
    on_server(&server, Server::go_on).await;

    // The same commands again: nothing that was acknowledged is lost, nothing is there twice.
    let last = Arc::new(std::sync::Mutex::new(None));
    for (account, id) in &sent {
        until(|| async {
            let deposit = Deposit {
                account: *account,
                cents: 1,
            };
            let done = app.execute(deposit).id(*id).await;
            if let Ok(receipt) = &done {
                let mut last = last.lock().expect("no panic");
                *last = (*last).max(Some(receipt.last()));
            }
            done.is_ok()
        })
        .await;
    }
    let head = store.head().await.expect("a head");
    assert_eq!(head.get(), sent.len() as u64, "each is there once");
    let receipt = app
        .execute(Deposit {
            account: 0,
            cents: 1,
        })
        .await
        .expect("it is done");
    let balance = app.query(BalanceOf { account: 0 }).after(&receipt);
    let balance = balance
        .max_wait(Duration::from_secs(20))
        .await
        .expect("an answer");
    assert_eq!(balance.map(|it| it.cents), Some(4));
    drop(app);
}

mod wheels {
    use cqrs_core::prelude::*;
    use tokio::sync::Semaphore;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct TurnWheel {
        #[id(Wheel)]
        pub wheel: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "wheel-turned", version = 1)]
    pub struct WheelTurned {
        #[id(Wheel)]
        pub wheel: u32,
    }

    #[derive(Default)]
    pub struct Wheel;

    #[aggregate(id = u32)]
    impl Wheel {
        #[apply]
        fn turned(&mut self, _: &WheelTurned) {}
    }

    /// Where decisions wait.
    pub struct Gate {
        pub arrivals: Semaphore,
        pub passes: Semaphore,
    }

    #[command_handler]
    async fn turn(TurnWheel { wheel }: TurnWheel, _: &Wheel, gate: Service<Gate>) -> WheelTurned {
        gate.arrivals.add_permits(1);
        gate.passes.acquire().await.expect("it is open").forget();
        WheelTurned { wheel }
    }
}

/// The turns of those before it, its append, and the lookup of its outcome wait for the same outage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_has_its_patience_once() {
    let Some(server) = private("a_command_has_its_patience_once").await else {
        return;
    };
    let patience = Duration::from_secs(4);
    // Two seconds more, and one for a busy machine.
    let longest = patience + Duration::from_secs(3);
    let store = options().retry_timeout(patience).connect(server.url());
    let store = store.await.expect("connects");
    let gate = Arc::new(wheels::Gate {
        arrivals: Semaphore::new(0),
        passes: Semaphore::new(1),
    });
    let builder = Dispatcher::builder().module(wheels::module());
    let builder = builder.store(store.clone()).provide(gate.clone());
    let app = builder.build().await.expect("builds");
    let turn = |limit| {
        let app = app.clone();
        tokio::spawn(async move {
            let call = app.execute(wheels::TurnWheel { wheel: 1 });
            call.id(CommandId::new()).timeout(limit).await
        })
    };
    turn(LONGEST).await.expect("no panic").expect("it is done");
    // One decides, and the others wait for their turns.
    let turns: Vec<_> = (0..4).map(|_| turn(LONGEST)).collect();
    let arrived = gate.arrivals.acquire_many(2).await;
    arrived.expect("it is open").forget();
    // They have looked up their ids by the time that this is answered.
    store.head().await.expect("a head");
    on_server(&server, Server::stand_still).await;
    gate.passes.add_permits(100);
    let began = Instant::now();
    let turns = turns.into_iter().map(|turn| async move {
        let failed = turn.await.expect("no panic").expect_err("it stands still");
        assert!(matches!(failed, CommandError::Failed(_)), "{failed:?}");
        began.elapsed()
    });
    let waited = join_all(turns).await;
    assert!(waited.iter().all(|it| *it < longest), "{waited:?}");
    // A caller's own time is over when it is, whatever the store's is.
    let began = Instant::now();
    let failed = turn(Duration::from_secs(1)).await.expect("no panic");
    assert!(began.elapsed() < patience, "{:?}", began.elapsed());
    let failed = failed.expect_err("it stands still");
    assert!(
        matches!(
            failed,
            CommandError::Failed(Failure::Append(AppendError::Indeterminate { .. }))
        ),
        "{failed:?}"
    );
    on_server(&server, Server::go_on).await;
    drop(app);
}

/// A statement that takes longer than the store has patience for is no server that stands still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_statement_is_waited_for() {
    let Some(server) = private("a_slow_statement_is_waited_for").await else {
        return;
    };
    let store = options().connect(server.url()).await.expect("connects");
    let row = store.reader();
    let row = row.query_one("SELECT 1 FROM pg_sleep(5)", &[]).await;
    row.expect("it has an answer");
    let transaction = store.begin().await.expect("it begins");
    let slept = transaction
        .batch_execute("SELECT pg_sleep(3); SELECT pg_sleep(3)")
        .await;
    slept.expect("it is done");
}

/// The connections that are open swallow everything, new ones do not: what became of an append is
/// looked up, and its caller notices a pause.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_network_swallows_is_looked_up() {
    let Some(server) = private("what_the_network_swallows_is_looked_up").await else {
        return;
    };
    for answers_only in [false, true] {
        let swallowing = Arc::new(Swallowing::default());
        let proxy = Proxy::swallowing(server.url(), swallowing.clone()).await;
        let store = options()
            .connect(&proxy.url(server.url()))
            .await
            .expect("connects");
        let first = store
            .append(append(&account(1), 1, None))
            .await
            .expect("it is appended");
        swallowing.swallow(answers_only);
        let second = soon(store.append(append(&account(1), 1, None))).await;
        let second = second.expect("it is appended");
        assert_eq!(second.first, first.last.plus(1), "once");
        assert_eq!(second.replayed, answers_only, "whether it had arrived");
        // A connection of the pool is given up, too.
        let mut heads = Vec::new();
        while !heads.last().is_some_and(Result::is_ok) {
            heads.push(soon(store.head()).await);
            assert!(heads.len() < 4, "{heads:?}");
        }
        let head = heads.pop().expect("there is one").expect("it is one");
        assert_eq!(head, second.last);
    }
}
