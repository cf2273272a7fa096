//! A view that is filled from all events. There are no subscriptions: this is how a view is rebuilt.

use std::sync::Arc;
use std::time::Instant;

use cqrs_es::persist::{GenericQuery, QueryReplay};
use peer::{Result, Run, Seed as _};
use postgres_es::{PostgresEventRepository, PostgresViewRepository, postgres_cqrs};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::account::Account;
use crate::bank::Framework;
use crate::view::AccountView;

pub async fn run(pool: PgPool, run: &Run) -> Result<Value> {
    let bank = Framework(Arc::new(postgres_cqrs(pool.clone(), vec![], ())));
    for account in 0..run.aggregates {
        let events = (run.events + account) / run.aggregates;
        bank.seed(&format!("account-{account:04}"), events).await?;
    }
    let views: PostgresViewRepository<AccountView, Account> =
        PostgresViewRepository::new("account_view", pool.clone());
    let events = PostgresEventRepository::new(pool.clone());
    let replay: QueryReplay<_, _, Account> =
        QueryReplay::new(events, GenericQuery::new(Arc::new(views)));
    let start = Instant::now();
    replay.replay_all().await?;
    let took = start.elapsed().as_secs_f64();
    let sum = "SELECT sum((payload->>'balance')::bigint)::bigint FROM account_view";
    let sum: i64 = sqlx::query_scalar(sum).fetch_one(&pool).await?;
    if sum != i64::from(run.events) {
        return Err(format!("{sum} of {} events are in the view", run.events).into());
    }
    Ok(json!({ "per_second": f64::from(run.events) / took }))
}
