use std::fmt;
use std::time::Duration;

use cqrs_kit::options::WriterOptions;

/// Upper bound of the pool size: more than any PostgreSQL server accepts.
pub(crate) const MAX_POOL_SIZE: usize = 1 << 18;

/// Number of pools.
const POOLS: usize = 4;

/// Number of connections beside the pools: the writer, the notifier, the observer of connections that wait for an
/// answer, the lookup of commits in doubt, and the question for the health of the cluster.
const BESIDE_POOLS: usize = 5;

/// Settings of a connection.
///
/// ```no_run
/// # async fn example() -> Result<(), cqrs_postgres::ConnectError> {
/// let store = cqrs_postgres::Postgres::options()
///     .schema("shop")
///     .pool_size(16)
///     .connect("postgres://localhost/catalog")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "nothing is connected until `connect` is awaited"]
pub struct Options {
    pub(crate) schema: String,
    pub(crate) migrate: bool,
    pub(crate) read_url: Option<String>,
    pub(crate) root_certificates: Option<Vec<u8>>,
    pub(crate) search_path: Option<String>,
    pub(crate) application_name: String,
    pub(crate) pool_size: usize,
    pub(crate) statement_timeout: Duration,
    pub(crate) retry_timeout: Duration,
    pub(crate) writer: WriterOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            schema: "cqrs".to_owned(),
            migrate: true,
            read_url: None,
            root_certificates: None,
            search_path: None,
            application_name: "cqrs".to_owned(),
            pool_size: 8,
            statement_timeout: Duration::from_secs(30),
            retry_timeout: Duration::from_secs(10),
            writer: WriterOptions::default(),
        }
    }
}

