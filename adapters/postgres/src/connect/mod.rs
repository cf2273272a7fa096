mod pooler;

use std::sync::Arc;

use tokio_postgres::Row;
use tracing::info;

use crate::fault::{Fault, Kind};
use crate::link::Link;
use crate::link::connection::Connection;
use crate::notifier::HeadNotifier;
use crate::read::coalescer::ViewLoadCoalescer;
use crate::read::event_sizes::EventSizes;
use crate::schema::Schema;
use crate::sql::Sql;
use crate::store::Shared;
use crate::tail::LogTail;
use crate::transaction::head_lock::HeadLockQueue;
use crate::write::Writer;
use crate::{ConnectError, Options, Postgres, migrations};

/// The oldest supported version, as PostgreSQL numbers them.
const MIN_SERVER_VERSION: i64 = 140_000;

/// The encoding of a database that can store any text.
const ENCODING: &str = "UTF8";

/// Maximum number and size of the events of this process that are kept for followers of the log: more
/// than what is appended while a projection commits a page.
const MAX_TAIL_EVENTS: usize = 8192;
const MAX_TAIL_BYTES: usize = 8 << 20;

impl Options {
    /// The SQL that creates and migrates the tables, to be applied by hand. It skips what was applied
    /// before.
    ///
    /// # Errors
    /// [`ConnectError::Schema`].
    pub fn migrations(&self) -> Result<String, ConnectError> {
        Ok(migrations::script(&schema(self)?))
    }

    /// Connects.
    ///
    /// # Errors
    /// See [`ConnectError`]: each variant says what to do.
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
    let link = Link::new(options, url)?;
    let read_link = match &options.read_url {
        Some(url) => Link::new(options, url)?,
        None => link.clone(),
    };
    let connection = link.open().await.map_err(unreachable)?;
    pooler::refuse(&link, &connection).await?;
    if check_server(&connection, &schema).await? == Role::Replica {
        return Err(ConnectError::Replica);
    }
    if options.migrate {
        migrations::migrate(&connection, &schema).await?;
    } else {
        migrations::check(&connection, &schema).await?;
    }
    let row = read_head(&connection, &sql, &schema).await?;
    let tail = LogTail::new(
        &row,
        options.writer.window().min(MAX_TAIL_EVENTS),
        MAX_TAIL_BYTES,
    );
    let (tail, head) = tail.map_err(|fault| migrations::refused(&schema, fault))?;
    drop(connection);
    let mut reads_replica = false;
    if options.read_url.is_some() {
        let connection = read_link.open().await.map_err(unreachable)?;
        pooler::refuse(&read_link, &connection).await?;
        reads_replica = check_server(&connection, &schema).await? == Role::Replica;
        read_head(&connection, &sql, &schema).await?;
        let recognized = tail.recognize_copy(connection.client(), &sql);
        if let Err(fault) = connection.exchange(recognized).await {
            return Err(match fault.kind() {
                Kind::Refused => ConnectError::OtherLog,
                _ => migrations::refused(&schema, fault),
            });
        }
    }
    let link = link.to_log(&tail, &sql);
    let read_link = match &options.read_url {
        Some(_) => read_link.to_copy(&tail, &sql),
        None => link.clone(),
    };
    let reads = read_link.clone().pool(options)?;
    let shared = Shared {
        pool: link.clone().pool(options)?,
        transactions: link.handler_session(options).pool(options)?,
        read_only: read_link
            .handler_session(options)
            .read_only()
            .pool(options)?,
        reads_replica,
        _notifier: HeadNotifier::start(link.clone(), sql.clone(), &schema, tail.clone()),
        writer: Writer::start(link.clone(), sql.clone(), head, tail.clone(), options),
        head_locks: HeadLockQueue::new(head.position, options.writer.window()),
        view_loads: ViewLoadCoalescer::new(reads.clone()),
        reads,
        event_sizes: EventSizes::default(),
        link,
        retry_timeout: options.retry_timeout,
        tail,
        schema,
        sql,
        limits: options.writer.limits(),
    };
    Ok(Postgres::new(shared))
}

#[derive(Debug, PartialEq, Eq)]
enum Role {
    Primary,
    Replica,
}

/// Refuses a server that is too old, and a database that cannot store any text.
async fn check_server(connection: &Connection, schema: &Schema) -> Result<Role, ConnectError> {
    let select = "SELECT current_setting('server_version_num')::bigint, \
                  current_setting('server_version'), pg_is_in_recovery(), \
                  current_setting('server_encoding'), current_database()::text";
    let refused = |fault: Fault| migrations::refused(schema, fault);
    let row = connection.select_one(select, &[]).await;
    let row = row.map_err(|error| refused(error.into()))?;
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
        Role::Replica
    } else {
        Role::Primary
    })
}

/// The head, and the event there.
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
