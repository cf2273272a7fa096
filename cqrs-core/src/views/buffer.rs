//! The views of a projection in memory: what a fold reads and changes, and what is written, is one value behind one
//! lock, so the file is over 500 lines.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};

use super::encode::{broken, decode, encode};
use super::key_filter::KeyFilter;
use super::loader::Loader;
use super::own_view::FoldTrace;
use super::{ErasedBuffer, ReadModel};
use crate::error::{Error, Result};
use crate::panic::panic_message;
use crate::store::{CommitMode, ModelSchema, Position, StoredView, ViewChange};

/// The views of one read model in memory, as the folds of a projection see and change them.
///
/// A fold that asks for a view that is not in memory is stopped; the projection loads the view and
/// runs the fold again, from the state before the event. A fold that has been stopped several times
/// runs on a thread of its own, and waits there for each view. That keeps folds free of `async`
/// with every store, and lets the changes of many events be written at once.
///
/// In a store of [`CommitMode::ByPosition`], a view may be ahead of the event that is being folded,
/// because an interrupted commit has written it. Its changes are ignored until the events have
/// caught up with it. A fold that reads it to write another view would see the future, and is
/// refused.
pub struct ViewBuffer<V> {
    schema: Arc<ModelSchema>,
    state: Mutex<BufferState<V>>,
}

/// A view that a fold is about to change.
pub(crate) enum Changeable<V> {
    Found(V),
    Missing,
    /// The view is ahead of the event. The change would be ignored, so it is not made.
    Ahead,
}

/// Two layers: the changes of the current event over the views as of the event before. A failed
/// event drops the upper layer; a successful one moves it into the lower layer.
struct BufferState<V> {
    commits: CommitMode,
    /// Views as of the last successful fold.
    folded: HashMap<String, BufferedView<V>>,
    /// Total of [`BufferedView::bytes`].
    bytes: usize,
    /// The mean size of the views that were read or written so far.
    measured: Mean,
    /// Position of the current event.
    event: Position,
    /// Changes of the current event. `None` deletes the view.
    current: HashMap<String, Option<V>>,
    /// Keys that the current fold has read with `Views::get`, if views are written one by one.
    read: HashSet<String>,
    /// Keys that the current fold has asked for with `Views::update` or `Views::upsert`, and whether
    /// there was a view, if views are written one by one.
    asked: BTreeMap<String, bool>,
    /// Answers those with the opposite: see [`FoldTrace`].
    denies: bool,
    /// The changes of the current event, while the fold runs once more to be compared.
    set_aside: HashMap<String, Option<V>>,
    /// Keys changed since the last commit, each of them in `folded`, and marked there.
    changed: Vec<String>,
    /// Keys that the current fold has asked for and that are not in memory.
    missing: HashSet<String>,
    /// The keys written since the store had no views, if it had none and nobody else writes any. Any
    /// other key has no view.
    written: Option<KeyFilter>,
    /// Set while the fold runs on a thread on which it may block.
    loader: Option<Loader>,
}

struct BufferedView<V> {
    /// `None` if there is no view under this key.
    view: Option<V>,
    /// Size of the key, and of the JSON when the view was last read or written. Until then, the
    /// mean size: encoding each view after each event would cost as much as writing it.
    bytes: usize,
    /// Position of the last event that changed the view, here or in the store.
    position: Position,
    /// Whether the store is known to have no view with this key.
    is_new: bool,
    /// Whether it was changed since the last commit.
    is_changed: bool,
}

