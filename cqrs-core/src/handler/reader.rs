use std::any::{TypeId, type_name};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::{Input, InputKind, QueryInput, QueryScope};
use crate::error::{Error, Result};
use crate::store::{EventLog, HasReader, ReaderSource, Transactional, ViewStore};

/// A view store's own reader, as query handlers take it: `Reader<Postgres>`. Derefs to the type that
/// the store has for what it is good at: SQL, full text, aggregations. It cannot write.
///
/// The store is one that was given to the builder with `.views(..)`, `.views_of::<V>(..)` or
/// `.store(..)`. With `.after(&receipt)`, a query whose handler takes it waits for all projections
/// that write to that store.
pub struct Reader<S: HasReader>(S::Reader);

impl<S: HasReader> Reader<S> {
    /// On this store, to call a handler as the plain function that it is.
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

/// Read access to the database that transactions are in, as query handlers take it:
/// `ReadTx<Postgres>`, beside `Tx<Postgres>`. The database itself refuses to write. Derefs to the
/// type that the store has for its SQL.
///
/// With `.after(&receipt)`, a query whose handler takes it waits for all projections that write with
/// SQL.
pub struct ReadTx<S: Transactional>(S::Reader);

impl<S: Transactional> ReadTx<S> {
    /// On this store, to call a handler as the plain function that it is.
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

/// A store that a handler names: in `Tx<S>`, `ReadTx<S>` or `Reader<S>`.
#[derive(Clone, Copy, Debug)]
pub struct StoreType {
    /// Its identity.
    pub id: TypeId,
    /// Its Rust name, as `std::any::type_name` has it.
    pub name: &'static str,
}

impl StoreType {
    fn of<S: 'static>() -> Self {
        Self {
            id: TypeId::of::<S>(),
            name: type_name::<S>(),
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
}

/// A store with a reader, of a dispatcher.
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

/// The reader of the store that the dispatcher has for this input.
fn take<S: HasReader>(scope: QueryScope<'_>, place: usize) -> Result<S::Reader> {
    let store = scope.inputs.readers.get(place).and_then(Option::as_ref);
    let readers = store.and_then(ReaderStore::readers);
    let reader = readers.and_then(|readers| readers.erased_reader().downcast().ok());
    reader.map(|reader| *reader).ok_or_else(|| {
        let store = type_name::<S>();
        Error::message(format!("no store of the dispatcher is a `{store}`"))
    })
}
