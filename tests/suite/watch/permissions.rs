//! Watches of queries that need a permission.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cqrs_core::Authorizer;
use cqrs_core::app::AccessRequest;
use cqrs_core::error::QueryErrorKind;
use cqrs_core::prelude::*;

use super::{error, next};

mod secrets {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Confide {}

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "secret-confided", version = 1)]
    pub struct SecretConfided {}

    #[command_handler]
    fn confide(_: Confide) -> SecretConfided {
        SecretConfided {}
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Secrets {
        #[key]
        pub of: u32,
        pub number: u32,
    }

    pub struct AllSecrets;

    #[projection(name = "secrets", version = 1)]
    impl AllSecrets {
        #[on]
        fn confided(_: &SecretConfided, secrets: &mut Views<Secrets>) -> Result<()> {
            let first = || Secrets { of: 0, number: 1 };
            secrets.upsert(&0, first, |it| it.number += 1)
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32, permission = "secrets:count")]
    pub struct CountSecrets;

    #[query_handler]
    async fn count(_: CountSecrets, secrets: Read<Secrets>) -> Result<u32> {
        Ok(secrets.get(&0).await?.map_or(0, |it| it.number))
    }
}

/// Admits spies, as long as it is open.
#[derive(Clone, Default)]
struct Gate(Arc<AtomicBool>);

impl Gate {
    fn set_open(&self, is_open: bool) {
        self.0.store(is_open, Ordering::SeqCst);
    }
}

impl Authorizer for Gate {
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String> {
        let is_spy = request.actor.is_some_and(|actor| actor.name() == "spy");
        ensure!(is_spy, "no spy");
        ensure!(self.0.load(Ordering::SeqCst), "closed");
        Ok(())
    }
}

#[tokio::test]
async fn the_authorizer_is_asked_before_each_answer() {
    let gate = Gate::default();
    let builder = Dispatcher::builder().module(secrets::module());
    let app = builder.authorizer(gate.clone()).store(Memory::new());
    let app = app.build().await.expect("builds");
    let confide = async || {
        let confided = app.execute(secrets::Confide {}).await;
        confided.expect("it is confided")
    };
    let denied = |error: QueryError| match error.kind() {
        QueryErrorKind::Denied(denied) => denied.reason.clone(),
        _ => panic!("{error}"),
    };

    let mut nobodys = app.watch(secrets::CountSecrets);
    assert_eq!(denied(error(&mut nobodys).await), "no spy");

    let session = app.session().actor(Actor::new("spy"));
    let mut counts = session.watch(secrets::CountSecrets);
    assert_eq!(denied(error(&mut counts).await), "closed");
    gate.set_open(true);
    assert_eq!(next(&mut counts).await.output, 0);
    confide().await;
    assert_eq!(next(&mut counts).await.output, 1);
    gate.set_open(false);
    confide().await;
    assert_eq!(denied(error(&mut counts).await), "closed");
    gate.set_open(true);
    assert_eq!(next(&mut counts).await.output, 2);
}