/// The mean size of views, with their keys.
#[derive(Clone, Copy, Default)]
struct Mean {
    bytes: usize,
    views: usize,
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
            asked: BTreeMap::new(),
            denies: false,
            set_aside: HashMap::new(),
            changed: Vec::new(),
            missing: HashSet::new(),
            written: None,
            loader: None,
        };
        Self {
            schema,
            state: Mutex::new(state),
        }
    }

    /// The view, for a fold that may depend on it in any way.
    pub(crate) fn read(&self, key: &str) -> Result<Option<V>> {
        let mut state = self.lock();
        // What the fold makes of the view is not known here, so the read is recorded: see
        // `only_own_view`.
        if state.commits == CommitMode::ByPosition {
            state.read.insert(key.to_owned());
        }
        drop(state);
        self.get(key)
    }

    /// The view, for a change that depends on this view and the event alone.
    pub(crate) fn read_to_change(&self, key: &str) -> Result<Changeable<V>> {
        let view = self.get(key)?;
        let mut state = self.lock();
        // Written with this very event or a later one: the change is in the view already. A view
        // that the fold itself has set is its own, whatever the store has.
        let is_ahead = state.is_ahead(key) && !state.current.contains_key(key);
        if state.commits == CommitMode::ByPosition {
            let is_found = is_ahead || view.is_some();
            state.asked.entry(key.to_owned()).or_insert(is_found);
            if state.denies {
                return Ok(if is_found {
                    Changeable::Missing
                } else {
                    Changeable::Ahead
                });
            }
        }
        if is_ahead {
            return Ok(Changeable::Ahead);
        }
        Ok(view.map_or(Changeable::Missing, Changeable::Found))
    }

    fn get(&self, key: &str) -> Result<Option<V>> {
        let mut state = self.lock();
        if let Some(view) = state.find(key) {
            return view;
        }
        if state.was_never_written(key) {
            return Ok(None);
        }
        if let Some(loader) = state.loader.clone() {
            // The thread blocks until the view is inserted, which needs the lock.
            drop(state);
            loader.load(TypeId::of::<V>(), key);
            // If the load failed, the view is still missing, and the fold gets an error below.
            state = self.lock();
            if let Some(view) = state.find(key) {
                return view;
            }
        }
        // The fold returns this error, and runs again once the view is loaded.
        state.missing.insert(key.to_owned());
        let error = format!("view `{key}` of `{}` is being loaded", V::NAME);
        Err(Error::message(error))
    }

    pub(crate) fn set(&self, key: String, view: Option<V>) {
        self.lock().current.insert(key, view);
    }

    /// User code that runs while the lock is held (`Clone`, `Serialize`, `Drop`) leaves the maps
    /// whole when it panics, so a poisoned lock still guards consistent data.
    fn lock(&self) -> MutexGuard<'_, BufferState<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: ReadModel> BufferState<V> {
    /// The view, if it is in memory.
    fn find(&self, key: &str) -> Option<Result<Option<V>>> {
        let found = match self.current.get(key) {
            Some(current) => current,
            None => &self.folded.get(key)?.view,
        };
        let copy = catch_unwind(AssertUnwindSafe(|| found.clone()));
        Some(copy.map_err(|panic| {
            let message = panic_message(&*panic);
            broken::<V>(key, &format!("`Clone` panicked: {message}"))
        }))
    }

    /// Whether the view already has the changes of the current event or of a later one.
    fn is_ahead(&self, key: &str) -> bool {
        if self.commits == CommitMode::Atomic {
            return false;
        }
        let folded = self.folded.get(key);
        folded.is_some_and(|view| view.position >= self.event)
    }

    /// Whether there is no view in the store, and never was one.
    fn was_never_written(&self, key: &str) -> bool {
        let written = self.written.as_ref();
        written.is_some_and(|written| !written.may_have(key))
    }

    /// Forgets what the fold has read and asked for.
    fn forget_reads(&mut self) {
        self.read.clear();
        self.asked.clear();
    }

    /// Moves a change of the current event into `folded`. A view that is ahead ignores it: the store has it
    /// already, from the commit that was interrupted.
    fn keep(&mut self, key: String, view: Option<V>) {
        if self.is_ahead(&key) {
            return;
        }
        // Written with the view, so that the event is not counted again after an interrupted
        // commit.
        let position = self.event;
        let was_written = self.written.as_mut().map(|written| written.insert(&key));
        match self.folded.entry(key) {
            Entry::Vacant(entry) => {
                let key = entry.key();
                let view_bytes = view.as_ref().map(|view| self.measured.of(key, view));
                let bytes = view_bytes.unwrap_or_default();
                self.bytes += bytes;
                self.changed.push(key.clone());
                entry.insert(BufferedView {
                    view,
                    bytes,
                    position,
                    is_new: was_written == Some(false),
                    is_changed: true,
                });
            }
            Entry::Occupied(mut entry) => {
                if !entry.get().is_changed {
                    self.changed.push(entry.key().clone());
                }
                // The size of a view that was loaded stays as measured until it is written.
                if let (None, Some(view)) = (&entry.get().view, &view) {
                    let bytes = self.measured.of(entry.key(), view);
                    let before = &mut entry.get_mut().bytes;
                    self.bytes += bytes.saturating_sub(*before);
                    *before = bytes.max(*before);
                }
                let folded = entry.into_mut();
                folded.view = view;
                folded.position = position;
                folded.is_changed = true;
            }
        }
    }

    /// Takes the keys that were changed. Their views count as written from here on.
    fn take_changed(&mut self) -> Vec<String> {
        let is_atomic = self.commits == CommitMode::Atomic;
        let changed = std::mem::take(&mut self.changed);
        for key in &changed {
            if let Some(folded) = self.folded.get_mut(key) {
                folded.is_new = is_atomic && folded.view.is_none();
                folded.is_changed = false;
            }
        }
        changed
    }

    fn drop_folded(&mut self) {
        self.folded.clear();
        self.bytes = 0;
    }
}

