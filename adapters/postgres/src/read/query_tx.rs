use tokio::sync::OnceCell;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::link::PooledConnection;
use crate::transaction::open::OpenTransaction;
use crate::{Postgres, SqlError};

/// Reads with SQL in query handlers: `ReadTx<Postgres>` derefs to this. A read-only transaction, which
/// begins with the first query. All queries of one handler see the same snapshot. With
/// [`Options::read_url`](crate::Options::read_url), it reads the database that the option names.
pub struct SqlReader {
    store: Postgres,
    snapshot: OnceCell<OpenTransaction>,
}

impl SqlReader {
    pub(crate) fn new(store: Postgres) -> Self {
        Self {
            store,
            snapshot: OnceCell::new(),
        }
    }

    /// Runs a query, and returns its rows.
    ///
    /// # Errors
    /// See [`SqlError`].
    pub async fn query(
        &self,
        query: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, SqlError> {
        let client = self.client().await?;
        let query = client.prepare_foreign(query).await?;
        client.query(&query, params).await
    }

    /// Runs a query that has exactly one row.
    ///
    /// # Errors
    /// See [`SqlError`]; also when there is another number of rows.
    pub async fn query_one(
        &self,
        query: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, SqlError> {
        let client = self.client().await?;
        let query = client.prepare_foreign(query).await?;
        client.query_one(&query, params).await
    }

    /// Runs a query that has one row or none.
    ///
    /// # Errors
    /// See [`SqlError`]; also when there are more rows.
    pub async fn query_opt(
        &self,
        query: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, SqlError> {
        let client = self.client().await?;
        let query = client.prepare_foreign(query).await?;
        client.query_opt(&query, params).await
    }

    async fn client(&self) -> Result<&PooledConnection, SqlError> {
        let snapshot = self.snapshot.get_or_try_init(async || {
            let shared = self.store.shared();
            let connection = shared.read_only.get().await?;
            let begin = &shared.sql.begin_snapshot;
            let (snapshot, is_durable) =
                OpenTransaction::begin_with_select(connection, begin).await?;
            if is_durable.as_deref() != Some("t") {
                // A read-only transaction cannot commit anything, so another connection does. That was
                // the same server without a crash in between, if this connection still answers (I7).
                shared.pool.get().await?.flush().await?;
                snapshot.batch_execute("").await?;
            }
            Ok::<_, SqlError>(snapshot)
        });
        Ok(snapshot.await?)
    }
}
