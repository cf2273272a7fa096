use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use cqrs_core::Position;
use cqrs_core::store::Limits;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use crate::open::Database;
use crate::reader::Readers;
use crate::writer::Writer;
use crate::{OpenError, Options};

/// A database with a log of events and read models. Clones share it; when the last one is
/// dropped, what was accepted is written and the connections are closed.
#[derive(Clone)]
pub struct Sqlite {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    // Dropped in this order: the writer's connection is closed last, and the last connection
    // moves the write-ahead log into the database file.
    pub(crate) readers: Readers,
    pub(crate) writer: Writer,
    pub(crate) head: watch::Sender<Position>,
    pub(crate) limits: Limits,
    pub(crate) id: Uuid,
    path: PathBuf,
}

impl Sqlite {
    /// Opens the database, or creates it, with the default [`Options`].
    ///
    /// # Errors
    /// See [`OpenError`]: each variant says what to do.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::options().open(path).await
    }

    /// How to open a database, to be changed before [`Options::open`].
    pub fn options() -> Options {
        Options::default()
    }

    /// The database's file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// On a thread of its own, because opening waits for the disk and for other processes.
    pub(crate) async fn open_with(options: Options, path: PathBuf) -> Result<Self, OpenError> {
        let (reply, answer) = oneshot::channel();
        let open = move || {
            // When the caller is gone, the store is closed again by being dropped.
            let _ = reply.send(Self::open_blocking(&options, &path));
        };
        thread::Builder::new()
            .name("cqrs-sqlite-open".to_owned())
            .spawn(open)?;
        answer.await.unwrap_or(Err(OpenError::Panicked))
    }

    fn open_blocking(options: &Options, path: &Path) -> Result<Self, OpenError> {
        let database = Database::open(options, path)?;
        let head = watch::Sender::new(database.head);
        let writer = Writer::start(database.writer, database.head, head.clone(), options)?;
        let readers = Readers::start(database.readers)?;
        let shared = Shared {
            readers,
            writer,
            head,
            limits: Limits::default(),
            id: database.id,
            path: database.path,
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
    /// Tells waiters of events that were not known here.
    pub(crate) fn announce(&self, head: Position) {
        announce(&self.head, head);
    }
}

/// Raises the known head, never lowers it.
pub(crate) fn announce(known: &watch::Sender<Position>, head: Position) {
    known.send_if_modified(|known| {
        let later = head > *known;
        *known = head.max(*known);
        later
    });
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}
