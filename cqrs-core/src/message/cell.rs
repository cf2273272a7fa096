use std::any::{Any, TypeId};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A static beside each command and query type, so that a dispatcher finds the handler without a
/// search. Filled once per process, by the first dispatcher with a handler for the message.
/// Everything else that a handler needs belongs to the dispatcher.
pub struct HandlerCell<F>(OnceLock<Filled<F>>);

struct Filled<F> {
    number: usize,
    /// The first handler that any dispatcher has for the message, as a pointer.
    run: F,
    /// The type of that handler.
    first: TypeId,
}

/// The place of a message's handler in a dispatcher.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CellPlace {
    /// The number of the message's type, the index of its handler in a dispatcher.
    pub(crate) number: usize,
    /// Whether the handler is the one in the cell.
    pub(crate) is_in_cell: bool,
}

impl<F: Copy + 'static> HandlerCell<F> {
    /// An empty cell.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Puts the handler `H` into the cell, if the cell is empty. `None` if `F` is not the type of
    /// the handler's pointer, which the derives rule out.
    pub(crate) fn fill<H: 'static>(&self, run: impl Copy + 'static) -> Option<CellPlace> {
        let run = cast(run)?;
        let handler = TypeId::of::<H>();
        let filled = self.0.get_or_init(|| Filled {
            number: next(),
            run,
            first: handler,
        });
        Some(CellPlace {
            number: filled.number,
            is_in_cell: filled.first == handler,
        })
    }

    /// The number of the message's type, and the handler in the cell.
    #[inline]
    pub(crate) fn get<T: Copy + 'static>(&self) -> Option<(usize, T)> {
        let filled = self.0.get()?;
        Some((filled.number, cast(filled.run)?))
    }
}

/// The same value as a `T`, if that is its type. The compiler decides it.
#[inline]
fn cast<T: Copy + 'static>(value: impl Copy + 'static) -> Option<T> {
    (&value as &dyn Any).downcast_ref().copied()
}

fn next() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
