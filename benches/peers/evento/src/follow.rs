//! A subscription whose handler keeps a table up to date.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evento::{AggregatorName, Context, EventDetails, Executor, subscribe};
use peer::{Result, Run, Seed};
use serde_json::{Value, json};
use sqlx::{PgPool, SqlitePool};

use crate::account::{Account, Deposited};

pub const TABLE: &str = "CREATE TABLE balances (account text PRIMARY KEY, balance bigint NOT NULL)";

const UPSERT: &str = "INSERT INTO balances (account, balance) VALUES ($1, $2) \
     ON CONFLICT (account) DO UPDATE SET balance = balances.balance + excluded.balance";

/// Number of events that are read at once: one read is followed by a pause of 300 ms.
const CHUNK: u16 = 10_000;

#[derive(Clone)]
pub enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// The events that were handled, and when the last of them was.
#[derive(Clone, Default)]
struct Handled(Arc<Mutex<(u32, Option<Instant>)>>);

#[evento::handler(Account)]
async fn on_deposited<E: Executor>(
    context: &Context<'_, E>,
    event: EventDetails<Deposited>,
) -> anyhow::Result<()> {
    let (account, amount) = (&event.aggregator_id, event.data.amount.cast_signed());
    match context.extract::<Pool>() {
        Pool::Postgres(pool) => {
            let upsert = sqlx::query(UPSERT).bind(account).bind(amount);
            upsert.execute(&pool).await?;
        }
        Pool::Sqlite(pool) => {
            let upsert = sqlx::query(UPSERT).bind(account).bind(amount);
            upsert.execute(&pool).await?;
        }
    }
    if let Ok(mut handled) = context.extract::<Handled>().0.lock() {
        handled.0 += 1;
        handled.1 = Some(Instant::now());
    }
    Ok(())
}

pub async fn follow<E: Executor + Clone>(
    executor: &E,
    bank: impl Seed,
    pool: Pool,
    run: &Run,
) -> Result<Value> {
    for account in 0..run.aggregates {
        let events = (run.events + account) / run.aggregates;
        bank.seed(&format!("account-{account:04}"), events).await?;
    }
    let handled = Handled::default();
    let start = Instant::now();
    let subscription = subscribe("balances")
        .chunk_size(CHUNK)
        .data(pool)
        .data(handled.clone())
        .handler(on_deposited());
    subscription.unretry_oneshot(executor).await?;
    let (events, last) = *handled.0.lock().map_err(|_| "a handler panicked")?;
    if events != run.events {
        return Err(format!("{events} of {} events were handled", run.events).into());
    }
    let took: Duration = last.ok_or("no event was handled")? - start;
    Ok(json!({ "per_second": f64::from(events) / took.as_secs_f64() }))
}
