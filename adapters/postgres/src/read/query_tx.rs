use tokio::sync::OnceCell;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::transaction::pooled::PooledTransaction;
use crate::{Postgres, SqlError};

/// Reads with SQL in query handlers: `ReadTx<Postgres>` derefs to this. A read-only transaction, which
/// begins with the first query. All queries of one handler see the same snapshot. With
/// [`Options::read_url`](crate::Options::read_url), it reads the database that the option names.
pub struct SqlReader {
    store: Postgres,
    snapshot: OnceCell<PooledTransaction>,
    /// Everything that the snapshot shows is durable.
    is_durable: OnceCell<()>,
}

impl SqlReader {
    pub(crate) fn new(store: Postgres) -> Self {
        Self {
            store,
            snapshot: OnceCell::new(),
            is_durable: OnceCell::new(),
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
        let snapshot = self.snapshot().await?;
        let answered = snapshot.run(async {
            let prepared = snapshot.prepare_foreign(query).await?;
            snapshot.query(&prepared, params).await
        });
        let rows = answered.await?;
        self.flush(snapshot).await?;
        Ok(rows)
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
        let snapshot = self.snapshot().await?;
        let answered = snapshot.run(async {
            let prepared = snapshot.prepare_foreign(query).await?;
            snapshot.query_one(&prepared, params).await
        });
        let row = answered.await?;
        self.flush(snapshot).await?;
        Ok(row)
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
        let snapshot = self.snapshot().await?;
        let answered = snapshot.run(async {
            let prepared = snapshot.prepare_foreign(query).await?;
            snapshot.query_opt(&prepared, params).await
        });
        let row = answered.await?;
        self.flush(snapshot).await?;
        Ok(row)
    }

    async fn snapshot(&self) -> Result<&PooledTransaction, SqlError> {
        let snapshot = self.snapshot.get_or_try_init(async || {
            let shared = self.store.shared();
            let connection = shared.read_only.get().await?;
            let begin = shared.sql.begin_snapshot.clone();
            Ok::<_, SqlError>(PooledTransaction::new(connection, begin))
        });
        snapshot.await
    }

    /// Makes the snapshot durable, before anything that it shows is handed on (I7).
    async fn flush(&self, snapshot: &PooledTransaction) -> Result<(), SqlError> {
        if snapshot.selected() == Some("t") {
            return Ok(());
        }
        let flushed = self.is_durable.get_or_try_init(async || {
            // A read-only transaction cannot commit anything, so another connection does. That was the
            // same server without a crash in between, if this connection still answers.
            self.store.shared().pool.get().await?.flush().await?;
            snapshot.batch_execute("").await
        });
        // Rare, and boxed, so that the futures of queries are small.
        Box::pin(flushed).await.copied()
    }
}
