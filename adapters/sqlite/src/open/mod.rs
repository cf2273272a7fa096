//! Opening a database: its connections, its identity and its schema.

mod read_only;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cqrs_core::Position;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Error, ErrorCode, MAIN_DB, OpenFlags, ffi};
use uuid::Uuid;

use crate::files::Files;
use crate::migrations::MIGRATIONS;
use crate::transaction::guard::Guard;
use crate::{OpenError, Options, Synchronous, migrations, row, sql};

/// The first version of SQLite after those that can corrupt a database in WAL mode.
const MIN_LIBRARY_VERSION: i32 = 3_051_003;

/// Number of prepared statements in the cache of a connection: all fixed ones, and several per read
/// model.
const MAX_CACHED_STATEMENTS: usize = 256;

/// The connections to a database of this framework with the latest schema.
pub(crate) struct Database {
    /// `None` if the database is opened for reading only.
    pub(crate) writer: Option<(Connection, Guard)>,
    pub(crate) readers: Vec<Connection>,
    pub(crate) files: Arc<Files>,
    pub(crate) id: Uuid,
    pub(crate) head: Position,
    pub(crate) path: PathBuf,
}

/// Access mode of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Write the database, and create it.
    Write,
    /// Read the database.
    Read,
    /// Read a database that no process can change, where SQLite cannot create its own files either.
    ReadImmutable,
}

impl Database {
    pub(crate) fn open(options: &Options, path: &Path) -> Result<Self, OpenError> {
        check_library(rusqlite::version_number(), rusqlite::version())?;
        let path = file(path)?;
        if options.read_only {
            return Self::open_read_only(options, path);
        }
        let explain = |error| explain(&path, options, error);
        let mut writer = connect(&path, Mode::Write, options).map_err(explain)?;
        let opened = Files::of(&path);
        let found = migrations::identify(&mut writer).map_err(explain)?;
        check_identity(&path, &found)?;
        enter_wal(&writer, &path, options)?;
        set_up_writer(&writer, options.synchronous).map_err(explain)?;
        if found.version < MIGRATIONS.latest() {
            migrations::migrate(&mut writer).map_err(explain)?;
            check_identity(&path, &migrations::identify(&mut writer).map_err(explain)?)?;
        }
        let id = store_id(&writer, &path).map_err(explain)??;
        let head = row::head(&writer).map_err(explain)?.position;
        let guard = Guard::install(&mut writer).map_err(explain)?;
        let readers = readers(&path, Mode::Read, options).map_err(explain)?;
        let files = Files::of(&path);
        if !files.have_same_database(&opened) {
            return Err(OpenError::Replaced { path });
        }
        Ok(Self {
            writer: Some((writer, guard)),
            readers,
            files: Arc::new(files),
            id,
            head,
            path,
        })
    }
}

/// The connections that read.
pub(crate) fn readers(
    path: &Path,
    mode: Mode,
    options: &Options,
) -> rusqlite::Result<Vec<Connection>> {
    let readers = 0..options.readers;
    readers.map(|_| connect(path, mode, options)).collect()
}

/// Opens a connection with the settings that readers and the writer share.
pub(crate) fn connect(path: &Path, mode: Mode, options: &Options) -> rusqlite::Result<Connection> {
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let access = match mode {
        Mode::Write => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        Mode::Read => read_only,
        Mode::ReadImmutable => read_only | OpenFlags::SQLITE_OPEN_URI,
    };
    // No mutex: only one thread at a time has the connection.
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = match mode {
        Mode::Write | Mode::Read => Connection::open_with_flags(path, flags)?,
        Mode::ReadImmutable => Connection::open_with_flags(immutable_uri(path), flags)?,
    };
    // SQLite silently opens a file that it may not write for reading.
    if mode == Mode::Write && conn.is_readonly(MAIN_DB)? {
        let error = ffi::Error::new(ffi::SQLITE_READONLY);
        return Err(Error::SqliteFailure(error, None));
    }
    conn.busy_handler(Some(busy_backoff(options.busy_timeout)))?;
    conn.set_prepared_statement_cache_capacity(MAX_CACHED_STATEMENTS);
    conn.pragma_update(None, "query_only", mode != Mode::Write)?;
    conn.pragma_update(None, "cache_size", -16_384)?; // KiB, of which only what is used is taken.
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "trusted_schema", false)?;
    // Without this guarantee, SQLite assumes that the plans of most reads depend on their parameters, and
    // prepares them again for each use from the cache, which takes about 40 µs.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(conn)
}

