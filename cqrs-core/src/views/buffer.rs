use std::any::{Any, TypeId};
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ReadModel;
use super::encode::{broken, decode, encode};
use super::loader::Loader;
use crate::error::{Error, Result};
use crate::panic::panic_message;
use crate::store::{CommitMode, ModelSchema, Position, StoredView, ViewChange};

/// The views of one read model that a batch of events has touched, in memory.
///
/// A fold that asks for a view that is not here is stopped; the projection loads the view and runs
/// the fold again, from the state before the event. A fold that has been stopped several times runs
/// on a thread of its own, and waits there for each view. That keeps folds free of `async` whatever
/// the store, and lets a batch be written at once.
///
/// In a store of [`CommitMode::ByPosition`], a view may be ahead of the event that is being folded: an
/// interrupted commit has written it. Its changes are ignored until the events have caught up with it.
/// A fold that reads it to write another view would see the future, and is refused.
pub struct ViewBuffer<V> {
    schema: Arc<ModelSchema>,
    state: Mutex<BufferState<V>>,
}

/// A view that a fold is about to change.
pub(crate) enum Changeable<V> {
    Found(V),
    Missing,
    /// It is ahead of the event: the change would be ignored, and need not be possible.
    Ahead,
}

struct BufferState<V> {
    commits: CommitMode,
    /// Views as of the last fold that succeeded.
    folded: HashMap<String, BufferedView<V>>,
    /// Size of all folded views.
    bytes: usize,
    /// Of the views that were read or written so far.
    measured: Mean,
    /// The event that is being folded.
    event: Position,
    /// Its changes.
    current: HashMap<String, Option<V>>,
    /// Keys that its fold has read with `Views::get`, if views are written one by one.
    read: HashSet<String>,
    /// Keys changed since the last commit.
    changed: HashSet<String>,
    /// Keys asked for that are not here.
    missing: HashSet<String>,
    /// There while the fold may wait for a view.
    loader: Option<Loader>,
}

struct BufferedView<V> {
    /// `None` is known to be absent.
    view: Option<V>,
    /// Of its key, and of its JSON when it was last read or written. Before that, as many as others
    /// have on average: to encode each would cost as much as to write it.
    bytes: usize,
    /// The last event that changed it, or that the store has for it.
    position: Position,
}

/// The mean size of views.
#[derive(Default)]
struct Mean {
    bytes: usize,
    views: usize,
}

/// A buffer without its type.
pub(crate) trait ErasedBuffer: Send + Sync {
    /// For the typed handle that a fold takes.
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    fn schema(&self) -> &Arc<ModelSchema>;
    /// Takes the keys that the fold asked for in vain.
    fn take_missing(&self) -> Vec<String>;
    /// Takes in what the store has under a key.
    fn insert(&self, key: String, stored: &StoredView) -> Result<()>;
    /// Begins to fold an event.
    fn begin_fold(&self, event: Position);
    /// The keys that the fold has read with `Views::get`, and those that it has written. Empty if
    /// views are written at once.
    fn reads_and_writes(&self) -> (Vec<String>, Vec<String>);
    /// Whether a view that the fold has read is ahead of the event.
    fn has_read_ahead(&self) -> bool;
    /// Lets folds wait for views that this loads, or stops them with `None`.
    fn load_with(&self, loader: Option<Loader>);
    /// Whether what the current event changed can be kept.
    fn check(&self) -> Result<()>;
    /// Keeps the changes of the current event. Returns [`bytes`](Self::bytes).
    fn commit_fold(&self) -> usize;
    /// Bytes of JSON of the views in memory. One that is new since the last commit counts as much as
    /// others have on average.
    fn bytes(&self) -> usize;
    /// Drops the current event's changes.
    fn discard_fold(&self);
    /// The changes since the last commit, each key once.
    fn changes(&self) -> Result<Vec<ViewChange>>;
    /// After a commit: nothing is changed, and at most `keep` views stay in memory.
    fn committed(&self, keep: usize);
    /// Forgets everything, when another process has written.
    fn reset(&self);
}

impl<V: ReadModel> ViewBuffer<V> {
    /// An empty buffer.
    pub fn new(schema: Arc<ModelSchema>, commits: CommitMode) -> Self {
        let state = BufferState {
            commits,
            folded: HashMap::new(),
            bytes: 0,
            measured: Mean::default(),
            event: Position::START,
            current: HashMap::new(),
            read: HashSet::new(),
            changed: HashSet::new(),
            missing: HashSet::new(),
            loader: None,
        };
        Self {
            schema,
            state: Mutex::new(state),
        }
    }

    /// The view, for a fold that decides by it.
    pub(crate) fn read(&self, key: &str) -> Result<Option<V>> {
        let mut state = self.lock();
        if state.commits == CommitMode::ByPosition {
            state.read.insert(key.to_owned());
        }
        drop(state);
        self.get(key)
    }

    /// The view, for a fold that changes it by itself.
    pub(crate) fn read_to_change(&self, key: &str) -> Result<Changeable<V>> {
        let view = self.get(key)?;
        let state = self.lock();
        if state.is_ahead(key) && !state.current.contains_key(key) {
            return Ok(Changeable::Ahead);
        }
        Ok(view.map_or(Changeable::Missing, Changeable::Found))
    }

    fn get(&self, key: &str) -> Result<Option<V>> {
        let mut state = self.lock();
        if let Some(view) = state.find(key) {
            return view;
        }
        if let Some(loader) = state.loader.clone() {
            drop(state);
            loader.load(TypeId::of::<V>(), key);
            state = self.lock();
            if let Some(view) = state.find(key) {
                return view;
            }
        }
        state.missing.insert(key.to_owned());
        let error = format!("view `{key}` of `{}` is being loaded", V::NAME);
        Err(Error::message(error))
    }

