use std::any::Any;
use std::sync::Arc;

use super::FoldTrace;
use super::loader::Loader;
use crate::error::Result;
use crate::store::{ModelSchema, Position, StoredView, ViewChange};

/// A [`ViewBuffer`](super::ViewBuffer) without its type.
pub(crate) trait ErasedBuffer: Send + Sync {
    /// The buffer, for the typed handle that a fold takes.
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    fn schema(&self) -> &Arc<ModelSchema>;
    /// Takes the keys that the fold has missed.
    fn take_missing(&self) -> Vec<String>;
    /// Those of these keys that are not in memory.
    fn not_in_memory(&self, keys: Vec<String>) -> Vec<String>;
    /// The mean size of views in bytes. 0 as long as none was read or written.
    fn mean_bytes(&self) -> usize;
    /// Begins with a store that has no views, and that nobody else writes to: nothing has to be loaded
    /// but what was written here.
    fn begin_empty(&self);
    /// Forgets which keys were written since then: each view that is not in memory is loaded.
    fn forget_written(&self);
    /// Adds a loaded view, or the fact that the store has none under this key.
    fn insert(&self, key: String, stored: &StoredView) -> Result<()>;
    /// Begins to fold the event at this position.
    fn begin_fold(&self, event: Position);
    /// The keys that the fold has read with `Views::get`, and those that it has written. Empty if
    /// views are written at once.
    fn reads_and_writes(&self) -> (Vec<String>, Vec<String>);
    /// The keys that the fold has written.
    fn written(&self) -> Vec<String>;
    /// Whether the fold has read a view that is ahead of the event.
    fn has_read_ahead(&self) -> bool;
    /// Adds what the fold has asked for and written.
    fn trace(&self, trace: &mut FoldTrace);
    /// Sets the changes of the current event aside. Until they are brought back, the fold is told
    /// the opposite of whether there is a view to change.
    fn set_aside(&self);
    /// Brings the changes back, in place of what the fold has written since.
    fn bring_back(&self);
    /// Lets folds block until the loader has loaded a view. With `None`, a missing view is an
    /// error.
    fn load_with(&self, loader: Option<Loader>);
    /// Checks that the changes of the current event can be written.
    fn check(&self) -> Result<()>;
    /// Keeps the changes of the current event. Returns [`bytes`](Self::bytes).
    fn commit_fold(&self) -> usize;
    /// Size of the views in memory, in bytes of JSON. A view that is new since the last commit
    /// counts with the mean size.
    fn bytes(&self) -> usize;
    /// Drops the changes of the current event.
    fn discard_fold(&self);
    /// The changes since the last commit, one per key.
    fn changes(&self) -> Result<Vec<ViewChange>>;
    /// Records that the changes are written. At most `keep` views stay in memory.
    fn committed(&self, keep: usize);
    /// Records that the changes are being written, and all before them are written. At most `keep` views
    /// stay in memory, or else those that are being written.
    fn begun(&self, keep: usize);
    /// Drops all views and changes.
    fn reset(&self);
}
