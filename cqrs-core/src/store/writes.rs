use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// A log that executes statements of command handlers in the transaction of their events. Handlers
/// record them in [`Writes<Self>`](crate::Writes).
///
/// A log passes its type to [`Capabilities::writes`](super::Capabilities::writes), and finds the
/// statements in [`Append::writes`](super::Append::writes). It commits them with the events of that
/// append, or neither, and in the order of the appends. If one fails, so does its append, and no
/// other: [`AppendError::Statement`](super::AppendError::Statement).
#[diagnostic::on_unimplemented(
    message = "`{Self}` executes no statements with its events",
    label = "not a store with SQL",
    note = "`Writes<..>` is of a store that has SQL: `Writes<Postgres>` with cqrs-postgres, \
            `Writes<Sqlite>` with cqrs-sqlite"
)]
pub trait HasWrites: Send + Sync + Sized + 'static {
    /// The type that [`Writes`](crate::Writes) derefs to.
    type Writes: RecordedWrites;
}

/// Statements that a command handler has recorded, in order. The default has none.
pub trait RecordedWrites: Default + Send + Sync + 'static {
    /// Number of statements.
    fn count(&self) -> usize;

    /// Approximate size of the statements and their parameters, in bytes.
    fn bytes(&self) -> usize;

    /// Each statement with its parameters, for tests and messages.
    fn texts(&self) -> Vec<String>;
}

/// The statements of an append. Clones share them, so an append can be attempted several times.
#[derive(Clone)]
pub struct AppendWrites(Arc<dyn ErasedWrites>);

impl AppendWrites {
    /// The statements as the log's [`HasWrites::Writes`]. `None` if they are of another log.
    pub fn get<W: RecordedWrites>(&self) -> Option<&W> {
        (&*self.0 as &dyn Any).downcast_ref()
    }

    /// See [`RecordedWrites::count`].
    pub fn count(&self) -> usize {
        self.0.count()
    }

    /// See [`RecordedWrites::bytes`].
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// See [`RecordedWrites::texts`].
    pub fn texts(&self) -> Vec<String> {
        self.0.texts()
    }
}

impl<W: RecordedWrites> From<W> for AppendWrites {
    fn from(writes: W) -> Self {
        Self(Arc::new(writes))
    }
}

impl fmt::Debug for AppendWrites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.texts()).finish()
    }
}

/// [`RecordedWrites`] without their type.
trait ErasedWrites: Any + Send + Sync {
    fn count(&self) -> usize;
    fn bytes(&self) -> usize;
    fn texts(&self) -> Vec<String>;
}

impl<W: RecordedWrites> ErasedWrites for W {
    fn count(&self) -> usize {
        RecordedWrites::count(self)
    }

    fn bytes(&self) -> usize {
        RecordedWrites::bytes(self)
    }

    fn texts(&self) -> Vec<String> {
        RecordedWrites::texts(self)
    }
}