/// Without URLs, which have passwords.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every option is named here, so that a new one cannot be forgotten.
        let Self {
            schema,
            migrate,
            read_url,
            root_certificates: _,
            search_path,
            application_name,
            pool_size,
            statement_timeout,
            retry_timeout,
            writer,
        } = self;
        f.debug_struct("Options")
            .field("schema", schema)
            .field("migrate", migrate)
            .field("read_url", &read_url.as_ref().map(|_| "(not shown)"))
            .field("application_name", application_name)
            .field("search_path", search_path)
            .field("pool_size", pool_size)
            .field("statement_timeout", statement_timeout)
            .field("retry_timeout", retry_timeout)
            .field("writer", writer)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// The schema of the store's tables, which is created if it does not exist. Lower-case ASCII letters,
    /// digits and underscores. Stores in two schemas share nothing. Defaults to `cqrs`.
    pub fn schema(mut self, name: &str) -> Self {
        name.clone_into(&mut self.schema);
        self
    }

    /// Whether [`connect`](Options::connect) creates and migrates the tables, for which the role needs
    /// the right to create them. If not, apply [`migrations`] first. Defaults to `true`.
    ///
    /// [`migrations`]: Options::migrations
    pub fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// URL of the database that queries read: a replica, the standbys of a cluster, or the same database with
    /// a role that may only read. Commands and projections always read where they write. A query
    /// [after](cqrs_core::app::QueryCall::after) a receipt waits for the replica, too.
    pub fn read_url(mut self, url: &str) -> Self {
        self.read_url = Some(url.to_owned());
        self
    }

    /// Certificate authorities to trust, in PEM format. Defaults to those that browsers trust. Configure
    /// TLS itself in the URL: `?sslmode=require`, `prefer` or `disable`.
    pub fn root_certificates(mut self, pem: &[u8]) -> Self {
        self.root_certificates = Some(pem.to_vec());
        self
    }

    /// The `search_path` of handlers' statements (`&mut Tx<Postgres>` and `ReadTx<Postgres>`): the schemas
    /// of tables that are named without one, such as `shop` or `shop, public`. Defaults to the setting
    /// of the URL, the role or the database.
    pub fn search_path(mut self, schemas: &str) -> Self {
        self.search_path = Some(schemas.to_owned());
        self
    }

    /// The name of the connections in `pg_stat_activity`. Defaults to `cqrs`.
    pub fn application_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.application_name);
        self
    }

    /// Maximum number of connections in each of the four pools: for the log, for read models, for
    /// transactions of handlers, and for SQL in query handlers. At least 1. Defaults to 8. See
    /// [`max_connections`](Options::max_connections) for the sum.
    pub fn pool_size(mut self, connections: usize) -> Self {
        self.pool_size = connections.max(1);
        self
    }

    /// Maximum number of connections that a process has open with these options, to be compared with
    /// the `max_connections` of the server: 37 with the defaults, 9 at the least.
    ///
    /// These are four pools of [`pool_size`](Options::pool_size), of which two lead to
    /// [`read_url`](Options::read_url), and five more: one writes the log, one carries notifications, and
    /// three are opened for a moment, if the server is asked whether it still executes a statement that
    /// takes longer than half of [`retry_timeout`](Options::retry_timeout), whether a transaction was
    /// committed whose connection was lost, or for its [health](crate::Postgres::cluster_health). With a `read_url`, its server may be asked, too.
    ///
    /// [`connect`](Options::connect) has two open at a time. After a network failure, the server may count
    /// lost connections until it notices that they are gone.
    pub fn max_connections(&self) -> usize {
        let beside_pools = BESIDE_POOLS + usize::from(self.read_url.is_some());
        self.pool_size
            .min(MAX_POOL_SIZE)
            .saturating_mul(POOLS)
            .saturating_add(beside_pools)
    }

    /// Maximum duration of a statement, and of a pause between two in the transaction of a projection,
    /// enforced by the server. Zero, or more than PostgreSQL can hold (24 days), means no limit. Defaults to 30
    /// seconds.
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// Maximum time to wait for a pooled connection, for an unreachable database, and for the answer of a
    /// server that is not executing the statement, whatever [`statement_timeout`] is. After that the request
    /// fails as unavailable. Also the maximum age of a command whose recorded statements wait for a row that
    /// another transaction has locked; then it fails with `AppendError::Statement`. `Duration::MAX` waits
    /// forever; a server always has at least two seconds to answer. Defaults to 10 seconds.
    ///
    /// When a statement takes longer than half of this, or three seconds, the server is asked on another
    /// connection. If it is executing the statement, the store keeps waiting. Otherwise the connection is
    /// closed, and the outcome of an append is looked up by its command id. What only reads is repeated. So
    /// commands and queries wait for a cluster that fails over, if this is longer than that takes. A command has this time
    /// once, for all its steps, from when it was sent or the database was lost.
    ///
    /// [`statement_timeout`]: Options::statement_timeout
    pub fn retry_timeout(mut self, timeout: Duration) -> Self {
        self.retry_timeout = timeout;
        self
    }

    /// Maximum number of appends that wait; the next one fails with `AppendError::Overloaded`. As many more
    /// wait for rows that other transactions have locked. At least 1. Defaults to 4,096.
    pub fn queue(mut self, appends: usize) -> Self {
        self.writer = self.writer.with_queue(appends);
        self
    }

    /// Number of recent events whose types and tags are kept in memory, to decide appends without
    /// reading the database. They take about 200 bytes each, and twice as much once handlers take
    /// transactions. 0 keeps none, `usize::MAX` all that this process sees. Defaults to 65,536.
    pub fn window(mut self, events: usize) -> Self {
        self.writer = self.writer.with_window(events);
        self
    }

    /// Maximum number of appends that are written with one statement. At least 1. Defaults to 1,024.
    pub fn max_batch(mut self, appends: usize) -> Self {
        self.writer = self.writer.with_max_batch(appends);
        self
    }

    /// Maximum size in bytes of the events and states of one command. A larger
    /// append fails with `AppendError::Invalid`. Defaults to 64 MiB.
    pub fn max_append(mut self, bytes: usize) -> Self {
        self.writer = self.writer.with_max_append(bytes);
        self
    }
}
