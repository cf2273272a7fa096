//! The stores, for tests that hold on each.

use std::future::Future;

use cqrs_conformance::StoreFixture;
use cqrs_core::app::Builder;
use cqrs_core::{Dispatcher, Memory, Module};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;

use super::postgres::Schema;

/// Runs the test on a dispatcher of this module, once per store.
pub async fn on_each<F: Future>(module: Module, test: impl Fn(Dispatcher) -> F) {
    on_each_with(module, |builder| builder, test).await;
}

/// The same, with more given to the builder.
pub async fn on_each_with<F: Future>(
    module: Module,
    with: impl Fn(Builder) -> Builder,
    test: impl Fn(Dispatcher) -> F,
) {
    let builder = || with(Dispatcher::builder().module(module));
    let app = builder().store(Memory::new()).build().await;
    test(app.expect("builds on memory")).await;

    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let sqlite = Sqlite::open(path).await.expect("SQLite opens");
    let app = builder().store(sqlite).build().await;
    test(app.expect("builds on SQLite")).await;

    let Some(schema) = Schema::fresh(module.path(), Postgres::options()) else {
        return;
    };
    let app = builder().store(schema.open().await).build().await;
    test(app.expect("builds on PostgreSQL")).await;
}

/// The dispatcher, and others on the same store whose caches keep less: nothing, one state, two.
pub async fn with_caches(app: Dispatcher, module: Module) -> Vec<Dispatcher> {
    let mut apps = vec![app];
    for states in [0, 1, 2] {
        let builder = Dispatcher::builder().module(module).state_cache(states);
        let builder = builder.stores_of(&apps[0]).attempts(1000);
        apps.push(builder.build().await.expect("builds"));
    }
    apps
}

/// Runs the test on builders for two processes on the same data, once per store.
pub async fn on_each_twice<F: Future>(module: Module, test: impl Fn([Builder; 2]) -> F) {
    let builder = || Dispatcher::builder().module(module);
    let memory = Memory::new();
    test([0, 1].map(|_| builder().store(memory.clone()))).await;

    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let first = Sqlite::open(&path).await.expect("SQLite opens");
    let second = Sqlite::open(&path).await.expect("SQLite opens");
    test([builder().store(first), builder().store(second)]).await;

    let Some(schema) = Schema::fresh(module.path(), Postgres::options()) else {
        return;
    };
    let (first, second) = (schema.open().await, schema.open().await);
    test([builder().store(first), builder().store(second)]).await;
}
