use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cqrs_core::store::Limits;
use tokio::sync::{Mutex, Semaphore};

use crate::health::ClusterHealth;
use crate::known_log::KnownLog;
use crate::link::Link;
use crate::notifier::HeadNotifier;
use crate::pool::Pool;
use crate::read::coalescer::Coalescer;
use crate::read::event_sizes::EventSizes;
use crate::read::first_loads::FirstLoads;
use crate::read::view_loads::ViewLoads;
use crate::schema::Schema;
use crate::sql::Sql;
use crate::transaction::flushes::Flushes;
use crate::transaction::head_lock::HeadLockQueue;
use crate::write::Writer;
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
    pub(crate) read_only: Pool,
    /// Connections to the database of `read_url`, which answers queries, and may be a replica that lags behind.
    pub(crate) read_link: Option<Link>,
    pub(crate) link: Link,
    /// The permit to look up, on a connection outside of the pools, whether a transaction was committed.
    pub(crate) lookups: Semaphore,
    /// The last answer to the question for it, and when it was asked.
    pub(crate) cluster_health: Mutex<Option<(Instant, ClusterHealth)>>,
    pub(crate) retry_timeout: Duration,
    pub(crate) log: KnownLog,
    pub(crate) schema: Schema,
    pub(crate) sql: Arc<Sql>,
    pub(crate) writer: Writer,
    pub(crate) head_locks: HeadLockQueue,
    pub(crate) flushes: Flushes,
    pub(crate) view_loads: Coalescer<ViewLoads>,
    pub(crate) first_loads: Coalescer<FirstLoads>,
    pub(crate) event_sizes: Arc<EventSizes>,
    pub(crate) limits: Limits,
    pub(crate) notifier: HeadNotifier,
}

impl Postgres {
    /// Connects with the default [`Options`], and creates or migrates the tables.
    ///
    /// # Errors
    /// See [`ConnectError`]: each variant says what to do.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::options().connect(url).await
    }

    /// The default options, to be changed before [`Options::connect`].
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
