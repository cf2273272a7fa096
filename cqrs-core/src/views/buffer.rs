use std::any::{Any, TypeId};
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ReadModel;
use super::encode::{broken, decode, encode};
use super::loader::Loader;
use crate::error::{Error, Result};
use crate::panic::panic_message;
use crate::store::{ModelSchema, ViewChange};

/// The views of one read model that a batch of events has touched, in memory.
///
/// A fold that asks for a view that is not here is stopped; the projection loads the view and runs
/// the fold again, from the state before the event. A fold that has been stopped several times runs
/// on a thread of its own, and waits there for each view. That keeps folds free of `async` whatever
/// the store, and lets a batch be written at once.
pub struct ViewBuffer<V> {
    schema: Arc<ModelSchema>,
    state: Mutex<State<V>>,
}

struct State<V> {
    /// Views as of the last event that was folded whole; `None` is known to be absent.
    settled: HashMap<String, Option<V>>,
    /// Changes of the event that is being folded.
    current: HashMap<String, Option<V>>,
    /// Keys changed since the last commit.
    changed: HashSet<String>,
    /// Keys asked for that are not here.
    missing: HashSet<String>,
    /// There while the fold may wait for a view.
    loader: Option<Loader>,
}

/// A buffer without its type.
pub(crate) trait ErasedBuffer: Send + Sync {
    /// For the typed handle that a fold takes.
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    fn schema(&self) -> &Arc<ModelSchema>;
    /// Takes the keys that the fold asked for in vain.
    fn take_missing(&self) -> Vec<String>;
    /// Takes in what the store has under a key.
    fn insert(&self, key: String, body: Option<&[u8]>) -> Result<()>;
    /// Lets folds wait for views that this loads, or stops them with `None`.
    fn load_with(&self, loader: Option<Loader>);
    /// Whether what the current event changed can be kept.
    fn check(&self) -> Result<()>;
    /// Keeps the current event's changes.
    fn settle(&self);
    /// Drops the current event's changes.
    fn discard(&self);
    /// The changes since the last commit, each key once.
    fn changes(&self) -> Result<Vec<ViewChange>>;
    /// After a commit: nothing is changed, and at most `keep` views stay in memory.
    fn committed(&self, keep: usize);
    /// Forgets everything, when another process has written.
    fn reset(&self);
}

impl<V: ReadModel> ViewBuffer<V> {
    /// An empty buffer.
    pub fn new(schema: Arc<ModelSchema>) -> Self {
        let state = State {
            settled: HashMap::new(),
            current: HashMap::new(),
            changed: HashSet::new(),
            missing: HashSet::new(),
            loader: None,
        };
        Self {
            schema,
            state: Mutex::new(state),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<V>> {
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
    fn lock(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: ReadModel> State<V> {
    /// The view, if it is here.
    fn find(&self, key: &str) -> Option<Result<Option<V>>> {
        let found = self.current.get(key).or_else(|| self.settled.get(key))?;
        let copy = catch_unwind(AssertUnwindSafe(|| found.clone()));
        Some(copy.map_err(|panic| {
            let message = panic_message(&*panic);
            broken::<V>(key, &format!("`Clone` panicked: {message}"))
        }))
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

    fn insert(&self, key: String, body: Option<&[u8]>) -> Result<()> {
        let view = body.map(|body| decode(&key, body)).transpose()?;
        self.lock().settled.insert(key, view);
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

    fn settle(&self) {
        let mut state = self.lock();
        let current = std::mem::take(&mut state.current);
        for (key, view) in current {
            state.changed.insert(key.clone());
            state.settled.insert(key, view);
        }
    }

    fn discard(&self) {
        let mut state = self.lock();
        state.current.clear();
        state.missing.clear();
    }

    fn changes(&self) -> Result<Vec<ViewChange>> {
        let state = self.lock();
        let change = |key: &String| {
            let view = state.settled.get(key).and_then(Option::as_ref);
            let view = view.map(|view| encode(key, view)).transpose()?;
            Ok(ViewChange {
                model: self.schema.clone(),
                key: key.clone(),
                view,
            })
        };
        state.changed.iter().map(change).collect()
    }

    fn committed(&self, keep: usize) {
        let mut state = self.lock();
        state.changed.clear();
        if state.settled.len() > keep {
            state.settled.clear();
        }
    }

    fn reset(&self) {
        let mut state = self.lock();
        state.settled.clear();
        state.current.clear();
        state.changed.clear();
        state.missing.clear();
    }
}
