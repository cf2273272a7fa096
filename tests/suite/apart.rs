//! Log and views in different stores.

use std::sync::Arc;
use std::time::Duration;

use cqrs_conformance::StoreFixture as _;
use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use cqrs_core::store::{EventLog, Shard, ViewStore};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;

use crate::support::one_by_one::OneByOne;
use crate::support::postgres::Schema;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

mod bank {
    use super::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Deposit {
        pub account: u32,
        pub cents: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "deposited-apart", version = 1)]
    pub struct Deposited {
        account: u32,
        cents: u32,
    }

    #[command_handler]
    fn deposit(Deposit { account, cents }: Deposit) -> Deposited {
        Deposited { account, cents }
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Balance {
        #[key]
        account: u32,
        cents: u32,
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Deposits {
        #[key]
        account: u32,
        count: u32,
    }

    pub struct Balances;

    #[projection(name = "balances-apart", version = 1)]
    impl Balances {
        #[on]
        fn deposited(event: &Deposited, balances: &mut Views<Balance>) -> Result<()> {
            let (account, cents) = (event.account, event.cents);
            let insert = || Balance { account, cents };
            balances.upsert(&account, insert, |balance| balance.cents += cents)
        }
    }

    pub struct Counts;

    #[projection(name = "counts-apart", version = 1)]
    impl Counts {
        #[on]
        fn deposited(event: &Deposited, deposits: &mut Views<Deposits>) -> Result<()> {
            let account = event.account;
            let insert = || Deposits { account, count: 1 };
            deposits.upsert(&account, insert, |deposits| deposits.count += 1)
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = (u32, u32))]
    pub struct Look {
        pub account: u32,
    }

    /// The cents, and the number of deposits.
    #[query_handler]
    async fn look(
        query: Look,
        balances: Read<Balance>,
        deposits: Read<Deposits>,
    ) -> Result<(u32, u32)> {
        let balance = balances.get(&query.account).await?;
        let deposits = deposits.get(&query.account).await?;
        Ok((
            balance.map_or(0, |it| it.cents),
            deposits.map_or(0, |it| it.count),
        ))
    }
}

mod wide {
    use super::*;

    cqrs_core::module!();

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "noted-apart", version = 1)]
    pub struct Noted {
        number: u32,
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct First {
        #[key]
        number: u32,
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Second {
        #[key]
        number: u32,
    }

    pub struct Both;

    #[projection(name = "both-apart", version = 1)]
    impl Both {
        #[on]
        fn noted(event: &Noted, first: &mut Views<First>, second: &mut Views<Second>) {
            let number = event.number;
            first.put(First { number });
            second.put(Second { number });
        }
    }
}

mod reading {
    use super::*;

    cqrs_core::module!();

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32)]
    pub struct Richest;

    /// In SQL of the view store, on the table of the read model.
    #[query_handler]
    async fn richest(_: Richest, views: Reader<Sqlite>) -> Result<u32> {
        let most = views.run(|sql| {
            let select =
                "SELECT max(CAST(body AS TEXT) ->> 'cents') FROM view_balances_apart_1_balance";
            sql.query_row(select, [], |row| row.get(0))
        });
        Ok(most.await?)
    }
}

fn builder() -> Builder {
    Dispatcher::builder().module(bank::module())
}

async fn build(log: &Arc<impl EventLog>, views: &Arc<impl ViewStore>) -> Dispatcher {
    let built = builder().log(log.clone()).views(views.clone()).build();
    built.await.expect("builds")
}

async fn deposit(app: &Dispatcher, cents: u32) -> Receipt {
    let deposited = app.execute(bank::Deposit { account: 1, cents }).await;
    deposited.expect("deposits")
}

/// Each event counts once, is seen after its receipt, and in a session, whichever process ends when.
async fn log_and_views(log: Arc<impl EventLog>, views: Arc<impl ViewStore>) {
    let look = bank::Look { account: 1 };
    let app = build(&log, &views).await;
    let receipt = deposit(&app, 5).await;
    let seen = app.query(look.clone()).after(&receipt).await;
    assert_eq!(seen.expect("answers"), (5, 1));
    let session = app.session();
    let deposit_in = session.execute(bank::Deposit {
        account: 1,
        cents: 2,
    });
    deposit_in.await.expect("deposits");
    let seen = session.query(look.clone()).await;
    assert_eq!(seen.expect("answers"), (7, 2));
    drop((app, session));

    // A process that ended after its appends, and before its views were written.
    let elsewhere = build(&log, &Arc::new(Memory::new())).await;
    let receipt = deposit(&elsewhere, 10).await;
    drop(elsewhere);
    let app = build(&log, &views).await;
    let seen = app.query(look.clone()).after(&receipt).await;
    assert_eq!(seen.expect("answers"), (17, 3));
    drop(app);

    // Nothing is folded once more.
    let app = build(&log, &views).await;
    app.wait_until_idle(LONG).await.expect("comes to rest");
    assert_eq!(app.query(look).await.expect("answers"), (17, 3));
}

