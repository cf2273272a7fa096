//! The number of connections that a process has open to PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cqrs_conformance::StoreFixture as _;
use cqrs_core::prelude::*;
use cqrs_postgres::{Options, Postgres};
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::support::postgres::Schema;
use crate::support::race;

/// Parcels that are weighed in each way that uses a connection.
mod scales {
    use cqrs_core::prelude::*;
    use cqrs_postgres::Postgres;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Weigh {
        #[id(Parcel)]
        pub parcel: u32,
    }

    /// The same, in a transaction.
    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct WeighSlowly {
        #[id(Parcel)]
        pub parcel: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "parcel-weighed", version = 1)]
    pub struct ParcelWeighed {
        #[id(Parcel)]
        pub parcel: u32,
    }

    #[derive(Default)]
    pub struct Parcel(u32);

    #[aggregate(id = u32)]
    impl Parcel {
        #[apply]
        fn weighed(&mut self, _: &ParcelWeighed) {
            self.0 += 1;
        }
    }

    #[command_handler]
    fn weigh(Weigh { parcel }: Weigh, _: &Parcel) -> ParcelWeighed {
        ParcelWeighed { parcel }
    }

    #[command_handler]
    async fn weigh_slowly(
        command: WeighSlowly,
        tx: &mut Tx<Postgres>,
    ) -> Result<ParcelWeighed, CommandError<Rejected>> {
        let slept = tx.query_one("SELECT pg_sleep(0.005)", &[]).await;
        slept.map_err(CommandError::failed)?;
        Ok(ParcelWeighed {
            parcel: command.parcel,
        })
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Weight {
        #[key]
        pub parcel: u32,
        pub times: u32,
    }

    pub struct Weights;

    #[projection(name = "weights", version = 1)]
    impl Weights {
        #[on]
        fn weighed(event: &ParcelWeighed, weights: &mut Views<Weight>) -> Result<()> {
            let parcel = event.parcel;
            let first = || Weight { parcel, times: 1 };
            weights.upsert(&parcel, first, |it| it.times += 1)
        }
    }

    #[event_handler]
    async fn label(event: ParcelWeighed, app: &Dispatcher) -> Result<()> {
        let parcel = event.parcel;
        app.query(TimesWeighed { parcel }).await?;
        Ok(())
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32)]
    pub struct TimesWeighed {
        pub parcel: u32,
    }

    #[query_handler]
    async fn times_weighed(query: TimesWeighed, weights: Read<Weight>) -> Result<u32> {
        let found = weights.get(&query.parcel).await?;
        Ok(found.map_or(0, |it| it.times))
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = i32)]
    pub struct Report {}

    #[query_handler]
    async fn report(_: Report, sql: ReadTx<Postgres>) -> Result<i32> {
        let row = sql.query_one("SELECT 1 FROM pg_sleep(0.005)", &[]).await?;
        Ok(row.get(0))
    }
}

use scales::{Report, TimesWeighed, Weigh, WeighSlowly};

/// Options with few connections, which are found by their name.
fn options(pool_size: usize) -> (Options, String) {
    let name = format!("budget_{}", Uuid::now_v7().simple());
    let options = Postgres::options().application_name(&name);
    (options.pool_size(pool_size), name)
}

#[test]
fn the_budget_of_connections_is_a_stated_number() {
    assert_eq!(Postgres::options().max_connections(), 37);
    assert_eq!(Postgres::options().pool_size(0).max_connections(), 9);
    let options = Postgres::options().pool_size(3);
    assert_eq!(options.max_connections(), 17);
    let elsewhere = options.read_url("postgres://replica/shop");
    assert_eq!(elsewhere.max_connections(), 18);
    let most = Postgres::options().pool_size(usize::MAX).max_connections();
    assert!(most > 1 << 18);
}

/// Counts the connections, again and again, until it is told to end. Returns the highest count.
fn count(client: Client, name: String, is_over: Arc<AtomicBool>) -> JoinHandle<usize> {
    tokio::spawn(async move {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
        let mut most = 0;
        while !is_over.load(Ordering::SeqCst) {
            let row = client.query_one(count, &[&name]).await.expect("a count");
            let found = usize::try_from(row.get::<_, i64>(0)).expect("is small");
            most = most.max(found);
        }
        most
    })
}

/// Uses each kind of connection at the same time, with more callers than connections.
async fn load(app: &Dispatcher, rounds: u32) {
    race(32, |number| {
        let app = app.clone();
        let parcel = u32::try_from(number).expect("few");
        async move {
            for _ in 0..rounds {
                // While connections are ended, some fail.
                let _ = match parcel % 4 {
                    0 => app.execute(Weigh { parcel }).await.is_ok(),
                    1 => app.execute(WeighSlowly { parcel }).await.is_ok(),
                    2 => app.query(TimesWeighed { parcel }).await.is_ok(),
                    _ => app.query(Report {}).await.is_ok(),
                };
                let _ = app.history::<scales::Parcel>(&parcel).all().await;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_keeps_its_budget_of_connections_under_load() {
    const TEST: &str = "a_process_keeps_its_budget_of_connections_under_load";
    let (options, name) = options(2);
    let budget = options.max_connections();
    let Some(schema) = Schema::fresh(TEST, options) else {
        return;
    };
    let is_over = Arc::new(AtomicBool::new(false));
    let counted = count(schema.client().await, name, is_over.clone());
    let app = Dispatcher::builder().module(scales::module());
    let app = app
        .store(schema.open().await)
        .build()
        .await
        .expect("builds");
    load(&app, 20).await;
    is_over.store(true, Ordering::SeqCst);
    let most = counted.await.expect("counts");
    // The writer, the notifier and both connections of each pool.
    assert_eq!(most, 10, "of {budget}");
    assert!(most <= budget);
    app.shutdown(Duration::from_secs(60)).await.expect("ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_keeps_its_budget_of_connections_while_they_are_replaced() {
    const TEST: &str = "a_process_keeps_its_budget_of_connections_while_they_are_replaced";
    let (options, name) = options(2);
    let budget = options.max_connections();
    let Some(schema) = Schema::fresh(TEST, options) else {
        return;
    };
    let app = Dispatcher::builder().module(scales::module());
    let app = app
        .store(schema.open().await)
        .build()
        .await
        .expect("builds");
    load(&app, 1).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let counted = count(schema.client().await, name.clone(), is_over.clone());
    let client = schema.client().await;
    let killer = tokio::spawn(async move {
        // Each is waited for, since the server shows a connection for a moment after it has told the process
        // of its end.
        let terminate = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity \
                         WHERE application_name = $1 ORDER BY random() LIMIT 1";
        loop {
            client.query(terminate, &[&name]).await.expect("terminates");
            // Spaces the ends, so that the pools are filled again.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    load(&app, 4).await;
    killer.abort();
    let _ = killer.await;
    let receipt = app.execute(Weigh { parcel: 99 }).await.expect("is weighed");
    let answer = app.query(TimesWeighed { parcel: 99 }).after(&receipt).await;
    assert_eq!(answer.expect("answers"), 1);
    is_over.store(true, Ordering::SeqCst);
    let most = counted.await.expect("counts");
    // With the one that was being ended.
    assert!((5..=budget + 1).contains(&most), "{most} of {budget}");
}
