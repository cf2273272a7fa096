//! One `Idempotency-Key` that two processes carry out at once, on one store: decision 0065.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use cqrs_conformance::StoreFixture;
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;
use cqrs_http::Options;
use cqrs_postgres::Postgres;
use serde_json::Value;
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::support::postgres::Schema;
use till::Gate;

const LONG: Duration = Duration::from_secs(60);

mod till {
    use std::sync::Arc;

    use cqrs_core::prelude::*;
    use tokio::sync::Semaphore;

    cqrs_core::module!();

    /// Holds up the commands of both processes.
    pub struct Gate {
        /// Has a permit for each run of the handler.
        pub begun: Semaphore,
        /// Has a permit for each run that may go on.
        pub open: Semaphore,
    }

    impl Gate {
        pub fn closed() -> Arc<Self> {
            Arc::new(Self {
                begun: Semaphore::new(0),
                open: Semaphore::new(0),
            })
        }
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct PayOut {
        #[id(Till)]
        pub till: u32,
        pub cents: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "till-has-paid-out", version = 1)]
    pub struct TillHasPaidOut {
        #[id(Till)]
        pub till: u32,
        pub cents: u32,
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Till {
        pub paid: u32,
    }

    #[aggregate(id = u32)]
    impl Till {
        #[apply]
        fn paid_out(&mut self, event: &TillHasPaidOut) {
            self.paid += event.cents;
        }
    }

    /// It has 100 cents: enough for one time.
    #[command_handler]
    async fn pay_out(
        cmd: PayOut,
        till: &Till,
        gate: Service<Gate>,
    ) -> Result<TillHasPaidOut, Rejected> {
        let PayOut { till: id, cents } = cmd;
        gate.begun.add_permits(1);
        if let Ok(permit) = gate.open.acquire().await {
            permit.forget();
        }
        ensure!(
            till.paid + cents <= 100,
            Rejected::from("the till is empty")
        );
        Ok(TillHasPaidOut { till: id, cents })
    }
}

/// A process of its own, but for the gate.
async fn process(schema: &Schema, gate: &Arc<Gate>) -> (Dispatcher, Router) {
    let builder = Dispatcher::builder().module(till::module());
    let builder = builder.store(schema.open().await).provide(gate.clone());
    let app = builder.build().await.expect("builds");
    let routes = Options::new().router(app.clone());
    (app, routes)
}

/// Sends the command with the same key.
async fn pay_out(routes: Router, cents: u32) -> (StatusCode, Value) {
    let request = Request::post("/commands/PayOut")
        .header("content-type", "application/json")
        .header("idempotency-key", "payment of today")
        .body(Body::from(format!(r#"{{"till": 1, "cents": {cents}}}"#)));
    let answered = routes.oneshot(request.expect("a request")).await;
    let response = answered.expect("is answered");
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await;
    let json = serde_json::from_slice(&body.expect("is read"));
    (status, json.expect("is JSON"))
}

/// Both have begun, and neither knows of the other.
async fn both_have_begun(gate: &Gate) {
    let begun = timeout(LONG, gate.begun.acquire_many(2)).await;
    begun.expect("in time").expect("is open").forget();
}

async fn count_of_events(app: &Dispatcher) -> usize {
    let events = app.events(EventQuery::All).all().await;
    events.expect("is read").len()
}

#[tokio::test]
async fn a_key_in_two_processes_has_one_effect_and_one_answer() {
    let Some(schema) = Schema::fresh("one_key", Postgres::options()) else {
        return;
    };
    let gate = Gate::closed();
    let (first, second) = (process(&schema, &gate).await, process(&schema, &gate).await);
    let sent = [&first, &second].map(|(_, routes)| tokio::spawn(pay_out(routes.clone(), 70)));
    both_have_begun(&gate).await;
    // Within a process, the second one is told that the first is being carried out.
    for (_, routes) in [&first, &second] {
        let (status, problem) = pay_out(routes.clone(), 70).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert_eq!(problem["type"], "urn:cqrs:problem:in-progress");
    }
    gate.open.add_permits(100);
    let mut receipts = Vec::new();
    for answer in sent {
        let answered = timeout(LONG, answer).await.expect("in time");
        let (status, receipt) = answered.expect("no panic");
        // Nor is either rejected because of the effect of the other.
        assert_eq!(status, StatusCode::OK, "{receipt}");
        receipts.push(receipt);
    }
    assert_eq!(receipts[0]["last"], receipts[1]["last"], "{receipts:?}");
    let replayed = receipts.iter().filter(|it| it["replayed"] == true);
    assert_eq!(replayed.count(), 1, "{receipts:?}");
    for (app, _) in [&first, &second] {
        assert_eq!(count_of_events(app).await, 1);
        let state = app.state::<till::Till>(&1).await;
        assert_eq!(state.expect("is read").paid, 70);
    }
}

#[tokio::test]
async fn a_key_in_two_processes_has_one_body() {
    let Some(schema) = Schema::fresh("one_key", Postgres::options()) else {
        return;
    };
    let gate = Gate::closed();
    let (first, second) = (process(&schema, &gate).await, process(&schema, &gate).await);
    let sent = [(&first, 70), (&second, 20)]
        .map(|((_, routes), cents)| tokio::spawn(pay_out(routes.clone(), cents)));
    both_have_begun(&gate).await;
    gate.open.add_permits(100);
    let mut paid = 0;
    let mut refused = 0;
    for (answer, cents) in sent.into_iter().zip([70, 20]) {
        let answered = timeout(LONG, answer).await.expect("in time");
        match answered.expect("no panic") {
            (StatusCode::OK, _) => paid += cents,
            (StatusCode::UNPROCESSABLE_ENTITY, _) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 1);
    assert_eq!(count_of_events(&first.0).await, 1);
    let state = second.0.state::<till::Till>(&1).await;
    assert_eq!(state.expect("is read").paid, paid);
}
