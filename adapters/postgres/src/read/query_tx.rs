use std::pin::{Pin, pin};

use tokio::sync::OnceCell;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, SimpleQueryMessage};
use uuid::Uuid;

use crate::link::dial::row;
use crate::sql::Sql;
use crate::transaction::pooled::PooledTransaction;
use crate::{Postgres, SqlError};

/// Everything that a query handler reads is one snapshot. After a first query, the transaction cannot be
/// switched to writing any more.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; EXECUTE cqrs_is_durable";

/// Asks whether all that the snapshot shows is durable.
const CHECK: &str = "EXECUTE cqrs_is_durable";

/// Prepares the check, once per connection, by a name that is known to the text of a message.
pub(crate) fn prepare(sql: &Sql) -> String {
    format!("PREPARE cqrs_is_durable AS {}", sql.is_durable)
}

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
        let rows = pin!(async {
            let prepared = snapshot.prepare_foreign(query).await?;
            snapshot.query(&prepared, params).await
        });
        self.read(snapshot, rows).await
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
        let row = pin!(async {
            let prepared = snapshot.prepare_foreign(query).await?;
            snapshot.query_one(&prepared, params).await
        });
        self.read(snapshot, row).await
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
        let row = pin!(async {
            let prepared = snapshot.prepare_foreign(query).await?;
            snapshot.query_opt(&prepared, params).await
        });
        self.read(snapshot, row).await
    }

    async fn snapshot(&self) -> Result<&PooledTransaction, SqlError> {
        let snapshot = self.snapshot.get_or_try_init(async || {
            let connection = self.store.shared().read_only.get().await?;
            Ok::<_, SqlError>(PooledTransaction::new(connection, BEGIN))
        });
        snapshot.await
    }

    /// Reads from the snapshot. Returns once all that it shows is durable, so that the answer may be handed
    /// on (I7). The question whether it is durable is sent with the first query.
    async fn read<T>(
        &self,
        snapshot: &PooledTransaction,
        query: Pin<&mut impl Future<Output = Result<T, SqlError>>>,
    ) -> Result<T, SqlError> {
        if self.is_durable.initialized() {
            return snapshot.run(query).await;
        }
        let (checked, answer) = snapshot.run_after(CHECK, query).await?;
        if let Some(head) = not_durable(&checked) {
            // Rare, and boxed, so that the futures of queries are small.
            Box::pin(self.flush(snapshot, head)).await?;
        } else {
            let _ = self.is_durable.set(());
        }
        Ok(answer)
    }

    async fn flush(&self, snapshot: &PooledTransaction, head: Uuid) -> Result<(), SqlError> {
        let flushed = self.is_durable.get_or_try_init(async || {
            // An append of this process, which makes it durable in any case.
            if self.store.shared().flushes.reached(head).await {
                return Ok(());
            }
            // A read-only transaction cannot commit anything, so another connection does. That was the
            // same server without a crash in between, if this connection still answers.
            self.store.shared().pool.get().await?.flush().await?;
            snapshot.batch_execute("").await
        });
        flushed.await.copied()
    }
}

/// The id of the last append in the snapshot, if that may not be durable. An id of no append if it is not said.
fn not_durable(checked: &[SimpleQueryMessage]) -> Option<Uuid> {
    let head = checked.iter().find_map(row);
    let column = |column| head.and_then(|head| head.get(column));
    if column(0) == Some("t") {
        return None;
    }
    let last = column(1).and_then(|last| last.parse().ok());
    Some(last.unwrap_or_default())
}
