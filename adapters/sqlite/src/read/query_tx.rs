use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use rusqlite::Connection;

use crate::{ReadError, Sqlite};

/// Reads with SQL in query handlers: `ReadTx<Sqlite>` derefs to this.
#[derive(Clone)]
pub struct SqlReader {
    store: Sqlite,
}

impl SqlReader {
    pub(crate) fn new(store: Sqlite) -> Self {
        Self { store }
    }

    /// Runs `read` on one of the store's reading threads. Everything that it reads is one snapshot of
    /// committed data. It cannot write.
    ///
    /// ```
    /// use cqrs_core::{ReadTx, Result};
    /// use cqrs_sqlite::Sqlite;
    ///
    /// async fn names(db: ReadTx<Sqlite>) -> Result<Vec<String>> {
    ///     let names = db.run(|sql| {
    ///         let mut select = sql.prepare("SELECT name FROM customers ORDER BY name")?;
    ///         select.query_map([], |row| row.get(0))?.collect()
    ///     });
    ///     Ok(names.await?)
    /// }
    /// ```
    ///
    /// There are only a few such threads ([`Options::readers`](crate::Options::readers)), and all other
    /// reads need them, so `read` should wait for nothing but the database. If it panics, so does this.
    /// If the future is dropped before `read` begins, it does not run.
    ///
    /// # Errors
    /// The error of `read`, as [`ReadError::Failed`].
    pub async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let outcome = self
            .store
            .shared()
            .readers
            .run(move |conn| Ok(catch_unwind(AssertUnwindSafe(|| read(conn)))))
            .await?;
        match outcome {
            Ok(result) => Ok(result?),
            Err(panic) => resume_unwind(panic),
        }
    }
}

impl fmt::Debug for SqlReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlReader").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use cqrs_core::Error;
    use cqrs_core::store::{EventLog, HasReader};

    use super::*;
    use crate::testing::{Directory, append};

    #[tokio::test]
    async fn a_reader_reads_and_cannot_write() {
        let directory = Directory::new();
        let store = Sqlite::open(directory.database()).await.unwrap();
        store.append(append("a:1", b"{}")).await.unwrap();
        let reader = store.reader();
        drop(store);
        let types = reader.run(|sql| {
            let mut select = sql.prepare("SELECT type FROM events")?;
            select.query_map([], |row| row.get(0))?.collect()
        });
        let types: Vec<String> = types.await.unwrap();
        assert_eq!(types, ["noted"]);
        for write in [
            "DELETE FROM events",
            "CREATE TABLE t (a)",
            "PRAGMA query_only = 0; DELETE FROM events",
            "COMMIT; PRAGMA query_only = 0; BEGIN IMMEDIATE; DELETE FROM events; COMMIT",
        ] {
            let refused = reader
                .run(|sql| sql.execute_batch(write))
                .await
                .unwrap_err();
            let refused = Error::from(refused);
            let refused = refused.downcast_ref().unwrap();
            assert!(matches!(refused, ReadError::Failed(_)), "{refused}");
        }
        let count = "SELECT count(*) FROM events";
        let count = reader.run(|sql| sql.query_row(count, [], |row| row.get(0)));
        let count: i64 = count.await.unwrap();
        assert_eq!(count, 1);
    }

    #[tokio::test]
    async fn a_panic_goes_on_in_the_caller() {
        let directory = Directory::new();
        let store = Sqlite::options().readers(1);
        let store = store.open(directory.database()).await.unwrap();
        let reader = store.reader();
        let panicked = tokio::spawn(async move { reader.run::<()>(|_| panic!("poison")).await });
        assert!(panicked.await.unwrap_err().is_panic());
        assert_eq!(store.reader().run(|_| Ok(1)).await.unwrap(), 1);
    }
}
