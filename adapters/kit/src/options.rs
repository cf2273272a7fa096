//! The settings of a writer.

use cqrs_core::store::Limits;
use tokio::sync::Semaphore;

/// Settings of a writer, with their defaults and bounds. The options of a store offer them under their
/// own names, with documentation for users of that store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterOptions {
    queue: usize,
    window: usize,
    max_batch: usize,
    max_append: usize,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            queue: 4096,
            window: 65_536,
            max_batch: 1024,
            max_append: Limits::default().append,
        }
    }
}

impl WriterOptions {
    /// Maximum number of waiting appends. Clamped to between 1 and the capacity of a channel. Defaults to
    /// 4,096.
    #[must_use]
    pub fn with_queue(self, appends: usize) -> Self {
        Self {
            queue: appends.clamp(1, Semaphore::MAX_PERMITS),
            ..self
        }
    }

    /// Number of recent events with types and tags in memory. Defaults to 65,536.
    #[must_use]
    pub fn with_window(self, events: usize) -> Self {
        Self {
            window: events,
            ..self
        }
    }

    /// Maximum number of appends in a batch. At least 1. Defaults to 1,024.
    #[must_use]
    pub fn with_max_batch(self, appends: usize) -> Self {
        Self {
            max_batch: appends.max(1),
            ..self
        }
    }

    /// Maximum size in bytes of the events and states of one append. Defaults to 64 MiB.
    #[must_use]
    pub fn with_max_append(self, bytes: usize) -> Self {
        Self {
            max_append: bytes,
            ..self
        }
    }

    /// See [`with_queue`](Self::with_queue).
    pub fn queue(self) -> usize {
        self.queue
    }

    /// See [`with_window`](Self::with_window).
    pub fn window(self) -> usize {
        self.window
    }

    /// See [`with_max_batch`](Self::with_max_batch).
    pub fn max_batch(self) -> usize {
        self.max_batch
    }

    /// The default limits of appends, with [`with_max_append`](Self::with_max_append).
    pub fn limits(self) -> Limits {
        Limits {
            append: self.max_append,
            ..Limits::default()
        }
    }
}
