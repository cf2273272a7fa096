//! The served program: it prints its address, and ends with its standard input.

use std::env;
use std::io::{Read, stdin};

use cqrs_core::Dispatcher;
use cqrs_sqlite::Sqlite;
use tokio::net::TcpListener;

use crate::postgres::database::block_on;
use crate::{Result, domain};

/// A program on the database file in the argument.
pub fn run() -> Result<()> {
    let file = env::args().nth(1).ok_or("a file is missing")?;
    block_on(async {
        let store = Sqlite::open(&file).await?;
        let builder = Dispatcher::builder().store(store);
        let dispatcher = builder.module(domain::module()).build().await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let serving =
            tokio::spawn(async move { axum::serve(listener, cqrs_http::router(dispatcher)).await });
        let ended = tokio::task::spawn_blocking(|| stdin().read_to_end(&mut Vec::new()));
        ended.await??;
        serving.abort();
        Ok(())
    })
}
