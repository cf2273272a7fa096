//! Connections of the peers, all of which use sqlx.

use crate::{Result, Run};

#[cfg(feature = "postgres")]
pub async fn postgres(url: &str, run: &Run) -> Result<sqlx::PgPool> {
    // All connections are open before the first command, whose duration must not include that.
    let options = sqlx::postgres::PgPoolOptions::new()
        .min_connections(run.connections)
        .max_connections(run.connections)
        .acquire_timeout(std::time::Duration::from_secs(60));
    Ok(options.connect(url).await?)
}

/// A new file with the settings that all contenders share: WAL, every commit synced, these pragmas.
#[cfg(feature = "sqlite")]
pub async fn sqlite(file: &str, run: &Run) -> Result<sqlx::SqlitePool> {
    use sqlx::sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
    };

    let mut options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true);
    for (name, value) in &run.pragmas {
        options = options.pragma(*name, value.clone());
    }
    let pool = SqlitePoolOptions::new().max_connections(run.connections);
    Ok(pool.connect_with(options).await?)
}

#[cfg(feature = "sqlite")]
pub async fn sqlite_version(pool: &sqlx::SqlitePool) -> Result<String> {
    let version = sqlx::query_scalar("SELECT sqlite_version()");
    Ok(version.fetch_one(pool).await?)
}
