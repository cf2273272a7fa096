use std::thread;
use std::time::Duration;

use cqrs_kit::options::WriterOptions;

/// Settings of a database.
///
/// ```no_run
/// # async fn example() -> Result<(), cqrs_sqlite::OpenError> {
/// let store = cqrs_sqlite::Sqlite::options().readers(8).open("catalog.db").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is opened until `open` is awaited"]
pub struct Options {
    pub(crate) synchronous: Synchronous,
    pub(crate) readers: usize,
    pub(crate) busy_timeout: Duration,
    pub(crate) writer: WriterOptions,
    pub(crate) read_only: bool,
    pub(crate) stall_timeout: Duration,
}

/// When a commit counts as durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// When it is on the disk. An acknowledged append survives a power failure.
    #[default]
    Full,
    /// When the operating system has it. Faster, and never corrupts the database, but a power failure
    /// (not the end of the process) may lose the last appends, although they were acknowledged and
    /// others have acted on them. Their positions are then assigned again, so positions that were kept
    /// elsewhere, such as a checkpoint in another database or a client's receipt, may be wrong. Not for
    /// data that matters.
    Normal,
}

impl Default for Options {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(2, usize::from);
        Self {
            synchronous: Synchronous::Full,
            readers: cores.clamp(2, 4),
            busy_timeout: Duration::from_secs(5),
            writer: WriterOptions::default(),
            read_only: false,
            stall_timeout: Duration::from_secs(30),
        }
    }
}

impl Options {
    /// When a commit counts as durable. Defaults to [`Synchronous::Full`].
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// Number of reading threads, each with a connection of its own. Clamped to 1 to 64. Defaults to the
    /// number of cores, but at least 2 and at most 4.
    pub fn readers(mut self, count: usize) -> Self {
        self.readers = count.clamp(1, 64);
        self
    }

    /// Maximum number of appends that wait; the next one fails with `AppendError::Overloaded`. At least 1.
    /// Defaults to 4,096.
    pub fn queue(mut self, appends: usize) -> Self {
        self.writer = self.writer.with_queue(appends);
        self
    }

    /// Maximum time to wait for another process that is writing. `Duration::MAX` waits forever. Defaults
    /// to 5 seconds.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Maximum time that a caller waits for a thread that makes no progress, as on a device that hangs.
    /// SQLite cannot be interrupted, so the request may still be carried out: an append fails with
    /// `AppendError::Indeterminate`, and sending the same command id later tells; everything else fails
    /// with `StoreError::Unavailable`. Must exceed `busy_timeout` and the duration of the longest read,
    /// including those of handlers with a `ReadTx`. `Duration::MAX` waits forever. Defaults to 30
    /// seconds.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.stall_timeout = timeout;
        self
    }

    /// Number of recent events whose types and tags are kept in memory, to decide appends without
    /// reading the database. They take about 200 bytes each. 0 keeps none, `usize::MAX` all that
    /// this process sees. Defaults to 65,536.
    pub fn window(mut self, events: usize) -> Self {
        self.writer = self.writer.with_window(events);
        self
    }

    /// Maximum number of appends that are committed together. At least 1. Defaults to 1,024.
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

    /// Whether the database is opened for reading only. Queries and the history work, also in a file, a
    /// directory or a file system that cannot be written. Commands fail with `StoreError::ReadOnly`,
    /// and projections and reactions do not run: read models stay as the writing process has left them. The database and
    /// the read models must exist. Defaults to `false`.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }
}
