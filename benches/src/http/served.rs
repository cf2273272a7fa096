//! The served program: it prints its address, and ends with its standard input.

use std::env;
use std::io::{Read, stdin};
use std::sync::atomic::{AtomicU64, Ordering};

use axum::routing::post;
use axum::{Json, Router};
use cqrs_core::Dispatcher;
use cqrs_sqlite::Sqlite;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::Kind;
use crate::domain::Deposit;
use crate::postgres::database::block_on;
use crate::{Result, domain};

/// A program of the kind in the first argument, on the database file in the second.
pub fn run() -> Result<()> {
    let [kind, file] = [1, 2].map(|place| env::args().nth(place));
    let kind = kind.ok_or("a kind is missing")?;
    let file = file.ok_or("a file is missing")?;
    block_on(async {
        let router = if kind == Kind::Ours.name() {
            ours(&file).await?
        } else {
            bare()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        let ended = tokio::task::spawn_blocking(|| stdin().read_to_end(&mut Vec::new()));
        ended.await??;
        serving.abort();
        Ok(())
    })
}

async fn ours(file: &str) -> Result<Router> {
    let store = Sqlite::open(file).await?;
    let builder = Dispatcher::builder().store(store);
    let dispatcher = builder.module(domain::module()).build().await?;
    Ok(cqrs_http::router(dispatcher))
}

/// The same requests and answers, with nothing done between them.
fn bare() -> Router {
    static POSITION: AtomicU64 = AtomicU64::new(0);
    async fn deposit(Json(_): Json<Deposit>) -> Json<Value> {
        let position = POSITION.fetch_add(1, Ordering::Relaxed);
        Json(json!({
            "command": "00000000-0000-7000-8000-000000000000",
            "first": position,
            "last": position,
            "events": 1,
            "replayed": false,
            "log": 1,
        }))
    }
    Router::new().route("/commands/Deposit", post(deposit))
}