/// Waits for the lock of another process, with short pauses at first, since a commit takes about a
/// millisecond. The pauses are irregular, so that two processes do not keep colliding. Three processes
/// with 32 callers each commit three times as much as with pauses that double each time.
fn busy_backoff(limit: Duration) -> impl FnMut(i32) -> bool + Send + 'static {
    let mut since = Instant::now();
    move |tries| {
        if tries == 0 {
            since = Instant::now();
        }
        let waited = since.elapsed();
        let Some(left) = limit.checked_sub(waited).filter(|left| !left.is_zero()) else {
            return false;
        };
        let step = Duration::from_micros(u64::from(waited.subsec_nanos() % 97) + 50);
        thread::sleep(left.min(step * (1 << (tries / 8).clamp(0, 5))));
        true
    }
}

/// The path as a URI, the only way to tell SQLite that a file does not change.
fn immutable_uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri + "?immutable=1"
}

fn check_library(number: i32, version: &'static str) -> Result<(), OpenError> {
    if number < MIN_LIBRARY_VERSION {
        return Err(OpenError::Library { version });
    }
    Ok(())
}

/// The absolute path of the file. It stays valid when the process changes its directory, and SQLite
/// never takes it for a URI.
fn file(path: &Path) -> Result<PathBuf, OpenError> {
    let named = !path.as_os_str().is_empty() && path != Path::new(":memory:");
    let absolute = named.then(|| std::path::absolute(path).ok()).flatten();
    absolute.ok_or_else(|| OpenError::NoFile {
        path: path.to_owned(),
    })
}

pub(crate) fn check_identity(
    path: &Path,
    found: &migrations::FileIdentity,
) -> Result<(), OpenError> {
    let path = path.to_owned();
    match (found.application, found.version, found.tables) {
        (migrations::APPLICATION, version, _) if version > MIGRATIONS.latest() => {
            Err(OpenError::Newer {
                path,
                found: version,
                known: MIGRATIONS.latest(),
            })
        }
        (migrations::APPLICATION, ..) | (0, 0, 0) => Ok(()),
        (0, ..) => Err(OpenError::Foreign {
            path,
            what: "holds tables of another program".to_owned(),
        }),
        (id, ..) => Err(OpenError::Foreign {
            path,
            what: format!("has application id {id:#x}"),
        }),
    }
}

/// Switches to WAL mode, and waits for other processes, because SQLite calls no busy handler for that.
fn enter_wal(conn: &Connection, path: &Path, options: &Options) -> Result<(), OpenError> {
    let mut wait = busy_backoff(options.busy_timeout);
    let mut tries = 0;
    let mode: String = loop {
        match conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                if !wait(tries) {
                    return Err(explain(path, options, error));
                }
                tries += 1;
            }
            result => break result.map_err(|error| explain(path, options, error))?,
        }
    };
    if mode.eq_ignore_ascii_case("wal") {
        return Ok(());
    }
    Err(OpenError::NoWal {
        path: path.to_owned(),
        mode,
    })
}

