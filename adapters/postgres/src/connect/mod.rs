mod pooler;

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore};
use tokio_postgres::Row;
use tracing::info;

use crate::fault::{Fault, Kind};
use crate::health::ServerRole;
use crate::known_log::{KnownLog, crash_marker};
use crate::link::Link;
use crate::link::connection::Connection;
use crate::notifier::HeadNotifier;
use crate::read::coalescer::Coalescer;
use crate::read::event_sizes::EventSizes;
use crate::read::first_loads::FirstLoads;
use crate::read::query_tx;
use crate::read::view_loads::ViewLoads;
use crate::row::{self, Head};
use crate::runtime::{UnusableRuntime, require_runtime};
use crate::schema::Schema;
use crate::sql::Sql;
use crate::store::Shared;
use crate::transaction::commit;
use crate::transaction::flushes::Flushes;
use crate::transaction::head_lock::HeadLockQueue;
use crate::write::{Engine, Writer};
use crate::{ConnectError, Options, Postgres, migrations};

/// The oldest supported version, in the numbers of `server_version_num`.
const MIN_SERVER_VERSION: i64 = 140_000;

/// The encoding that can represent every text.
const ENCODING: &str = "UTF8";

impl Options {
    /// The SQL that creates and migrates the tables, to be applied by hand. Migrations that were
    /// applied before are skipped.
    ///
    /// # Errors
    /// [`ConnectError::Schema`].
    pub fn migrations(&self) -> Result<String, ConnectError> {
        Ok(migrations::script(&schema(self)?))
    }

    /// Connects to the database at this URL, `postgres://user:password@host:5432/database`, or to the one of
    /// several servers that takes writes: `postgres://user:password@one:5432,two:5432/database`.
    ///
    /// # Errors
    /// See [`ConnectError`]. Each variant names its remedy.
    pub async fn connect(self, url: &str) -> Result<Postgres, ConnectError> {
        let store = connect(&self, url).await?;
        info!(
            schema = store.shared().schema.name(),
            "the database is connected"
        );
        Ok(store)
    }
}

/// The schema that the options name.
fn schema(options: &Options) -> Result<Schema, ConnectError> {
    Schema::new(&options.schema).ok_or_else(|| ConnectError::Schema {
        name: options.schema.clone(),
    })
}

async fn connect(options: &Options, url: &str) -> Result<Postgres, ConnectError> {
    let schema = schema(options)?;
    let sql = Arc::new(Sql::new(&schema));
    let link = Link::new(options, url)?.to_leader();
    let read_url = options.read_url.as_deref();
    let read_link = read_url.map(|url| Link::new(options, url)).transpose()?;
    let (log, head) = open_log(options, &link, &sql, &schema).await?;
    let link = link.to_log(&log, &sql);
    let read_link = match read_link {
        None => None,
        Some(read_link) => {
            check_copy(&read_link, &log, &sql, &schema).await?;
            Some(read_link.to_copy(&log, &sql))
        }
    };
    let reading = read_link.as_ref().unwrap_or(&link);
    let reads = reading.clone().pool(options)?;
    let pool = link.clone().pool(options)?;
    let event_sizes = Arc::new(EventSizes::default());
    let engine = Engine::new(
        link.writer_session(options),
        sql.clone(),
        head,
        log.clone(),
        options,
    );
    let commands = link.handler_session(options).with(&commit::prepare());
    let queries = reading
        .handler_session(options)
        .read_only()
        .with(&query_tx::prepare(&sql));
    let transactions = commands.pool(options)?;
    let shared = Shared {
        read_only: queries.pool(options)?,
        read_link,
        notifier: HeadNotifier::start(link.clone(), sql.clone(), &schema, log.clone()),
        writer: Writer::start(engine, transactions.clone(), options),
        transactions,
        head_locks: HeadLockQueue::new(head.position, options.writer.window()),
        flushes: Flushes::new(),
        view_loads: Coalescer::new(ViewLoads {
            reads: reads.clone(),
            schema: schema.clone(),
        }),
        first_loads: Coalescer::new(FirstLoads {
            pool: pool.clone(),
            sql: sql.clone(),
            log: log.clone(),
            event_sizes: event_sizes.clone(),
        }),
        pool,
        reads,
        event_sizes,
        link,
        lookups: Semaphore::new(1),
        cluster_health: Mutex::default(),
        retry_timeout: options.retry_timeout,
        log,
        schema,
        sql,
        limits: options.writer.limits(),
    };
    Ok(Postgres::new(shared))
}

