use std::fmt;
use std::mem::take;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{BorrowedMut, CommandScope, Input, InputKind, StoreType};
use crate::error::{Error, Result};
use crate::store::{AppendWrites, HasWrites, RecordedWrites};

/// Statements that a command handler records, to be executed with its events. Command handlers take
/// it as `&mut Writes<Postgres>`. Derefs to a type of the store.
///
/// The statements are executed in the transaction that appends the events, which they share with
/// other commands, in the order in which they were recorded. They commit with the events, or not at
/// all: if one fails, nothing of its command is recorded, and the command fails with
/// [`AppendError::Statement`](crate::store::AppendError::Statement). If the handler returns an
/// error, or decides again after a conflict, they are discarded. A handler that needs the answer to
/// a statement takes [`Tx`](crate::Tx), which is slower.
pub struct Writes<S: HasWrites>(S::Writes);

impl<S: HasWrites> Writes<S> {
    /// Creates an empty list, to call a handler as a plain function.
    pub fn new() -> Self {
        Self(S::Writes::default())
    }
}

impl<S: HasWrites> Default for Writes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: HasWrites> Deref for Writes<S> {
    type Target = S::Writes;

    fn deref(&self) -> &S::Writes {
        &self.0
    }
}

impl<S: HasWrites> DerefMut for Writes<S> {
    fn deref_mut(&mut self) -> &mut S::Writes {
        &mut self.0
    }
}

impl<S: HasWrites> fmt::Debug for Writes<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.texts()).finish()
    }
}

/// Receives the statements of one attempt of a handler.
#[derive(Clone, Default)]
pub(crate) struct WritesSlot(Arc<Mutex<Option<AppendWrites>>>);

impl WritesSlot {
    /// The statements, once the handler has ended. `None` if it recorded none.
    pub(crate) fn take(&self) -> Option<AppendWrites> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<AppendWrites>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The statements, while the handler has them. On drop, they go into the slot.
pub struct WritesGuard<S: HasWrites> {
    writes: Writes<S>,
    slot: WritesSlot,
}

impl<S: HasWrites> Drop for WritesGuard<S> {
    fn drop(&mut self) {
        if self.writes.count() > 0 {
            *self.slot.lock() = Some(take(&mut self.writes.0).into());
        }
    }
}

impl<S: HasWrites> BorrowedMut for Writes<S> {
    type Guard = WritesGuard<S>;

    fn describe() -> Input {
        Input::writes::<S>()
    }

    fn acquire(scope: &CommandScope<'_>) -> Result<WritesGuard<S>> {
        let slot = scope.writes.cloned();
        Ok(WritesGuard {
            writes: Self::new(),
            slot: slot.ok_or_else(|| Error::message("there is no list of statements to take"))?,
        })
    }

    fn borrow(guard: &mut WritesGuard<S>) -> &mut Self {
        &mut guard.writes
    }
}

impl Input {
    /// `&mut Writes<S>`.
    pub fn writes<S: HasWrites>() -> Self {
        Self {
            kind: InputKind::Writes(StoreType::of::<S>()),
        }
    }

    pub(crate) fn is_writes(&self) -> bool {
        matches!(self.kind, InputKind::Writes(_))
    }
}
