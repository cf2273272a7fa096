//! Runs one workload on evento. Prints the figures as JSON on standard error.

mod account;
mod bank;
mod follow;

use std::env;

use bank::Bound;
use evento::migrator::{Migrate, Plan};
use evento::{Postgres, Sqlite};
use follow::Pool;
use peer::{Result, Run, block_on, deep, hot, print, spread};
use sqlx::{PgPool, SqlitePool};

fn main() -> Result<()> {
    let run = Run::from_env()?;
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let [workload, place] = *words else {
        return Err(
            "postgres URL | hot URL | load URL | follow URL | sqlite FILE | follow-sqlite FILE"
                .into(),
        );
    };
    print(block_on(async {
        if workload == "sqlite" || workload == "follow-sqlite" {
            let pool = peer::sqlite(place, &run).await?;
            migrate_sqlite(&pool).await?;
            let version = peer::sqlite_version(&pool).await?;
            let executor: Sqlite = pool.clone().into();
            let bank = Bound {
                executor: executor.clone(),
                pool: None,
            };
            if workload == "follow-sqlite" {
                sqlx::raw_sql(follow::TABLE).execute(&pool).await?;
                return follow::follow(&executor, bank, Pool::Sqlite(pool), &run).await;
            }
            let mut measured = spread(bank, &run).await?;
            measured["sqlite"] = version.into();
            return Ok(measured);
        }
        let pool = peer::postgres(place, &run).await?;
        migrate(&pool).await?;
        let executor: Postgres = pool.clone().into();
        if workload == "follow" {
            sqlx::raw_sql(follow::TABLE).execute(&pool).await?;
            let bank = Bound {
                executor: executor.clone(),
                pool: None,
            };
            return follow::follow(&executor, bank, Pool::Postgres(pool), &run).await;
        }
        let pool = Some(pool);
        let bank = Bound { executor, pool };
        match workload {
            "hot" => hot(bank, &run).await,
            "load" => deep(bank, &run, run.snapshots == 0).await,
            _ => spread(bank, &run).await,
        }
    }))
}

async fn migrate(pool: &PgPool) -> Result<()> {
    let migrator = evento::sql_migrator::new::<sqlx::Postgres>()?;
    let mut connection = pool.acquire().await?;
    migrator.run(&mut *connection, &Plan::apply_all()).await?;
    Ok(())
}

async fn migrate_sqlite(pool: &SqlitePool) -> Result<()> {
    let migrator = evento::sql_migrator::new::<sqlx::Sqlite>()?;
    let mut connection = pool.acquire().await?;
    migrator.run(&mut *connection, &Plan::apply_all()).await?;
    Ok(())
}
