//! Types, traits, functions and parameters of one's own, named as those of the framework and as
//! those that the macros write.
#![allow(non_camel_case_types, dead_code)]

use cqrs_core::{Dispatcher, Memory};
use serde::{Deserialize, Serialize};

/// A trait named like one of the framework's.
trait Event {}
trait Aggregate {}
trait HasId {}
trait Handler {}

// As ids and states, so that they stand where the macros have type parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct A(u64);
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ROLE(u64);

impl std::fmt::Display for A {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Display for ROLE {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(cqrs_core::Command, Clone, Serialize, Deserialize)]
#[command(error = E)]
struct Command {
    #[id(C)]
    id: A,
    #[id(T)]
    command: ROLE,
}

#[derive(cqrs_core::Event, Serialize, Deserialize)]
#[event(name = "recorded", version = 1)]
struct Recorded {
    #[id(C)]
    tags: A,
    #[id(T)]
    event: ROLE,
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("no")]
struct E;

#[derive(Default)]
struct C {
    count: u32,
}

#[cqrs_core::aggregate(id = A)]
impl C {
    #[apply]
    fn apply(&mut self, event: &Recorded, recorded: &cqrs_core::Recorded) {
        assert_eq!(recorded.data.version, 1);
        self.count += u32::from(event.tags == A(1));
    }
}

#[derive(Default)]
struct T {
    count: u32,
}

#[cqrs_core::aggregate(id = ROLE)]
impl T {
    #[apply]
    fn apply(&mut self, _: &Recorded) {
        self.count += 1;
    }

    fn save(&self) {}

    fn restore() {}
}

#[cqrs_core::command_handler]
fn handle(command: Command, scope: &C, loads: &T, context: &cqrs_core::Context) -> Result<Recorded, E> {
    assert!(context.command().is_some());
    if scope.count + loads.count > 0 {
        return Err(E);
    }
    let Command { id, command } = command;
    Ok(Recorded { tags: id, event: command })
}

#[derive(cqrs_core::ReadModel, Clone, Serialize, Deserialize)]
struct View {
    #[key]
    key: u64,
    #[index]
    sort_keys: u64,
    #[index]
    name: String,
}

struct Projection;

#[cqrs_core::projection(name = "folds", version = 1)]
impl Projection {
    #[on]
    fn folds(event: &Recorded, scope: &mut cqrs_core::Views<View>) {
        let (key, sort_keys) = (event.tags.0, event.event.0);
        scope.put(View { key, sort_keys, name: String::new() });
    }
}

#[derive(cqrs_core::Query, Clone, Serialize, Deserialize)]
#[query(returns = u64)]
struct Query {
    query: u64,
}

#[cqrs_core::query_handler]
async fn query(query: Query, scope: cqrs_core::Read<View>) -> cqrs_core::Result<u64> {
    let found = scope.find().eq(View::SORT_KEYS, &query.query).count().await?;
    Ok(found + scope.find().eq(View::NAME, &String::new()).count().await?)
}

#[cqrs_core::event_handler]
async fn event(event: Recorded, recorded: &cqrs_core::Recorded) {
    assert_eq!((event.tags.0, recorded.position.get()), (1, 1));
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let app = Dispatcher::builder().store(Memory::new()).build().await.expect("builds");
    let command = Command { id: A(1), command: ROLE(2) };
    let receipt = app.execute(command.clone()).await.expect("is decided");
    assert_eq!(app.query(Query { query: 2 }).after(&receipt).await.expect("answers"), 2);
    let again = app.execute(command).await.expect_err("is rejected");
    assert_eq!(again.rejected(), Some(E));
}
