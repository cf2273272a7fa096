//! Numbers are the same after they were recorded.

use cqrs_conformance::StoreFixture;
use cqrs_core::prelude::*;
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;

use crate::support::postgres::Schema;
use crate::support::stores::on_each;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Pour {
    #[id(Tank)]
    tank: String,
    liters: f64,
}

/// Is accepted if the tank holds exactly this.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Confirm {
    #[id(Tank)]
    tank: String,
    liters: f64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "poured", version = 1)]
pub struct Poured {
    #[id(Tank)]
    tank: String,
    liters: f64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "confirmed", version = 1)]
pub struct Confirmed {
    #[id(Tank)]
    tank: String,
}

#[derive(Default)]
pub struct Tank {
    liters: f64,
}

#[aggregate(id = String)]
impl Tank {
    #[apply]
    fn poured(&mut self, event: &Poured) {
        self.liters += event.liters;
    }
}

#[command_handler]
fn pour(Pour { tank, liters }: Pour, _: &Tank) -> Poured {
    Poured { tank, liters }
}

#[command_handler]
#[allow(clippy::float_cmp)] // The test compares every bit.
fn confirm(Confirm { tank, liters }: Confirm, state: &Tank) -> Result<Confirmed, Rejected> {
    ensure!(state.liters == liters, "the tank holds something else");
    Ok(Confirmed { tank })
}

#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct Pouring {
    #[key]
    number: String,
    #[index]
    liters: f64,
}

pub struct Pourings;

#[projection(name = "pourings", version = 1)]
impl Pourings {
    #[on]
    fn poured(event: &Poured, recorded: &Recorded, pourings: &mut Views<Pouring>) {
        let number = recorded.position.to_string();
        let liters = event.liters;
        pourings.put(Pouring { number, liters });
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Vec<Pouring>)]
pub struct FindPourings {
    liters: f64,
}

#[query_handler]
async fn find_pourings(query: FindPourings, pourings: Read<Pouring>) -> Result<Vec<Pouring>> {
    pourings
        .find()
        .eq(Pouring::LITERS, &query.liters)
        .all()
        .await
}

/// As many decisions about sums as users of other systems found some dozen wrong among.
const DECISIONS: usize = 300;

/// Decides on states in memory, then on the same ones after a restart.
async fn decide(build: impl AsyncFn() -> Dispatcher) {
    let mut random = fastrand::Rng::with_seed(9);
    let mut sums = Vec::new();
    let app = build().await;
    for number in 0..DECISIONS {
        let tank = format!("T{number}");
        let mut sum = 0.0;
        for _ in 0..3 {
            let liters = random.f64() * 10.0;
            sum += liters;
            let tank = tank.clone();
            let poured = app.execute(Pour { tank, liters }).await;
            poured.expect("is recorded");
        }
        sums.push((tank, sum));
    }
    let confirmed = async |app: &Dispatcher| {
        let mut confirmed = 0;
        for (tank, liters) in sums.clone() {
            let outcome = app.execute(Confirm { tank, liters }).await;
            confirmed += usize::from(outcome.is_ok());
        }
        confirmed
    };
    assert_eq!(confirmed(&app).await, DECISIONS);
    drop(app);
    assert_eq!(confirmed(&build().await).await, DECISIONS);
}

#[tokio::test]
async fn decisions_about_sums_are_the_same_after_a_restart() {
    let builder = || Dispatcher::builder().module(module());
    let memory = Memory::new();
    decide(async || {
        let app = builder().store(memory.clone()).build().await;
        app.expect("builds")
    })
    .await;

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log.db");
    decide(async || {
        let sqlite = Sqlite::open(&path).await.expect("opens");
        builder().store(sqlite).build().await.expect("builds")
    })
    .await;

    let Some(schema) = Schema::fresh(module().path(), Postgres::options()) else {
        return;
    };
    decide(async || {
        let postgres = schema.open().await;
        builder().store(postgres).build().await.expect("builds")
    })
    .await;
}

#[tokio::test]
async fn a_view_is_found_by_the_number_that_was_recorded() {
    on_each(module(), |app| async move {
        let mut random = fastrand::Rng::with_seed(9);
        let mut poured = Vec::new();
        for _ in 0..100 {
            let liters = random.f64() * 1e3;
            let tank = "T1".to_owned();
            let receipt = app.execute(Pour { tank, liters }).await;
            poured.push((liters, receipt.expect("is recorded")));
        }
        for (liters, receipt) in &poured {
            let found = app.query(FindPourings { liters: *liters }).after(receipt);
            let found = found.await.expect("answers");
            assert_eq!(found.len(), 1, "{liters}");
            assert_eq!(found[0].liters.to_bits(), liters.to_bits());
        }
    })
    .await;
}

#[tokio::test]
async fn zero_is_found_whatever_its_sign() {
    on_each(module(), |app| async move {
        let mut last = None;
        for liters in [0.0, -0.0, 1.0, -1.0] {
            let tank = "T1".to_owned();
            last = Some(
                app.execute(Pour { tank, liters })
                    .await
                    .expect("is recorded"),
            );
        }
        for liters in [0.0, -0.0] {
            let found = app.query(FindPourings { liters });
            let found = found.after(last.as_ref().expect("is recorded"));
            assert_eq!(found.await.expect("answers").len(), 2);
        }
    })
    .await;
}
