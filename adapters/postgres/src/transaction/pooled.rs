use std::future::ready;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join;
use tokio_postgres::SimpleQueryMessage;

use crate::SqlError;
use crate::pool::PooledConnection;

/// A pooled connection with a transaction, which begins with its first exchange and is rolled back on
/// drop. A transaction in which nothing is executed is never begun.
pub(crate) struct PooledTransaction {
    connection: PooledConnection,
    begin: &'static str,
    /// `BEGIN` was sent, and no end of the transaction since. Set before `BEGIN` is sent, so a future
    /// that is dropped during that exchange leaves no transaction open.
    is_open: AtomicBool,
}

impl PooledTransaction {
    /// Begins a transaction of the store. Read committed, whatever the database's default: a statement
    /// that has waited for a lock must see the commits that it waited for.
    pub(crate) const READ_COMMITTED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

    /// `begin` is `BEGIN`, and perhaps other statements.
    pub(crate) fn new(connection: PooledConnection, begin: &'static str) -> Self {
        Self {
            connection,
            begin,
            is_open: AtomicBool::new(false),
        }
    }

    /// Runs an exchange in the transaction. `BEGIN` is sent with the first one, and costs no round
    /// trip.
    pub(crate) async fn run<T, E: From<SqlError>>(
        &self,
        exchange: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        if self.is_open() {
            return exchange.await;
        }
        Ok(self.run_after("", exchange).await?.1)
    }

    /// The same, with statements without parameters that are sent before the exchange, and whose answers it
    /// returns. `BEGIN` has to end with these: together they are one message, which costs both ends less than two.
    pub(crate) async fn run_after<T, E: From<SqlError>>(
        &self,
        statements: &str,
        exchange: impl Future<Output = Result<T, E>>,
    ) -> Result<(Vec<SimpleQueryMessage>, T), E> {
        let is_open = self.is_open.swap(true, Ordering::Relaxed);
        let first = if is_open { statements } else { self.begin };
        // It is polled first, and a poll sends, so it is also sent first.
        let (found, answer) = join(self.connection.simple_query(first), exchange).await;
        match found {
            Ok(found) => Ok((found, answer?)),
            Err(error) => {
                if !is_open {
                    // The exchange was not in a transaction, nor is any other that was sent since.
                    self.connection.give_up();
                }
                Err(error.into())
            }
        }
    }

    /// Begins the transaction, unless it is open.
    pub(crate) async fn begin(&self) -> Result<(), SqlError> {
        self.run(ready(Ok(()))).await
    }

    /// Whether it has begun, and not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    pub(crate) async fn commit(self) -> Result<(), SqlError> {
        let committed = self.connection.batch_execute("COMMIT").await;
        self.ended();
        committed
    }

    /// Marks the transaction as ended, so that it is not rolled back.
    pub(crate) fn ended(&self) {
        self.is_open.store(false, Ordering::Relaxed);
    }
}

impl Deref for PooledTransaction {
    type Target = PooledConnection;

    fn deref(&self) -> &PooledConnection {
        &self.connection
    }
}

impl Drop for PooledTransaction {
    fn drop(&mut self) {
        if self.is_open() {
            self.connection.roll_back();
        }
    }
}
