use std::fmt;
use std::time::Duration;

use cqrs_kit::options::WriterOptions;

/// How to connect.
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

/// Without the URL and its password.
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
    /// The schema that the tables are in, `cqrs` unless said otherwise; made if it is not there.
    /// Lower-case ASCII letters, digits and underscores. Stores of two schemas share nothing.
    pub fn schema(mut self, name: &str) -> Self {
        name.clone_into(&mut self.schema);
        self
    }

    /// Whether [`connect`](Options::connect) makes and migrates the tables, which needs the right
    /// to create them; it does unless said otherwise. If not, apply [`migrations`] first.
    ///
    /// [`migrations`]: Options::migrations
    pub fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// Where queries read the read models: a replica, or the same database as a role that may only
    /// read. Commands and projections always read where they write. A query
    /// [after](cqrs_core::app::QueryCall::after) a receipt waits for the replica, too.
    pub fn read_url(mut self, url: &str) -> Self {
        self.read_url = Some(url.to_owned());
        self
    }

    /// The certificate authorities to trust, in PEM format; those that browsers trust unless said
    /// otherwise. Whether TLS is used says the URL: `?sslmode=require`, `prefer` or `disable`.
    pub fn root_certificates(mut self, pem: &[u8]) -> Self {
        self.root_certificates = Some(pem.to_vec());
        self
    }

    /// Where the statements of handlers, `&mut Tx<Postgres>` and `ReadTx<Postgres>`, find and make
    /// tables that they name without a schema, as PostgreSQL's setting of this name: `shop` or
    /// `shop, public`. What the URL, the role or the database say unless said here.
    pub fn search_path(mut self, schemas: &str) -> Self {
        self.search_path = Some(schemas.to_owned());
        self
    }

    /// The name under which the connections show up in `pg_stat_activity`, `cqrs` unless said
    /// otherwise.
    pub fn application_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.application_name);
        self
    }

    /// Maximum number of connections of each of the four pools: for reads of the log, for read
    /// models, for transactions of handlers, and for what query handlers read by themselves. At
    /// least one. Defaults to 8. One more connection writes the log, one carries notifications, and
    /// one is opened for a moment when a statement takes longer than half of
    /// [`retry_timeout`](Options::retry_timeout).
    pub fn pool_size(mut self, connections: usize) -> Self {
        self.pool_size = connections.max(1);
        self
    }

    /// Maximum duration of a statement, which the server enforces. Zero, and more than PostgreSQL can
    /// hold (24 days), for no limit. Defaults to 30 seconds.
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// How long to wait for a connection of a pool, for a database that went away, and for the answer
    /// of a server that is not at work on it, whatever [`statement_timeout`] is. After that the
    /// request fails as unavailable. `Duration::MAX` waits for ever, and a server has at least two
    /// seconds to answer. Defaults to 10 seconds.
    ///
    /// A statement that takes longer than half of this is looked after: if the server says on
    /// another connection that it is at work on it, it is waited for. Otherwise the connection is
    /// given up, and the outcome of an append is looked up by its command id.
    ///
    /// [`statement_timeout`]: Options::statement_timeout
    pub fn retry_timeout(mut self, timeout: Duration) -> Self {
        self.retry_timeout = timeout;
        self
    }

    /// Maximum number of appends that may wait; further ones are refused as overload. At least one.
    /// Defaults to 4,096.
    pub fn queue(mut self, appends: usize) -> Self {
        self.writer = self.writer.with_queue(appends);
        self
    }

    /// Number of the latest events that are kept in memory to decide boundaries with: their types and
    /// tags, about 200 bytes each, and the same again once handlers take transactions. Older
    /// boundaries are decided in the database. Defaults to 65,536; `usize::MAX` for all events.
    pub fn window(mut self, events: usize) -> Self {
        self.writer = self.writer.with_window(events);
        self
    }

    /// Maximum number of appends that are written with one statement. At least one. Defaults to 1,024.
    pub fn max_batch(mut self, appends: usize) -> Self {
        self.writer = self.writer.with_max_batch(appends);
        self
    }

    /// Maximum size in bytes of the events and states of one command. Defaults to 64 MiB. A larger one
    /// is refused as `AppendError::Invalid`.
    pub fn max_append(mut self, bytes: usize) -> Self {
        self.writer = self.writer.with_max_append(bytes);
        self
    }
}
