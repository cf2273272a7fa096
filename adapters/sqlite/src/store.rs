use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use cqrs_core::store::Limits;
use tokio::sync::oneshot;

use tracing::info;

use crate::fault::Fault;
use crate::open::Database;
use crate::read::Readers;
use crate::stall::{StallDetector, Watchdog};
use crate::worker_locks::WorkerLocks;
use crate::write::Writer;
use crate::write::engine::Engine;
use crate::{OpenError, Options};
use cqrs_kit::tail::LogTail;

/// A log of events and read models in an SQLite database. Clones share it. Dropping the last clone waits
/// until accepted appends are written and the connections are closed. A [`Transaction`] and a [`SqlReader`]
/// each hold a clone.
///
/// [`Transaction`]: crate::Transaction
/// [`SqlReader`]: crate::SqlReader
#[derive(Clone)]
pub struct Sqlite {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    // Dropped in this order: the writer's connection is closed last, and the last connection moves
    // the write-ahead log into the database file.
    pub(crate) readers: Readers,
    /// `None` if the database was opened for reading only.
    pub(crate) writer: Option<Writer>,
    pub(crate) tail: LogTail,
    pub(crate) limits: Limits,
    pub(crate) worker_locks: Arc<WorkerLocks>,
    path: PathBuf,
    _watchdog: Watchdog,
}

impl Options {
    /// Opens the database, or creates it. Opening it twice in one process works, but the two do not share
    /// commits.
    ///
    /// # Errors
    /// See [`OpenError`]: each variant says what to do.
    pub async fn open(self, path: impl AsRef<Path>) -> Result<Sqlite, OpenError> {
        Sqlite::open_with(self, path.as_ref().to_owned()).await
    }
}

impl Sqlite {
    /// Opens the database, or creates it, with the default [`Options`].
    ///
    /// # Errors
    /// See [`OpenError`]: each variant says what to do.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::options().open(path).await
    }

    /// The default options, to be changed before [`Options::open`].
    pub fn options() -> Options {
        Options::default()
    }

    /// The database's file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Opens on a thread of its own, because opening waits for the disk and for other processes.
    pub(crate) async fn open_with(options: Options, path: PathBuf) -> Result<Self, OpenError> {
        let (reply, answer) = oneshot::channel();
        thread::Builder::new()
            .name("cqrs-sqlite-open".to_owned())
            .spawn(move || {
                // If the caller is gone, the store is dropped, and so closed.
                let _ = reply.send(Self::open_blocking(&options, &path));
            })?;
        let store = answer.await.unwrap_or(Err(OpenError::Panicked))?;
        info!(path = %store.path().display(), "the database is open");
        Ok(store)
    }

    fn open_blocking(options: &Options, path: &Path) -> Result<Self, OpenError> {
        let database = Database::open(options, path)?;
        let tail = LogTail::new(database.id, database.head, options.writer.window());
        let files = &database.files;
        let writing = StallDetector::new(options.stall_timeout);
        let reading = StallDetector::new(options.stall_timeout);
        let watchdog = Watchdog::start(options.stall_timeout, [writing.clone(), reading.clone()])?;
        let writer = match database.writer {
            Some((conn, guard)) => {
                let window = options.writer.window();
                let engine = Engine::new(conn, guard, files.clone(), window, tail.clone());
                Some(Writer::start(engine, writing, options.writer)?)
            }
            None => None,
        };
        let readers = Readers::start(database.readers, files, reading)?;
        let shared = Shared {
            readers,
            writer,
            tail,
            limits: options.writer.limits(),
            worker_locks: Arc::new(WorkerLocks::beside(&database.path)),
            path: database.path,
            _watchdog: watchdog,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Shared {
    pub(crate) fn writer(&self) -> Result<&Writer, Fault> {
        self.writer.as_ref().ok_or_else(|| {
            let path = self.path.display();
            Fault::read_only(format!(
                "`{path}` was opened with `read_only(true)`: open it without that to change it"
            ))
        })
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};
    use std::time::Duration;

    use cqrs_core::store::{AppendError, EventLog, EventLogExt};
    use rusqlite::Connection;

    use super::*;
    use crate::sql;
    use crate::testing::{Directory, append};

    #[tokio::test]
    async fn what_was_accepted_is_written_before_the_end() {
        let directory = Directory::new();
        let store = Sqlite::open(directory.database()).await.unwrap();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..100 {
            let mut dropped = store.append(append("a:1", b"{}"));
            // It is accepted with the first poll, and may be written by the end of it.
            let _ = dropped.as_mut().poll(&mut context);
        }
        drop(store);
        // The last connection is closed: SQLite has cleared away the write-ahead log.
        let log = directory.database().with_extension("db-wal");
        assert!(!log.exists());
        let store = Sqlite::open(directory.database()).await.unwrap();
        assert_eq!(store.head().await.unwrap().get(), 100);
        assert_eq!(store.heads().position().get(), 100);
    }

    #[tokio::test]
    async fn an_append_is_refused_when_the_queue_is_full() {
        let directory = Directory::new();
        let options = Sqlite::options()
            .queue(2)
            .busy_timeout(Duration::from_secs(60));
        let store = options.open(directory.database()).await.unwrap();
        let other = Connection::open(directory.database()).unwrap();
        other.execute_batch(sql::BEGIN_IMMEDIATE).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting = Vec::new();
        let error = loop {
            let mut future = store.append(append("a:1", b"{}"));
            match future.as_mut().poll(&mut context) {
                std::task::Poll::Ready(answer) => break answer.unwrap_err(),
                std::task::Poll::Pending => waiting.push(future),
            }
        };
        assert!(matches!(error, AppendError::Overloaded { waiting: 2 }));
        other.execute_batch(sql::ROLLBACK).unwrap();
        for future in waiting {
            future.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_read_tells_the_head_of_another_process() {
        let directory = Directory::new();
        let here = Sqlite::open(directory.database()).await.unwrap();
        let there = Sqlite::open(directory.database()).await.unwrap();
        there.append(append("a:1", b"{}")).await.unwrap();
        assert_eq!(here.heads().position().get(), 0);
        here.head().await.unwrap();
        assert_eq!(here.heads().position().get(), 1);
        assert_eq!(here.heads().log_id(), there.heads().log_id());
    }
}