async fn sqlite(directory: &tempfile::TempDir, name: &str) -> Sqlite {
    let opened = Sqlite::open(directory.path().join(name)).await;
    opened.expect("SQLite opens")
}

#[tokio::test]
async fn a_log_in_memory_has_its_views_in_sqlite() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let views = sqlite(&directory, "views.db").await;
    log_and_views(Arc::new(Memory::new()), Arc::new(views)).await;
}

#[tokio::test]
async fn a_log_in_sqlite_has_its_views_in_postgres() {
    let Some(schema) = Schema::fresh("apart", Postgres::options()) else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory can be made");
    let log = sqlite(&directory, "log.db").await;
    log_and_views(Arc::new(log), Arc::new(schema.open().await)).await;
}

#[tokio::test]
async fn a_log_in_sqlite_has_its_views_in_another_sqlite_and_in_a_store_without_transactions() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let log = Arc::new(sqlite(&directory, "log.db").await);
    log_and_views(log, Arc::new(sqlite(&directory, "views.db").await)).await;
    let log = Arc::new(sqlite(&directory, "other.db").await);
    log_and_views(log, OneByOne::new()).await;
}

#[tokio::test]
async fn a_read_model_has_a_store_of_its_own() {
    let cards = Arc::new(Memory::new());
    let app = builder()
        .store(Memory::new())
        .views_of::<bank::Balance>(cards.clone())
        .build()
        .await
        .expect("builds");
    let receipt = deposit(&app, 5).await;
    let look = bank::Look { account: 1 };
    let seen = app.query(look).after(&receipt).await;
    assert_eq!(seen.expect("answers"), (5, 1));
    let checkpoint = cards
        .checkpoint(&Shard::whole("projection:balances-apart:1"))
        .await;
    let position = checkpoint.expect("is read").map(|found| found.position);
    assert_eq!(position, Some(receipt.last()));
    let other = cards
        .checkpoint(&Shard::whole("projection:counts-apart:1"))
        .await;
    assert_eq!(other.expect("is read"), None);
}

#[tokio::test]
async fn a_query_reads_with_the_reader_of_the_view_store() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let app = builder()
        .module(reading::module())
        .log(Memory::new())
        .views(sqlite(&directory, "views.db").await)
        .build()
        .await
        .expect("builds");
    let receipt = deposit(&app, 7).await;
    let richest = app.query(reading::Richest).after(&receipt).await;
    assert_eq!(richest.expect("answers"), 7);
}

#[tokio::test]
async fn views_that_are_ahead_of_their_log_fail_instead_of_answering() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let views = Arc::new(sqlite(&directory, "views.db").await);
    let app = build(&Arc::new(Memory::new()), &views).await;
    let receipt = deposit(&app, 5).await;
    let look = bank::Look { account: 1 };
    app.query(look.clone())
        .after(&receipt)
        .await
        .expect("answers");
    deposit(&app, 5).await;
    app.wait_until_idle(LONG).await.expect("comes to rest");
    drop(app);
    // A log that was restored from an older backup, and has lost the second event.
    let app = build(&Arc::new(Memory::new()), &views).await;
    let receipt = deposit(&app, 5).await;
    let wait = Duration::from_millis(300);
    let behind = app.query(look).after(&receipt).max_wait(wait).await;
    let text = behind.expect_err("it is not answered").to_string();
    assert!(text.contains("the log was replaced"), "{text}");
}

async fn report(builder: Builder) -> String {
    let built = builder.build().await;
    built.err().expect("it does not build").to_string()
}

#[tokio::test]
async fn what_a_domain_needs_and_its_stores_lack_is_reported() {
    let one = || Dispatcher::builder().module(bank::module());
    let problems = [
        (
            one().views(Memory::new()),
            "the dispatcher has a view store, but no log",
        ),
        (
            one().log(Memory::new()),
            "the dispatcher has no view store, for the checkpoints of projections",
        ),
        (
            one().log(Memory::new()).store(Memory::new()),
            "the dispatcher was given 2 logs",
        ),
        (
            one().views(Memory::new()).store(Memory::new()),
            "the dispatcher was given 2 view stores",
        ),
        (
            one()
                .store(Memory::new())
                .views_of::<wide::First>(Arc::new(Memory::new())),
            "a view store was given for the read model `first`, which no projection keeps",
        ),
        (
            Dispatcher::builder()
                .module(wide::module())
                .store(Memory::new())
                .views_of::<wide::First>(Arc::new(Memory::new())),
            "the read models of projection `both-apart` are in several view stores",
        ),
        (
            one().module(reading::module()).store(Memory::new()),
            "query handlers read from a `Sqlite`, which is not a store of the dispatcher",
        ),
    ];
    for (builder, problem) in problems {
        let report = report(builder).await;
        assert!(report.contains(problem), "{report}");
        assert!(report.contains("= write `"), "{report}");
    }
    // Neither projections nor event handlers: nothing needs a view store.
    let log = Dispatcher::builder().module(wide_open::module());
    log.log(Memory::new()).build().await.expect("builds");
}

mod wide_open {
    use super::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Note {
        number: u32,
    }

    #[command_handler]
    fn note(_: Note) {}
}
