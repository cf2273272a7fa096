//! A listener that keeps a table up to date.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use disintegrate::{EventListener, EventStore as _, PersistedEvent, StreamQuery, query};
use disintegrate_postgres::{PgEventId, PgEventListener, PgEventListenerConfig};
use peer::{Result, Run};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::oneshot;

use crate::account::AccountEvent;
use crate::tables;

const TABLE: &str = "CREATE TABLE balances (account text PRIMARY KEY, balance bigint NOT NULL)";

const UPSERT: &str = "INSERT INTO balances (account, balance) VALUES ($1, $2) \
     ON CONFLICT (account) DO UPDATE SET balance = balances.balance + excluded.balance";

/// Number of events per append while the log is filled.
const BATCH: usize = 1_000;

struct Balances {
    query: StreamQuery<PgEventId, AccountEvent>,
    pool: PgPool,
    left: Mutex<Left>,
}

/// The events that are left, and who waits for the last.
struct Left {
    events: u32,
    done: Option<oneshot::Sender<()>>,
}

#[async_trait]
impl EventListener<PgEventId, AccountEvent> for Balances {
    type Error = sqlx::Error;

    fn id(&self) -> &'static str {
        "balances"
    }

    fn query(&self) -> &StreamQuery<PgEventId, AccountEvent> {
        &self.query
    }

    async fn handle(
        &self,
        event: PersistedEvent<PgEventId, AccountEvent>,
    ) -> std::result::Result<(), sqlx::Error> {
        let AccountEvent::Deposited { account, amount } = event.into_inner();
        let upsert = sqlx::query(UPSERT).bind(account);
        upsert
            .bind(amount.cast_signed())
            .execute(&self.pool)
            .await?;
        if let Ok(mut left) = self.left.lock() {
            left.events -= 1;
            if left.events == 0
                && let Some(done) = left.done.take()
            {
                // The other side waits.
                let _ = done.send(());
            }
        }
        Ok(())
    }
}

pub async fn run(pool: PgPool, run: &Run) -> Result<Value> {
    let store = tables::create(&pool).await?;
    sqlx::raw_sql(TABLE).execute(&pool).await?;
    let events: Vec<_> = (0..run.events)
        .map(|number| AccountEvent::Deposited {
            account: format!("account-{:04}", number % run.aggregates),
            amount: 1,
        })
        .collect();
    for batch in events.chunks(BATCH) {
        store.append_without_validation(batch.to_vec()).await?;
    }
    let (done, all) = oneshot::channel();
    let balances = Balances {
        query: query!(AccountEvent),
        pool,
        left: Mutex::new(Left {
            events: run.events,
            done: Some(done),
        }),
    };
    let config = PgEventListenerConfig::poller(Duration::from_millis(50));
    let listener = PgEventListener::builder(store).register_listener(balances, config);
    let start = Instant::now();
    let listening = tokio::spawn(listener.start());
    all.await?;
    let took = start.elapsed().as_secs_f64();
    listening.abort();
    Ok(json!({ "per_second": f64::from(run.events) / took }))
}
