use std::ops::Deref;

use crate::SqlError;
use crate::link::PooledConnection;

/// A pooled connection with an open transaction, which is rolled back on drop. The value exists before
/// `BEGIN` is sent, so a future that is dropped during that exchange leaves no transaction open.
pub(crate) struct OpenTransaction {
    connection: PooledConnection,
    is_open: bool,
}

impl OpenTransaction {
    /// Begins a transaction of the store. Read committed, whatever the database's default: a statement
    /// that has waited for a lock must see the commits that it waited for.
    pub(crate) const READ_COMMITTED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

    pub(crate) async fn begin(connection: PooledConnection, begin: &str) -> Result<Self, SqlError> {
        Ok(Self::begin_with_select(connection, begin).await?.0)
    }

    /// Begins a transaction with several statements. Returns also the first value that they select, as
    /// text.
    pub(crate) async fn begin_with_select(
        connection: PooledConnection,
        begin: &str,
    ) -> Result<(Self, Option<String>), SqlError> {
        let transaction = Self {
            connection,
            is_open: true,
        };
        let selected = transaction.connection.select_text(begin).await?;
        Ok((transaction, selected))
    }

    pub(crate) async fn commit(mut self) -> Result<(), SqlError> {
        let committed = self.connection.batch_execute("COMMIT").await;
        self.ended();
        committed
    }

    /// Marks the transaction as ended, so that it is not rolled back.
    pub(crate) fn ended(&mut self) {
        self.is_open = false;
    }
}

impl Deref for OpenTransaction {
    type Target = PooledConnection;

    fn deref(&self) -> &PooledConnection {
        &self.connection
    }
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        if self.is_open {
            self.connection.roll_back();
        }
    }
}
