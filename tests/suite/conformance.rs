//! The promises of the store contract, on every store of this workspace.

use std::any::Any;
use std::path::PathBuf;

use cqrs_conformance::StoreFixture;
use cqrs_sqlite::{Options, Sqlite};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::postgres::Schema;

/// A database file in a directory of its own.
struct Database {
    directory: TempDir,
    options: Options,
}

impl Database {
    fn new(options: Options) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        Self { directory, options }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("log.db")
    }
}

impl StoreFixture for Database {
    type Store = Sqlite;

    async fn open(&self) -> Sqlite {
        let store = self.options.clone().open(self.path()).await;
        store.expect("SQLite opens")
    }

    /// A reader that holds on to an old snapshot, so that no checkpoint gets past it.
    async fn foreign_transaction(&self) -> Option<Box<dyn Any + Send>> {
        let connection = Connection::open(self.path()).expect("SQLite opens");
        let begin = "BEGIN; SELECT count(*) FROM events;";
        connection.execute_batch(begin).expect("a reader begins");
        Some(Box::new(connection))
    }
}

/// A schema of the server that the tests share, if there is one.
macro_rules! schema {
    ($options:expr) => {
        match Schema::fresh("conformance", $options) {
            Some(schema) => schema,
            None => return,
        }
    };
}

mod memory {
    cqrs_conformance::conformance_tests!(cqrs_core::Memory::new());
}

mod sqlite {
    use super::{Database, Sqlite};

    cqrs_conformance::conformance_tests!(Database::new(Sqlite::options()));
}

/// Next to nothing in memory, one reader, and batches so small that no command finds a place
/// beside its rivals: the paths that are taken under pressure.
mod sqlite_under_pressure {
    use super::{Database, Sqlite};

    cqrs_conformance::conformance_tests!(Database::new(
        Sqlite::options().window(4).readers(1).max_batch(3)
    ));
}

mod postgres {
    use super::Schema;
    use cqrs_postgres::Postgres;

    cqrs_conformance::conformance_tests!(schema!(Postgres::options()));
}

/// As above: boundaries are decided in the database, and requests are put off for later batches.
mod postgres_under_pressure {
    use super::Schema;
    use cqrs_postgres::Postgres;

    cqrs_conformance::conformance_tests!(schema!(
        Postgres::options().window(4).pool_size(2).max_batch(3)
    ));
}

/// Each append in a transaction of a handler, decided in memory.
mod postgres_in_transactions {
    use super::Schema;
    use crate::support::transacting::{Share, Transactions};
    use cqrs_postgres::Postgres;

    cqrs_conformance::conformance_tests!(Transactions {
        schema: schema!(Postgres::options()),
        share: Share::All,
    });
}

/// Beside the batches, with next to nothing in memory.
mod postgres_beside_transactions {
    use super::Schema;
    use crate::support::transacting::{Share, Transactions};
    use cqrs_postgres::Postgres;

    cqrs_conformance::conformance_tests!(Transactions {
        schema: schema!(Postgres::options().window(4).pool_size(2).max_batch(3)),
        share: Share::Half,
    });
}

/// Views that are written one by one, without transactions.
mod one_by_one {
    use std::sync::Arc;

    use cqrs_conformance::ViewFixture;

    use crate::support::one_by_one::OneByOne;

    struct Shared(Arc<OneByOne>);

    impl ViewFixture for Shared {
        type Views = Arc<OneByOne>;

        async fn open_views(&self) -> Arc<OneByOne> {
            self.0.clone()
        }
    }

    cqrs_conformance::view_conformance_tests!(Shared(OneByOne::new()));
}
