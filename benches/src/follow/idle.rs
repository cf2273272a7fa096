//! The statements of a process with nothing to do.

use std::time::Duration;

use cqrs_core::Dispatcher;
use cqrs_postgres::Postgres;
use tokio::time::sleep;
use tokio_postgres::Client;

use super::{divided, three};
use crate::Result;
use crate::callers::deposit;
use crate::postgres::database::{block_on, connect};
use crate::{domain, read_model};

/// Number of subscriptions of the process.
pub const PROJECTIONS: u32 = 5;

/// Sessions report what they have done after at most this time without work.
const REPORT: Duration = Duration::from_secs(11);

const COUNT: &str = "SELECT xact_commit + xact_rollback FROM pg_stat_database \
     WHERE datname = current_database()";

/// Transactions per second of a process whose projections have caught up.
pub fn rate(time: Duration, url: &str) -> Result<f64> {
    block_on(async {
        let builder = Dispatcher::builder().store(Postgres::connect(url).await?);
        let builder = builder
            .module(domain::module())
            .module(read_model::module());
        let builder = builder.module(divided::module()).module(three::module());
        let app = builder.build().await?;
        app.execute(deposit("idle")).await?;
        app.wait_until_idle(Duration::from_secs(60)).await?;
        let client = connect(url).await?;
        // Its transactions would count.
        client
            .batch_execute("ALTER SYSTEM SET autovacuum = off")
            .await?;
        client.batch_execute("SELECT pg_reload_conf()").await?;
        sleep(REPORT).await;
        let before = transactions(&client).await?;
        sleep(time).await;
        sleep(REPORT).await;
        let after = transactions(&client).await?;
        Ok((after - before) as f64 / (time + REPORT).as_secs_f64())
    })
}

async fn transactions(client: &Client) -> Result<i64> {
    Ok(client.query_one(COUNT, &[]).await?.get(0))
}