impl Mean {
    fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.views += 1;
    }

    /// The assumed size of a view in bytes. The first view is encoded to measure it.
    fn of<V: ReadModel>(&mut self, key: &str, view: &V) -> usize {
        if self.views == 0 {
            // A view that cannot be encoded is reported when it is written.
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

    fn not_in_memory(&self, mut keys: Vec<String>) -> Vec<String> {
        let state = self.lock();
        keys.retain(|key| !state.folded.contains_key(key));
        keys
    }

    fn mean_bytes(&self) -> usize {
        let Mean { bytes, views } = self.lock().measured;
        bytes.checked_div(views).unwrap_or_default()
    }

    fn begin_empty(&self) {
        self.lock().written = Some(KeyFilter::new());
    }

    fn forget_written(&self) {
        self.lock().written = None;
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

    fn written(&self) -> Vec<String> {
        self.lock().current.keys().cloned().collect()
    }

    fn has_read_ahead(&self) -> bool {
        // Reads only: a change of a view that is ahead is ignored by `commit_fold` in any case.
        let state = self.lock();
        state.read.iter().any(|key| state.is_ahead(key))
    }

    fn trace(&self, trace: &mut FoldTrace) {
        let state = self.lock();
        let place = |key: &String| (self.schema.table.clone(), key.clone());
        let asked = state.asked.iter();
        trace
            .asked
            .extend(asked.map(|(key, is_found)| (place(key), *is_found)));
        for (key, view) in &state.current {
            if !state.asked.contains_key(key) {
                // A view that cannot be encoded is reported when it is written.
                let view = view.as_ref().map(|view| encode(key, view).ok());
                let body = view.map(|encoded| encoded.map(|(body, _)| body));
                trace.written.insert(place(key), body.flatten());
            }
        }
    }

    fn set_aside(&self) {
        let mut state = self.lock();
        state.set_aside = std::mem::take(&mut state.current);
        state.forget_reads();
        state.denies = true;
    }

    fn bring_back(&self) {
        let mut state = self.lock();
        state.current = std::mem::take(&mut state.set_aside);
        state.forget_reads();
        state.missing.clear();
        state.denies = false;
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
        // Also if there is no view: the next run must not ask for the key again.
        let buffered = BufferedView {
            // One that is written by its position leaves that behind when it is deleted.
            is_new: body.is_none() && state.commits == CommitMode::Atomic,
            is_changed: false,
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
        // Only the views of this event: the others were checked with the events that changed them.
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
        // Given back with the memory that it has.
        let mut current = std::mem::take(&mut state.current);
        for (key, view) in current.drain() {
            state.keep(key, view);
        }
        state.current = current;
        state.forget_reads();
        state.bytes
    }

    fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn discard_fold(&self) {
        let mut state = self.lock();
        state.current.clear();
        state.forget_reads();
        // The missing keys of this run are loaded by now, or their load has failed.
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
        let mut changes = Vec::with_capacity(changed.len());
        for key in &*changed {
            let mut written = None;
            let mut is_unknown = false;
            let mut changed_at = Position::START;
            if let Some(BufferedView {
                view,
                bytes,
                position,
                is_new,
                ..
            }) = folded.get_mut(key)
            {
                is_unknown = *is_new;
                changed_at = *position;
                written = view.as_ref().map(|view| encode(key, view)).transpose()?;
                // Encoding tells the exact size, which replaces the estimate.
                *total -= *bytes;
                *bytes = key.len() + written.as_ref().map_or(0, |(body, _)| body.len());
                *total += *bytes;
                if written.is_some() {
                    measured.add(*bytes);
                }
            }
            changes.push(ViewChange {
                model: self.schema.clone(),
                key: key.clone(),
                is_new: is_unknown && written.is_some(),
                view: written,
                position: changed_at,
            });
        }
        Ok(changes)
    }

    fn committed(&self, keep: usize) {
        let mut state = self.lock();
        state.take_changed();
        // None of them is dirty now, so all can be dropped and loaded again.
        if state.folded.len() > keep {
            state.drop_folded();
        }
    }

    fn begun(&self, keep: usize) {
        let mut state = self.lock();
        let changed = state.take_changed();
        if state.folded.len() <= keep {
            return;
        }
        let mut folded = std::mem::take(&mut state.folded);
        state.drop_folded();
        for key in changed {
            if let Some((key, view)) = folded.remove_entry(&key) {
                state.bytes += view.bytes;
                state.folded.insert(key, view);
            }
        }
    }

    fn reset(&self) {
        let mut state = self.lock();
        state.drop_folded();
        state.current.clear();
        state.forget_reads();
        state.set_aside.clear();
        state.denies = false;
        state.changed.clear();
        state.missing.clear();
        state.written = None;
    }
}