    pub(crate) fn set(&self, key: String, view: Option<V>) {
        self.lock().current.insert(key, view);
    }

    /// A panic while the lock was held can only have been in a user's `Clone`; the maps are whole.
    fn lock(&self) -> MutexGuard<'_, BufferState<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: ReadModel> BufferState<V> {
    /// The view, if it is here.
    fn find(&self, key: &str) -> Option<Result<Option<V>>> {
        let folded = || Some(&self.folded.get(key)?.view);
        let found = self.current.get(key).or_else(folded)?;
        let copy = catch_unwind(AssertUnwindSafe(|| found.clone()));
        Some(copy.map_err(|panic| {
            let message = panic_message(&*panic);
            broken::<V>(key, &format!("`Clone` panicked: {message}"))
        }))
    }

    /// Whether the store has changes of a later event for this view, or of this one.
    fn is_ahead(&self, key: &str) -> bool {
        let folded = self.folded.get(key);
        self.commits == CommitMode::ByPosition
            && folded.is_some_and(|view| view.position >= self.event)
    }

    fn keep(&mut self, key: String, view: Option<V>) {
        let folded = self.folded.get(&key);
        let is_new = view.is_some() && folded.is_none_or(|folded| folded.view.is_none());
        let before = folded.map_or(0, |folded| folded.bytes);
        let bytes = match &view {
            Some(view) if is_new => before.max(self.measured.of(&key, view)),
            _ => before,
        };
        self.bytes = self.bytes - before + bytes;
        let position = self.event;
        let buffered = BufferedView {
            view,
            bytes,
            position,
        };
        self.folded.insert(key, buffered);
    }

    fn forget_folded(&mut self) {
        self.folded.clear();
        self.bytes = 0;
    }
}

impl Mean {
    fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.views += 1;
    }

    /// How many bytes a view is taken to have. The first one is encoded to find out.
    fn of<V: ReadModel>(&mut self, key: &str, view: &V) -> usize {
        if self.views == 0 {
            // One that cannot be kept is reported when it is written.
            let body = encode(key, view).map_or(0, |(body, _)| body.len());
            self.add(key.len() + body);
        }
        self.bytes / self.views
    }
}

impl<V: ReadModel> ErasedBuffer for ViewBuffer<V> {
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn schema(&self) -> &Arc<ModelSchema> {
        &self.schema
    }

    fn take_missing(&self) -> Vec<String> {
        self.lock().missing.drain().collect()
    }

    fn begin_fold(&self, event: Position) {
        self.lock().event = event;
    }

    fn reads_and_writes(&self) -> (Vec<String>, Vec<String>) {
        let state = self.lock();
        if state.commits == CommitMode::Atomic {
            return (Vec::new(), Vec::new());
        }
        let reads = state.read.iter().cloned().collect();
        let writes = state.current.keys().cloned().collect();
        (reads, writes)
    }

    fn has_read_ahead(&self) -> bool {
        let state = self.lock();
        state.read.iter().any(|key| state.is_ahead(key))
    }

    fn insert(&self, key: String, stored: &StoredView) -> Result<()> {
        let body = stored.body.as_deref();
        let view = body.map(|body| decode(&key, body)).transpose()?;
        let bytes = key.len() + body.map_or(0, <[u8]>::len);
        let position = stored.position;
        let mut state = self.lock();
        if body.is_some() {
            state.measured.add(bytes);
        }
        state.bytes += bytes;
        let buffered = BufferedView {
            view,
            bytes,
            position,
        };
        if let Some(before) = state.folded.insert(key, buffered) {
            state.bytes -= before.bytes;
        }
        Ok(())
    }

    fn load_with(&self, loader: Option<Loader>) {
        self.lock().loader = loader;
    }

    fn check(&self) -> Result<()> {
        let state = self.lock();
        let written = state
            .current
            .iter()
            .filter_map(|(key, view)| Some((key, view.as_ref()?)));
        for (key, view) in written {
            encode(key, view)?;
        }
        Ok(())
    }

    fn commit_fold(&self) -> usize {
        let mut state = self.lock();
        let current = std::mem::take(&mut state.current);
        for (key, view) in current {
            if !state.is_ahead(&key) {
                state.changed.insert(key.clone());
                state.keep(key, view);
            }
        }
        state.read.clear();
        state.bytes
    }

    fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn discard_fold(&self) {
        let mut state = self.lock();
        state.current.clear();
        state.read.clear();
        state.missing.clear();
    }

    fn changes(&self) -> Result<Vec<ViewChange>> {
        let mut state = self.lock();
        let BufferState {
            folded,
            changed,
            bytes: total,
            measured,
            ..
        } = &mut *state;
        let change = |key: &String| {
            let mut written = None;
            let mut changed_at = Position::START;
            if let Some(BufferedView {
                view,
                bytes,
                position,
            }) = folded.get_mut(key)
            {
                changed_at = *position;
                written = view.as_ref().map(|view| encode(key, view)).transpose()?;
                *total -= *bytes;
                *bytes = key.len() + written.as_ref().map_or(0, |(body, _)| body.len());
                *total += *bytes;
                if written.is_some() {
                    measured.add(*bytes);
                }
            }
            Ok(ViewChange {
                model: self.schema.clone(),
                key: key.clone(),
                view: written,
                position: changed_at,
            })
        };
        changed.iter().map(change).collect()
    }

    fn committed(&self, keep: usize) {
        let mut state = self.lock();
        state.changed.clear();
        if state.folded.len() > keep {
            state.forget_folded();
        }
    }

    fn reset(&self) {
        let mut state = self.lock();
        state.forget_folded();
        state.current.clear();
        state.read.clear();
        state.changed.clear();
        state.missing.clear();
    }
}
