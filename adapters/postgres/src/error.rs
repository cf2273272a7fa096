/// Reasons that a connection to the store failed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL cannot be parsed.
    #[error(
        "the PostgreSQL URL cannot be read: write `postgres://user:password@host:5432/database` \
         ({reason})"
    )]
    Url {
        /// Description of the problem.
        reason: String,
    },
    /// The schema's name would have to be escaped.
    #[error(
        "a schema cannot be named `{name}`: use lower-case ASCII letters, digits and underscores, \
         at most 63 and no digit first"
    )]
    Schema {
        /// The name.
        name: String,
    },
    /// The database cannot be reached.
    #[error(
        "cannot connect to PostgreSQL: make sure that it is running and that the URL is right; if \
         its certificate is not trusted, name its authority with `root_certificates`, or add \
         `?sslmode=disable` on a network that you trust ({reason})"
    )]
    Unreachable {
        /// The error of the client.
        reason: String,
    },
    /// The certificates to trust cannot be read.
    #[error("`root_certificates` cannot be read: give certificates in PEM format ({reason})")]
    Certificates {
        /// Description of the problem.
        reason: String,
    },
    /// The Tokio runtime has no timers or no I/O.
    #[error(
        "the PostgreSQL store needs a Tokio runtime with I/O and timers: await `connect` in \
         `#[tokio::main]`, or call `enable_all` on the builder of the runtime ({reason})"
    )]
    Runtime {
        /// The words of Tokio.
        reason: String,
    },
    /// The server is older than the oldest supported version.
    #[error("PostgreSQL {version} is too old: version 14 or later is required")]
    Version {
        /// Its version.
        version: String,
    },
    /// The encoding of the database is not UTF-8, so it cannot represent every text.
    #[error(
        "the database `{database}` has the encoding {encoding}, which cannot represent every text: \
         create one with `CREATE DATABASE .. ENCODING 'UTF8' TEMPLATE template0`"
    )]
    Encoding {
        /// The database.
        database: String,
        /// Its encoding.
        encoding: String,
    },
    /// The database is a replica.
    #[error(
        "this PostgreSQL is a replica, which cannot be written: connect to the primary, and set the \
         replica's URL as `read_url`"
    )]
    Replica,
    /// A pooler assigns another server connection to each transaction.
    #[error(
        "a pooler in front of PostgreSQL assigns a connection per transaction (PgBouncer's \
         `pool_mode = transaction`), but the store configures its sessions, prepares statements and \
         listens: connect to PostgreSQL directly, or use session pooling"
    )]
    Pooler,
    /// The tables do not exist or have an older version, and `migrate` is off.
    #[error(
        "the schema `{schema}` has {}, this program writes version {known}: apply the SQL of \
         `Options::migrations`, or let `connect` do it with `migrate(true)`",
        existing(*found)
    )]
    Older {
        /// The schema.
        schema: String,
        /// The version of its tables, 0 if there are none.
        found: i64,
        /// The version that this program writes.
        known: i64,
    },
    /// The tables were created by a newer version of this program.
    #[error(
        "the schema `{schema}` has version {found}, this program knows up to {known}: update this \
         program"
    )]
    Newer {
        /// The schema.
        schema: String,
        /// The version of its tables.
        found: i64,
        /// The latest that this program knows.
        known: i64,
    },
    /// `read_url` leads to another log.
    #[error(
        "`read_url` leads to another log than the URL: use a replica of the same database, or the \
         same database with another role"
    )]
    OtherLog,
    /// PostgreSQL refused a statement.
    #[error("PostgreSQL refused to create or read the tables in the schema `{schema}`: {reason}")]
    Refused {
        /// The schema.
        schema: String,
        /// The error of PostgreSQL.
        reason: String,
    },
}

cqrs_core::debug_as_report!(ConnectError);

/// The tables of a schema with this version.
fn existing(version: i64) -> String {
    match version {
        0 => "no tables".to_owned(),
        _ => format!("version {version}"),
    }
}
