use std::any::Any;
use std::future::Future;

use crate::store::{Limits, Memory, Store};

/// One log under test: the database, file or server schema that a test has for itself.
///
/// ```
/// use std::sync::Arc;
/// use cqrs_core::store::Memory;
/// use cqrs_core::testing::conformance::Fixture;
///
/// struct InMemory(Memory);
///
/// impl Fixture for InMemory {
///     type Store = Memory;
///
///     async fn open(&self) -> Memory {
///         self.0.clone()
///     }
/// }
/// ```
pub trait Fixture: Send + Sync {
    /// The store.
    type Store: Store;

    /// Opens the data, which are empty the first time.
    ///
    /// A call while an earlier store is open stands for another process on the same data: it has
    /// to get its own connections and its own caches. A call after all earlier ones were dropped
    /// stands for a restart. A store that cannot do either answers with a clone.
    fn open(&self) -> impl Future<Output = Self::Store> + Send;

    /// The limits that the store checks, if they are not the usual ones.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Begins a transaction on the same database that has nothing to do with the store, and holds
    /// it open until the answer is dropped. Stores that know no foreign transactions answer
    /// nothing.
    fn foreign_transaction(&self) -> impl Future<Output = Option<Box<dyn Any + Send>>> + Send {
        std::future::ready(None)
    }
}

/// A store in memory is its own fixture.
impl Fixture for Memory {
    type Store = Self;

    async fn open(&self) -> Self {
        self.clone()
    }
}