fn set_up_writer(conn: &Connection, synchronous: Synchronous) -> rusqlite::Result<()> {
    let (level, full) = match synchronous {
        Synchronous::Full => ("FULL", true),
        Synchronous::Normal => ("NORMAL", false),
    };
    conn.pragma_update(None, "synchronous", level)?;
    // On macOS `fsync` leaves data in the drive's cache; elsewhere these do nothing.
    conn.pragma_update(None, "fullfsync", full)?;
    conn.pragma_update(None, "checkpoint_fullfsync", full)?;
    conn.pragma_update(None, "wal_autocheckpoint", 4096)?;
    // The size to which the write-ahead log shrinks after a burst, or after a long read.
    conn.pragma_update(None, "journal_size_limit", 64 << 20)?;
    // A process may have been killed between writing and syncing a commit, which recovery makes
    // visible. A checkpoint syncs the log, so from here on the commit is durable as well (I7).
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

pub(crate) fn store_id(
    conn: &Connection,
    path: &Path,
) -> rusqlite::Result<Result<Uuid, OpenError>> {
    let bytes: Vec<u8> = conn.query_row(sql::SELECT_META, ["store_id"], |row| row.get(0))?;
    Ok(Uuid::from_slice(&bytes).map_err(|_| OpenError::Corrupt {
        path: path.to_owned(),
        reason: "the store's id in the table `meta` is no UUID".to_owned(),
    }))
}

pub(crate) fn explain(path: &Path, options: &Options, source: Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Foreign {
            path,
            what: "is not an SQLite database".to_owned(),
        },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Corrupt {
            path,
            reason: source.to_string(),
        },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Busy {
            path,
            waited: options.busy_timeout,
        },
        Some(ErrorCode::ReadOnly) => OpenError::ReadOnly { path },
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            OpenError::Access { path, source }
        }
        Some(ErrorCode::DiskFull) => OpenError::Full { path, source },
        _ => OpenError::Failed { path, source },
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::testing::Directory;

    fn open(directory: &Directory) -> Result<Database, OpenError> {
        let options = Options::default().busy_timeout(Duration::from_millis(50));
        Database::open(&options, &directory.database())
    }

    fn refused(directory: &Directory) -> OpenError {
        open(directory).err().unwrap()
    }

    /// A database that another program made, with this SQL.
    fn foreign(sql: &str) -> Directory {
        let directory = Directory::new();
        let conn = Connection::open(directory.database()).unwrap();
        conn.execute_batch(sql).unwrap();
        directory
    }

    #[test]
    fn a_statement_in_the_cache_is_not_prepared_again() {
        let directory = Directory::new();
        let database = open(&directory).unwrap();
        let writer = database.writer.unwrap().0;
        let prepared = |conn: &Connection, sql| {
            let mut select = conn.prepare_cached(sql).unwrap();
            select.exists((0, 9, "a")).unwrap();
            select.get_status(StatementStatus::RePrepare)
        };
        for conn in database.readers.iter().chain([&writer]) {
            for sql in [sql::READ_TAGGED, sql::READ_TYPED] {
                // The first run may find that the schema has changed since the connection was opened.
                let first = prepared(conn, sql);
                assert_eq!(prepared(conn, sql), first, "{sql}");
            }
        }
    }

    #[test]
    fn the_library_is_one_that_does_not_corrupt() {
        assert!(check_library(rusqlite::version_number(), rusqlite::version()).is_ok());
        assert!(check_library(3_051_003, "3.51.3").is_ok());
        let old = check_library(3_051_002, "3.51.2").unwrap_err();
        assert!(old.to_string().contains("link SQLite 3.51.3 or later"));
    }

    #[test]
    fn a_newer_schema_is_refused_and_not_touched() {
        let directory = Directory::new();
        open(&directory).unwrap();
        let newer = MIGRATIONS.latest() + 1;
        let conn = Connection::open(directory.database()).unwrap();
        conn.pragma_update(None, "user_version", newer).unwrap();
        let error = refused(&directory);
        assert!(matches!(error, OpenError::Newer { found, .. } if found == newer));
        let version = conn.pragma_query_value(None, "user_version", |row| row.get(0));
        assert_eq!(version, Ok(newer));
    }

    #[test]
    fn what_belongs_to_others_is_refused() {
        let tables = foreign("CREATE TABLE t (a)");
        assert!(matches!(refused(&tables), OpenError::Foreign { .. }));
        let application = foreign("PRAGMA application_id = 7");
        assert!(matches!(refused(&application), OpenError::Foreign { .. }));
        let text = Directory::new();
        std::fs::write(text.database(), "no database ".repeat(100)).unwrap();
        assert!(matches!(refused(&text), OpenError::Foreign { .. }));
    }

    #[test]
    fn tables_of_the_user_beside_ours_are_no_foreign_ones() {
        let directory = Directory::new();
        let id = open(&directory).unwrap().id;
        let conn = Connection::open(directory.database()).unwrap();
        conn.execute_batch("CREATE TABLE t (a)").unwrap();
        assert_eq!(open(&directory).unwrap().id, id);
    }

    #[test]
    fn what_cannot_be_shared_or_made_is_refused() {
        let options = Options::default();
        for path in ["", ":memory:"] {
            let error = Database::open(&options, Path::new(path)).err().unwrap();
            assert!(matches!(error, OpenError::NoFile { .. }), "{error}");
        }
        let path = Directory::new().database();
        let error = Database::open(&options, &path).err().unwrap();
        assert!(matches!(error, OpenError::Access { .. }), "{error}");
    }

    #[test]
    fn a_database_that_is_held_is_waited_for_and_given_up() {
        let directory = foreign("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE; ROLLBACK");
        let other = Connection::open(directory.database()).unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        assert!(matches!(refused(&directory), OpenError::Busy { .. }));
        other.execute_batch("ROLLBACK").unwrap();
        open(&directory).unwrap();
    }

    #[test]
    fn many_processes_may_make_the_same_database() {
        let directory = Directory::new();
        let open = || Database::open(&Options::default(), &directory.database()).unwrap();
        let ids = thread::scope(|scope| {
            let racers: Vec<_> = (0..8).map(|_| scope.spawn(|| open().id)).collect();
            let ids = racers.into_iter().map(|racer| racer.join().unwrap());
            ids.collect::<Vec<_>>()
        });
        assert!(ids.iter().all(|id| *id == ids[0]));
    }

    #[test]
    fn readers_cannot_write() {
        let directory = Directory::new();
        let database = open(&directory).unwrap();
        for reader in &database.readers {
            assert!(reader.execute("DELETE FROM events", []).is_err());
        }
    }
}
