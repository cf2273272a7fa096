use std::path::PathBuf;
use std::time::Duration;

use cqrs_core::store::StoreError;

use crate::stall::Stalled;

/// Reasons that a database was not opened. Nothing in it was changed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The linked SQLite library has a bug that can corrupt the database.
    #[error(
        "SQLite {version} can corrupt a database in WAL mode when two checkpoints meet (3.7.0 to \
         3.51.2 do): link SQLite 3.51.3 or later, which `rusqlite` brings with its feature \
         `bundled`"
    )]
    Library {
        /// The version of the library.
        version: &'static str,
    },
    /// The path names no file that two connections could share.
    #[error(
        "`{path}` names no file: give the path of a file, or use `cqrs_core::store::Memory` to \
         keep everything in memory"
    )]
    NoFile {
        /// The path.
        path: PathBuf,
    },
    /// The file cannot be opened or created.
    #[error(
        "cannot open `{path}`: make sure that its directory exists, and that this process may read \
         and write both ({source})"
    )]
    Access {
        /// The file.
        path: PathBuf,
        /// The error of SQLite.
        source: rusqlite::Error,
    },
    /// The file cannot be written.
    #[error(
        "`{path}` cannot be written: make sure that this process may write the file and its \
         directory; to only read it, open it with `Sqlite::options().read_only(true)`"
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The database was to be opened for reading only, and its schema is older than that of this program.
    #[error(
        "`{path}` has schema version {found}, and this program reads version {known}: open it once \
         without `read_only(true)`"
    )]
    Outdated {
        /// The file.
        path: PathBuf,
        /// The version of its schema, 0 if it is empty.
        found: i64,
        /// The version that this program reads.
        known: i64,
    },
    /// The database is in a place that cannot be written, and the last process that wrote it has not
    /// closed it.
    #[error(
        "`{path}` was not closed by the last process that wrote it, and `{path}-wal` cannot be \
         read where nothing can be written: copy both to a directory that this process may write"
    )]
    Unclosed {
        /// The file.
        path: PathBuf,
    },
    /// The file was replaced while it was being opened.
    #[error("`{path}` was deleted or replaced while it was being opened: open it again")]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// The file is not an SQLite database, or is that of another program.
    #[error("`{path}` {what}, so it is not a database of this framework: choose another path")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Description of the file.
        what: String,
    },
    /// The database was written by a newer version of this program.
    #[error(
        "`{path}` has schema version {found}, this program knows up to {known}: update this \
         program, or restore a backup from before the update"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its schema.
        found: i64,
        /// The latest version that this program knows.
        known: i64,
    },
    /// The file system does not support a write-ahead log.
    #[error(
        "`{path}` cannot be used in WAL mode (its journal mode stays `{mode}`): put it on a local \
         file system"
    )]
    NoWal {
        /// The file.
        path: PathBuf,
        /// The journal mode of the database.
        mode: String,
    },
    /// Another process holds the database.
    #[error(
        "`{path}` was locked by another process for {waited:?}: end that process, or raise \
         `busy_timeout`"
    )]
    Busy {
        /// The file.
        path: PathBuf,
        /// The busy timeout.
        waited: Duration,
    },
    /// The database is damaged.
    #[error("`{path}` is damaged: restore it from a backup ({reason})")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Description of the damage.
        reason: String,
    },
    /// The disk has no space for the files of an open database.
    #[error("cannot open `{path}`, the disk is full: make room and open it again ({source})")]
    Full {
        /// The file.
        path: PathBuf,
        /// The error of SQLite.
        source: rusqlite::Error,
    },
    /// SQLite failed for another reason.
    #[error("cannot open `{path}`: {source}")]
    Failed {
        /// The file.
        path: PathBuf,
        /// The error of SQLite.
        source: rusqlite::Error,
    },
    /// The operating system refused to start a thread.
    #[error("cannot start a thread: raise this process's limit of threads ({source})")]
    Thread {
        /// The error of the operating system.
        #[from]
        source: std::io::Error,
    },
    /// Opening panicked.
    #[error("opening the database panicked: this is a bug in cqrs-sqlite, please report it")]
    Panicked,
}

/// Reasons that a read with a [`SqlReader`](crate::SqlReader) failed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The error of SQLite, or of the closure.
    #[error(transparent)]
    Failed(#[from] rusqlite::Error),
    /// The closure was not run.
    #[error(transparent)]
    Store(#[from] StoreError),
}

cqrs_core::debug_as_report!(OpenError, ReadError);

/// The error of a request while no thread makes progress.
pub(crate) fn stalled(Stalled(waited): Stalled) -> StoreError {
    StoreError::Unavailable {
        reason: format!("SQLite has not answered for {waited:?}").into(),
    }
}

/// The reason in the error of a request whose thread has ended.
pub(crate) const CLOSED: &str = "the SQLite store's threads have ended";

/// The error of such a request.
pub(crate) fn closed() -> StoreError {
    StoreError::Unavailable {
        reason: CLOSED.into(),
    }
}
