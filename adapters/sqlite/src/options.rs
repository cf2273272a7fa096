use std::thread;
use std::time::Duration;

use cqrs_kit::options::WriterOptions;

/// How to open a database.
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

/// When a commit counts as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// When it is on the disk. An acknowledged append survives the loss of power.
    #[default]
    Full,
    /// When the operating system has it. Faster, and the database is never corrupted, but a loss
    /// of power (not the end of the process) may take the last appends with it, although they
    /// were acknowledged and others have acted on them. Positions are then given out again, so
    /// whatever kept them elsewhere, another database's checkpoint or a client's receipt, may be
    /// wrong: not for data that matters.
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
    /// When a commit counts as written. Defaults to [`Synchronous::Full`].
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// Number of threads that read, each on a connection of its own: 1 to 64; a value outside is
    /// replaced by the nearest. Defaults to the number of cores, 2 to 4.
    pub fn readers(mut self, count: usize) -> Self {
        self.readers = count.clamp(1, 64);
        self
    }

    /// Maximum number of appends that wait; the next one is answered `AppendError::Overloaded`. At
    /// least 1 and at most 2^24. Defaults to 4096.
    pub fn queue(mut self, appends: usize) -> Self {
        self.writer = self.writer.with_queue(appends);
        self
    }

    /// How long to wait for another process that is writing. `Duration::MAX` waits for ever.
    /// Defaults to 5 seconds.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How long a caller waits for a thread that makes no progress, as on a device that hangs.
    /// SQLite cannot be interrupted, so what was asked for may still be done: an append is answered
    /// `AppendError::Indeterminate`, and the same command id tells later; everything else is
    /// answered `StoreError::Unavailable`. Raise it above `busy_timeout`, and above the time of the
    /// longest read, a handler's own with a `ReadTx` included. `Duration::MAX` waits for ever.
    /// Defaults to 30 seconds.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.stall_timeout = timeout;
        self
    }

    /// Number of recent events whose types and tags are kept in memory, to decide appends without
    /// a look at the database. They take about 200 bytes each. 0 keeps none, `usize::MAX` all that
    /// this process sees. Defaults to 65,536.
    pub fn window(mut self, events: usize) -> Self {
        self.writer = self.writer.with_window(events);
        self
    }

    /// Maximum number of appends that are committed together. At least 1. Defaults to 1024.
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

    /// Whether the database is opened for reading only. Queries and the history are answered, also
    /// of a file, a directory or a file system that cannot be written. Commands are refused with
    /// `StoreError::ReadOnly`, and projections and reactions do not run: read models are as the
    /// process that writes has left them. The database and the read models must be there. Defaults
    /// to `false`.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }
}
