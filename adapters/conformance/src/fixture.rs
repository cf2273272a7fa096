use std::any::Any;
use std::future::Future;

use cqrs_core::Memory;
use cqrs_core::store::{EventLog, Store, ViewStore};

/// A log under test: a file, a schema or a server that one test has to itself.
pub trait LogFixture: Send + Sync {
    /// The log.
    type Log: EventLog;

    /// Opens the log, which is empty the first time.
    ///
    /// A call while an earlier log is open stands for another process on the same data: it needs
    /// its own connections and caches. A call after all earlier ones were dropped stands for a
    /// restart. A store that can do neither returns a clone.
    fn open_log(&self) -> impl Future<Output = Self::Log> + Send;

    /// Begins a transaction on the same database that does not involve the log, and holds it open
    /// until the returned value is dropped. Defaults to `None`, for stores without foreign
    /// transactions.
    fn foreign_transaction(&self) -> impl Future<Output = Option<Box<dyn Any + Send>>> + Send {
        std::future::ready(None)
    }
}

/// A view store under test: a file, a schema or a server that one test has to itself.
pub trait ViewFixture: Send + Sync {
    /// The view store.
    type Views: ViewStore;

    /// Opens the view store, which is empty the first time. Later calls stand for other processes
    /// and restarts; see [`LogFixture::open_log`].
    fn open_views(&self) -> impl Future<Output = Self::Views> + Send;
}

/// A store that is both a log and a view store.
///
/// ```
/// use cqrs_conformance::StoreFixture;
/// use cqrs_core::Memory;
///
/// struct InMemory(Memory);
///
/// impl StoreFixture for InMemory {
///     type Store = Memory;
///
///     async fn open(&self) -> Memory {
///         self.0.clone()
///     }
/// }
/// ```
pub trait StoreFixture: Send + Sync {
    /// The store.
    type Store: Store;

    /// Opens the store, which is empty the first time. Later calls stand for other processes and
    /// restarts; see [`LogFixture::open_log`].
    fn open(&self) -> impl Future<Output = Self::Store> + Send;

    /// As [`LogFixture::foreign_transaction`].
    fn foreign_transaction(&self) -> impl Future<Output = Option<Box<dyn Any + Send>>> + Send {
        std::future::ready(None)
    }
}

impl<F: StoreFixture> LogFixture for F {
    type Log = F::Store;

    fn open_log(&self) -> impl Future<Output = F::Store> + Send {
        self.open()
    }

    fn foreign_transaction(&self) -> impl Future<Output = Option<Box<dyn Any + Send>>> + Send {
        StoreFixture::foreign_transaction(self)
    }
}

impl<F: StoreFixture> ViewFixture for F {
    type Views = F::Store;

    fn open_views(&self) -> impl Future<Output = F::Store> + Send {
        self.open()
    }
}

/// A store in memory is its own fixture.
impl StoreFixture for Memory {
    type Store = Self;

    async fn open(&self) -> Self {
        self.clone()
    }
}
