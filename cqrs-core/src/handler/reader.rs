use std::any::{TypeId, type_name};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::{Input, InputKind, QueryInput, QueryScope};
use crate::error::{Error, Result};
use crate::panic::short;
use crate::store::{EventLog, HasReader, ReaderSource, Transactional, ViewStore};

/// A view store's own reader, for SQL, full text or aggregations. Query handlers take it as
/// `Reader<Postgres>`. Derefs to a type of the store, and cannot write.
///
/// The store has to be given to the builder with `.views(..)`, `.views_of::<V>(..)` or
/// `.store(..)`. With `.after(&receipt)`, a query whose handler takes a `Reader` waits for all
/// projections that write to that store.
pub struct Reader<S: HasReader>(S::Reader);

impl<S: HasReader> Reader<S> {
    /// Creates a reader of this store, to call a handler as a plain function.
    pub fn new(store: &S) -> Self {
        Self(store.reader())
    }
}

impl<S: HasReader> Deref for Reader<S> {
    type Target = S::Reader;

    fn deref(&self) -> &S::Reader {
        &self.0
    }
}

impl<S: HasReader> fmt::Debug for Reader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// Read access with SQL to the database of a store's transactions. Query handlers take it as
/// `ReadTx<Postgres>`. Derefs to a type of the store; the database refuses all writes.
///
/// With `.after(&receipt)`, a query whose handler takes a `ReadTx` waits for all projections that
/// write with SQL.
pub struct ReadTx<S: Transactional>(S::Reader);

impl<S: Transactional> ReadTx<S> {
    /// Creates a reader of this store, to call a handler as a plain function.
    pub fn new(store: &S) -> Self {
        Self(store.reader())
    }
}

impl<S: Transactional> Deref for ReadTx<S> {
    type Target = S::Reader;

    fn deref(&self) -> &S::Reader {
        &self.0
    }
}

impl<S: Transactional> fmt::Debug for ReadTx<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadTx").finish_non_exhaustive()
    }
}

/// The type of a store that a handler names in `Tx<S>`, `Writes<S>`, `ReadTx<S>` or `Reader<S>`.
#[derive(Clone, Copy, Debug)]
pub struct StoreType {
    /// The type's identity.
    pub id: TypeId,
    /// The type's Rust name without its path, which need not be the public one.
    pub name: &'static str,
}

impl StoreType {
    pub(super) fn of<S: 'static>() -> Self {
        Self {
            id: TypeId::of::<S>(),
            name: short(type_name::<S>()),
        }
    }
}

impl Input {
    /// `&mut Tx<S>` or `ReadTx<S>`.
    pub fn transaction<S: Transactional>() -> Self {
        Self {
            kind: InputKind::Transaction(StoreType::of::<S>()),
        }
    }

    /// `Reader<S>`.
    pub fn reader<S: HasReader>() -> Self {
        Self {
            kind: InputKind::Reader(StoreType::of::<S>()),
        }
    }

    pub(crate) fn is_transaction(&self) -> bool {
        matches!(self.kind, InputKind::Transaction(_))
    }

    pub(crate) fn is_context(&self) -> bool {
        matches!(self.kind, InputKind::Context)
    }
}

/// A store of a dispatcher, with a reader.
#[derive(Clone)]
pub(crate) enum ReaderStore {
    Log(Arc<dyn EventLog>),
    Views(Arc<dyn ViewStore>),
}

impl ReaderStore {
    pub(crate) fn readers(&self) -> Option<&dyn ReaderSource> {
        match self {
            Self::Log(log) => log
                .capabilities()
                .transactions
                .map(|it| it as &dyn ReaderSource),
            Self::Views(views) => {
                let capabilities = views.view_capabilities();
                let transactions = capabilities.transactions;
                transactions.map(|it| it as _).or(capabilities.reader)
            }
        }
    }
}

#[diagnostic::do_not_recommend]
impl<'a, S: HasReader> QueryInput<'a> for Reader<S> {
    fn describe() -> Input {
        Input::reader::<S>()
    }

    fn take(scope: QueryScope<'a>, place: usize) -> Result<Self> {
        take::<S>(scope, place).map(Self)
    }
}

#[diagnostic::do_not_recommend]
impl<'a, S: Transactional> QueryInput<'a> for ReadTx<S> {
    fn describe() -> Input {
        Input::transaction::<S>()
    }

    fn take(scope: QueryScope<'a>, place: usize) -> Result<Self> {
        take::<S>(scope, place).map(Self)
    }
}

/// The reader of the dispatcher's store for the input at this place.
fn take<S: HasReader>(scope: QueryScope<'_>, place: usize) -> Result<S::Reader> {
    let store = scope.inputs.readers.get(place).and_then(Option::as_ref);
    let readers = store.and_then(ReaderStore::readers);
    let reader = readers.and_then(|readers| readers.erased_reader().downcast().ok());
    reader.map(|reader| *reader).ok_or_else(|| {
        let store = type_name::<S>();
        Error::message(format!("no store of the dispatcher is a `{store}`"))
    })
}
