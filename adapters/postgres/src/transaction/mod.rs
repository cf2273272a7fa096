//! Transactions that handlers work in.

pub(crate) mod append;
pub(crate) mod commit;
pub(crate) mod flushes;
pub(crate) mod head_lock;
mod outcome;
pub(crate) mod pooled;

use std::sync::atomic::{AtomicBool, Ordering};

use cqrs_core::Position;
use cqrs_core::store::{
    Append, AppendError, Appended, BoxFuture, HasReader, LogTransaction, Shard, StoreError,
    Transactional, ViewBatch, ViewCommitError, ViewTransaction,
};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::fault::Fault;
use crate::store::Shared;
use crate::transaction::append::append_in;
use crate::transaction::pooled::PooledTransaction;
use crate::write::{checkpoint, views};
use crate::{Postgres, SqlError, SqlReader};

/// The setting lasts until the transaction ends, also if the handler ends it: `lock_head.sql` tells.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
     SET LOCAL cqrs_store.handler = 'open'";

/// A transaction as handlers work with it: `&mut Tx<Postgres>` derefs to this. Read committed, on a
/// connection of its own; what is written commits with the events or with the checkpoint.
///
/// After a statement that failed, PostgreSQL refuses all others: return the error, or guard the
/// statement with `SAVEPOINT` and `ROLLBACK TO SAVEPOINT`. If the database aborts the transaction in
/// favor of another one (a deadlock), the handler runs again.
pub struct Transaction {
    client: PooledTransaction,
    store: Postgres,
    should_retry: AtomicBool,
}

impl Transaction {
    /// Runs a statement, and returns how many rows it changed.
    ///
    /// # Errors
    /// Those of the database, and of the connection.
    pub async fn execute(
        &self,
        statement: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, SqlError> {
        let executed = self.client.run(async {
            let prepared = self.client.prepare_foreign(statement).await?;
            self.client.execute(&prepared, params).await
        });
        self.track_abort(executed.await)
    }

    /// Runs a query, and returns its rows.
    ///
    /// # Errors
    /// Those of the database, and of the connection.
    pub async fn query(
        &self,
        query: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, SqlError> {
        let rows = self.client.run(async {
            let prepared = self.client.prepare_foreign(query).await?;
            self.client.query(&prepared, params).await
        });
        self.track_abort(rows.await)
    }

    /// Runs a query that has exactly one row.
    ///
    /// # Errors
    /// Those of the database, and of the connection; and when there is another number of rows.
    pub async fn query_one(
        &self,
        query: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, SqlError> {
        let row = self.client.run(async {
            let prepared = self.client.prepare_foreign(query).await?;
            self.client.query_one(&prepared, params).await
        });
        self.track_abort(row.await)
    }

    /// Runs a query that has one row or none.
    ///
    /// # Errors
    /// Those of the database, and of the connection; and when there are more rows.
    pub async fn query_opt(
        &self,
        query: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, SqlError> {
        let row = self.client.run(async {
            let prepared = self.client.prepare_foreign(query).await?;
            self.client.query_opt(&prepared, params).await
        });
        self.track_abort(row.await)
    }

    /// Runs several statements, separated by semicolons, without parameters: to create tables.
    ///
    /// # Errors
    /// Those of the database, and of the connection.
    pub async fn batch_execute(&self, statements: &str) -> Result<(), SqlError> {
        let done = self.client.run(self.client.script(statements));
        self.track_abort(done.await)
    }

    fn track_abort<T>(&self, result: Result<T, SqlError>) -> Result<T, SqlError> {
        let code = result.as_ref().err().and_then(SqlError::code);
        let overtaken = [
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::T_R_SERIALIZATION_FAILURE,
        ];
        if code.is_some_and(|code| overtaken.contains(code)) {
            self.should_retry.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl ViewTransaction for Transaction {
    fn checkpoint(&mut self, shard: Shard) -> BoxFuture<'_, Result<Option<Position>, StoreError>> {
        Box::pin(async move {
            let Shared { sql, schema, .. } = self.store.shared();
            let locked = checkpoint::lock(&self.client, sql, schema.name(), &shard);
            Ok(self.client.run(locked).await?)
        })
    }

    fn commit(self, batch: ViewBatch) -> BoxFuture<'static, Result<(), ViewCommitError>> {
        Box::pin(async move {
            self.client.begin().await.map_err(Fault::from)?;
            let committed = views::commit_in(&self.client, self.store.shared(), batch).await;
            self.client.ended();
            committed
        })
    }
}

impl LogTransaction for Transaction {
    fn append(self, append: Append) -> BoxFuture<'static, Result<Appended, AppendError>> {
        Box::pin(async move {
            let shared = self.store.shared();
            // A handler that has executed nothing needs no transaction of its own.
            if !self.client.is_open() {
                drop(self.client);
                return shared.writer.append(append).await;
            }
            append_in(self.client, shared, append).await
        })
    }
}

impl Transactional for Postgres {
    type Transaction = Transaction;

    /// Takes a connection from the pool. `BEGIN` is sent with the first statement.
    fn begin(&self) -> BoxFuture<'_, Result<Transaction, StoreError>> {
        Box::pin(async move {
            let connection = self.shared().transactions.get().await?;
            Ok(Transaction {
                client: PooledTransaction::new(connection, BEGIN),
                store: self.clone(),
                should_retry: AtomicBool::new(false),
            })
        })
    }

    fn should_retry(transaction: &Transaction) -> bool {
        transaction.should_retry.load(Ordering::Relaxed)
    }
}

impl HasReader for Postgres {
    type Reader = SqlReader;

    fn reader(&self) -> SqlReader {
        SqlReader::new(self.clone())
    }
}
