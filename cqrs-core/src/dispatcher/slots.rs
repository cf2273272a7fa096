use std::any::Any;
use std::collections::HashMap;

use crate::error::Unknown;
use crate::message::{CellPlace, HandlerCell};
use crate::report::nearest;

/// The handlers of a dispatcher, by the number of their message's type and by its name.
pub(crate) struct Slots<S> {
    by_number: Vec<NumberedSlot<S>>,
    numbers: HashMap<&'static str, usize>,
}

// A tag of its own is read faster than one in the unused values of a field.
#[repr(u8)]
enum NumberedSlot<S> {
    /// The handler is the one in the message's cell.
    InCell(S),
    /// The handler is this pointer, without its type.
    Other(S, Box<dyn Any + Send + Sync>),
    /// The dispatcher has no handler for the type with this number.
    Empty,
}

impl<S> NumberedSlot<S> {
    fn filled(&self) -> Option<&S> {
        match self {
            Self::InCell(slot) | Self::Other(slot, _) => Some(slot),
            Self::Empty => None,
        }
    }
}

/// A handler for a slot.
pub(super) struct NewSlot<S> {
    pub(super) message: &'static str,
    pub(super) place: CellPlace,
    /// The handler as a pointer, without its type.
    pub(super) run: Box<dyn Any + Send + Sync>,
    pub(super) slot: S,
}

impl<S> Slots<S> {
    /// The handler of the cell's message, as a pointer of type `T`.
    #[inline]
    pub(super) fn get<F: Copy + 'static, T: Copy + 'static>(
        &self,
        cell: &HandlerCell<F>,
    ) -> Option<(T, &S)> {
        let (number, run) = cell.get()?;
        match self.by_number.get(number)? {
            NumberedSlot::InCell(slot) => Some((run, slot)),
            NumberedSlot::Other(slot, run) => Some((cast(&**run)?, slot)),
            NumberedSlot::Empty => None,
        }
    }

    /// The handler of the message with this name. `kind` is `command` or `query`.
    ///
    /// # Errors
    /// [`Unknown`] if there is none, with the most similar name.
    pub(super) fn named(&self, kind: &'static str, name: &str) -> Result<&S, Unknown> {
        let number = self.numbers.get(name);
        let slot = number.and_then(|number| self.by_number.get(*number)?.filled());
        slot.ok_or_else(|| Unknown::new(kind, name, self.numbers.keys().copied()))
    }
}

impl<S> FromIterator<NewSlot<S>> for Slots<S> {
    fn from_iter<I: IntoIterator<Item = NewSlot<S>>>(slots: I) -> Self {
        let mut by_number = Vec::new();
        let mut numbers = HashMap::new();
        for NewSlot {
            message,
            place: CellPlace { number, is_in_cell },
            run,
            slot,
        } in slots
        {
            if by_number.len() <= number {
                by_number.resize_with(number + 1, || NumberedSlot::Empty);
            }
            by_number[number] = if is_in_cell {
                NumberedSlot::InCell(slot)
            } else {
                NumberedSlot::Other(slot, run)
            };
            numbers.insert(message, number);
        }
        Self { by_number, numbers }
    }
}

/// The pointer of a handler that is not in its message's cell, which is rare: two dispatchers of one
/// process have different handlers for the message.
#[cold]
fn cast<T: Copy + 'static>(run: &(dyn Any + Send + Sync)) -> Option<T> {
    run.downcast_ref().copied()
}

impl Unknown {
    /// The error about a name that is none of the known ones.
    pub(super) fn new(
        kind: &'static str,
        name: &str,
        known: impl Iterator<Item = &'static str>,
    ) -> Self {
        Self {
            kind,
            // The name comes from a caller, and may have any length.
            name: name.chars().take(80).collect(),
            suggestion: nearest(known, name),
        }
    }
}
