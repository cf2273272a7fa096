use std::any::type_name;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};

use super::{CommandScope, FoldInput, FoldScope, Input, SetupScope};
use crate::error::{Error, Result};
use crate::store::{
    ErasedLogTx, ErasedTx, ErasedViewTx, LogTransaction, Transactional, ViewTransaction,
};

/// A transaction of a store. Command handlers and `#[on]` methods take it as `&mut Tx<Postgres>`.
/// Its writes commit with the events or with the checkpoint, or not at all. Derefs to a type of the
/// store for SQL.
///
/// The handler does not end the transaction. If the handler returns an error, or the append
/// conflicts, everything is rolled back.
pub struct Tx<S: Transactional>(S::Transaction);

impl<S: Transactional> Tx<S> {
    pub(crate) fn new(transaction: S::Transaction) -> Self {
        Self(transaction)
    }

    pub(crate) fn into_inner(self) -> S::Transaction {
        self.0
    }
}

impl<S: Transactional> Deref for Tx<S> {
    type Target = S::Transaction;

    fn deref(&self) -> &S::Transaction {
        &self.0
    }
}

impl<S: Transactional> DerefMut for Tx<S> {
    fn deref_mut(&mut self) -> &mut S::Transaction {
        &mut self.0
    }
}

impl<S: Transactional> fmt::Debug for Tx<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").finish_non_exhaustive()
    }
}

/// A transaction that one input of a handler at a time may borrow: an [`ErasedLogTx`] or an
/// [`ErasedViewTx`].
pub(crate) struct TxSlot<T: ?Sized>(Arc<Mutex<Box<T>>>);

impl<T: ErasedTx + ?Sized> TxSlot<T> {
    pub(crate) fn new(tx: Box<T>) -> Self {
        Self(Arc::new(Mutex::new(tx)))
    }

    /// The transaction, once the handler has ended. `None` if something still borrows it.
    pub(crate) fn into_inner(self) -> Option<Box<T>> {
        Arc::into_inner(self.0).map(Mutex::into_inner)
    }

    fn borrow<S: Transactional>(slot: Option<&Self>) -> Result<TxGuard<T, S>> {
        slot.and_then(|slot| slot.0.clone().try_lock_owned().ok())
            .and_then(|tx| OwnedMutexGuard::try_map(tx, typed).ok())
            .ok_or_else(|| {
                let store = type_name::<S>();
                Error::message(format!("there is no transaction of `{store}` to take"))
            })
    }
}

fn typed<T: ErasedTx + ?Sized, S: Transactional>(tx: &mut Box<T>) -> Option<&mut Tx<S>> {
    (**tx).as_any_mut().downcast_mut()
}

impl<T: ?Sized> Clone for TxSlot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A transaction, borrowed by a handler.
pub type TxGuard<T, S> = OwnedMappedMutexGuard<Box<T>, Tx<S>>;

/// An input that a command handler takes by `&mut`.
#[diagnostic::on_unimplemented(
    message = "a command handler cannot take `&mut {Self}`",
    label = "only `Tx` and `Writes` are taken by `&mut`",
    note = "a command handler changes nothing itself: take the state as `&{Self}` and return the \
            events that change it; read models are written by a `#[projection]`",
    note = "for SQL in the same transaction as the events, take `&mut Writes<Postgres>`, or `&mut \
            Tx<Postgres>` if the decision needs the answers; or those of another store"
)]
pub trait BorrowedMut: Sized {
    /// Owns the input while the handler runs.
    type Guard: Send;

    /// Describes the input to the wiring.
    fn describe() -> Input;

    /// Takes the owner of the input from its scope.
    ///
    /// # Errors
    /// When the handler takes the transaction twice.
    fn acquire(scope: &CommandScope<'_>) -> Result<Self::Guard>;

    /// Borrows the input for the handler.
    fn borrow(guard: &mut Self::Guard) -> &mut Self;
}

impl<S: Transactional<Transaction: LogTransaction>> BorrowedMut for Tx<S> {
    type Guard = TxGuard<dyn ErasedLogTx, S>;

    fn describe() -> Input {
        Input::transaction::<S>()
    }

    fn acquire(scope: &CommandScope<'_>) -> Result<TxGuard<dyn ErasedLogTx, S>> {
        TxSlot::borrow(scope.tx)
    }

    fn borrow(guard: &mut TxGuard<dyn ErasedLogTx, S>) -> &mut Self {
        guard
    }
}

#[diagnostic::do_not_recommend]
impl<'a, S: Transactional<Transaction: ViewTransaction>> FoldInput<'a> for &'a mut Tx<S> {
    type Guard = TxGuard<dyn ErasedViewTx, S>;

    fn describe() -> Input {
        Input::transaction::<S>()
    }

    fn acquire(scope: &FoldScope<'a>) -> Result<TxGuard<dyn ErasedViewTx, S>> {
        TxSlot::borrow(scope.tx)
    }

    fn borrow(guard: &'a mut TxGuard<dyn ErasedViewTx, S>) -> Self {
        guard
    }
}

/// An input of a `#[setup]` method.
#[diagnostic::on_unimplemented(
    message = "a `#[setup]` method cannot take `{Self}`",
    label = "not a transaction",
    note = "a `#[setup]` method takes `&mut Tx<Postgres>`, or that of another store"
)]
pub trait SetupInput<'a>: Sized {
    /// Owns the input while the method runs.
    type Guard: Send;

    /// Describes the input to the wiring.
    fn describe() -> Input;

    /// Takes the owner of the input from its scope.
    ///
    /// # Errors
    /// When the method takes the transaction twice.
    fn acquire(scope: &SetupScope<'a>) -> Result<Self::Guard>;

    /// Borrows the input for the method.
    fn borrow(guard: &'a mut Self::Guard) -> Self;
}

impl<'a, S: Transactional<Transaction: ViewTransaction>> SetupInput<'a> for &'a mut Tx<S> {
    type Guard = TxGuard<dyn ErasedViewTx, S>;

    fn describe() -> Input {
        Input::transaction::<S>()
    }

    fn acquire(scope: &SetupScope<'a>) -> Result<TxGuard<dyn ErasedViewTx, S>> {
        TxSlot::borrow(Some(scope.tx))
    }

    fn borrow(guard: &'a mut TxGuard<dyn ErasedViewTx, S>) -> Self {
        guard
    }
}