/// Creates or checks the tables, and reads the end of the log.
async fn open_log(
    options: &Options,
    link: &Link,
    sql: &Sql,
    schema: &Schema,
) -> Result<(KnownLog, Head), ConnectError> {
    let opened = require_runtime(pin!(link.open())).await;
    let connection = opened
        .map_err(|UnusableRuntime(reason)| ConnectError::Runtime { reason })?
        .map_err(unreachable)?;
    pooler::refuse(link, &connection).await?;
    if check_server(&connection, schema).await? == ServerRole::Standby {
        return Err(ConnectError::Replica);
    }
    if options.migrate {
        migrations::migrate(&connection, schema).await?;
    } else {
        migrations::check(&connection, schema).await?;
    }
    let row = read_head(&connection, sql, schema).await?;
    let refused = |fault| migrations::refused(schema, fault);
    row::flush_before_use(&connection, [&row])
        .await
        .map_err(refused)?;
    let found = crash_marker(connection.client(), sql);
    let marker = connection.exchange(found).await.map_err(refused)?;
    KnownLog::new(&row, marker, options.writer.window()).map_err(refused)
}

/// Refuses a `read_url` that does not lead to the known log, or to a replica of it.
async fn check_copy(
    link: &Link,
    log: &KnownLog,
    sql: &Sql,
    schema: &Schema,
) -> Result<(), ConnectError> {
    let connection = link.open().await.map_err(unreachable)?;
    pooler::refuse(link, &connection).await?;
    check_server(&connection, schema).await?;
    // Reports missing tables by the schema's name.
    read_head(&connection, sql, schema).await?;
    let recognized = log.recognize_copy(connection.client(), sql);
    match connection.exchange(recognized).await {
        Ok(_) => Ok(()),
        Err(fault) if fault.kind() == Kind::Refused => Err(ConnectError::OtherLog),
        Err(fault) => Err(migrations::refused(schema, fault)),
    }
}

/// Refuses a server that is too old, and a database whose encoding cannot represent every text.
async fn check_server(
    connection: &Connection,
    schema: &Schema,
) -> Result<ServerRole, ConnectError> {
    let select = "SELECT current_setting('server_version_num')::bigint, \
                  current_setting('server_version'), pg_is_in_recovery(), \
                  current_setting('server_encoding'), current_database()::text";
    let refused = |fault: Fault| migrations::refused(schema, fault);
    let row = match connection.select_one(select, &[]).await {
        Ok(row) => row,
        Err(error) => return Err(refused(error.into())),
    };
    let text = |column| {
        row.try_get(column)
            .map_err(|error| refused(Fault::from(error)))
    };
    let version: i64 = row.try_get(0).map_err(|error| refused(error.into()))?;
    if version < MIN_SERVER_VERSION {
        return Err(ConnectError::Version { version: text(1)? });
    }
    let encoding: String = text(3)?;
    if encoding != ENCODING {
        return Err(ConnectError::Encoding {
            database: text(4)?,
            encoding,
        });
    }
    let is_replica = row.try_get(2).map_err(|error| refused(error.into()))?;
    Ok(if is_replica {
        ServerRole::Standby
    } else {
        ServerRole::Leader
    })
}

/// The head, with the event there.
async fn read_head(
    connection: &Connection,
    sql: &Sql,
    schema: &Schema,
) -> Result<Row, ConnectError> {
    let row = connection.select_one(&sql.recognize, &[&0_i64]).await;
    row.map_err(|error| migrations::refused(schema, error.into()))
}

fn unreachable(fault: Fault) -> ConnectError {
    ConnectError::Unreachable {
        reason: fault.reason().to_string(),
    }
}
