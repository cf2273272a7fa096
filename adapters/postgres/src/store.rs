use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::store::Limits;

use crate::event_sizes::EventSizes;
use crate::heads::Heads;
use crate::link::{Link, Pool};
use crate::loads::Loads;
use crate::news::News;
use crate::schema::Schema;
use crate::sql::Sql;
use crate::turns::Turns;
use crate::writer::Writer;
use crate::{ConnectError, Options};

/// A log of events and read models in PostgreSQL. Clones share it.
#[derive(Clone)]
pub struct Postgres {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    /// Connections to where the log and the read models are written.
    pub(crate) pool: Pool,
    /// Connections that answer queries.
    pub(crate) reads: Pool,
    /// Connections for handlers' own statements, to where the log is written, and to where queries
    /// read.
    pub(crate) transactions: Pool,
    pub(crate) reports: Pool,
    /// Queries are answered by a replica, which may lag behind.
    pub(crate) reads_replica: bool,
    pub(crate) link: Link,
    pub(crate) patience: Duration,
    pub(crate) heads: Heads,
    pub(crate) schema: Schema,
    pub(crate) sql: Arc<Sql>,
    pub(crate) writer: Writer,
    pub(crate) turns: Turns,
    pub(crate) loads: Loads,
    pub(crate) event_sizes: EventSizes,
    pub(crate) limits: Limits,
    pub(crate) _news: News,
}

impl Postgres {
    /// Connects with the default [`Options`], and makes or migrates the tables.
    ///
    /// # Errors
    /// See [`ConnectError`]: each variant says what to do.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::options().connect(url).await
    }

    /// How to connect, to be changed before [`Options::connect`].
    pub fn options() -> Options {
        Options::default()
    }

    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("schema", &self.shared.schema.name())
            .finish_non_exhaustive()
    }
}
