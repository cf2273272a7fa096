use std::fmt::Display;
use std::sync::Arc;

use super::buffer::Changeable;
use super::{ReadModel, ViewBuffer};
use crate::error::Result;

/// Write access to the views of one read model, as an input of projections.
///
/// Changes become visible together with the projection's checkpoint, or not at all. A fold may run
/// more than once for the same event; only the last run counts.
pub struct Views<V> {
    buffer: Arc<ViewBuffer<V>>,
}

impl<V: ReadModel> Views<V> {
    pub(crate) fn new(buffer: Arc<ViewBuffer<V>>) -> Self {
        Self { buffer }
    }

    /// Returns the view with this key.
    ///
    /// In a view store without transactions, a fold that reads a view this way may write only that
    /// view. With [`update`](Self::update) and [`upsert`](Self::upsert) it may change any number, as
    /// long as it does the same to each, whatever becomes of the others. See
    /// [`CommitMode::ByPosition`](crate::store::CommitMode::ByPosition).
    ///
    /// # Errors
    /// While the view is being loaded. Return the error with `?`, and the fold runs again.
    pub fn get(&self, key: &(impl Display + ?Sized)) -> Result<Option<V>> {
        self.buffer.read(&key.to_string())
    }

    /// Writes a view, whether or not its key exists.
    pub fn put(&mut self, view: V) {
        self.buffer.set(view.key().to_string(), Some(view));
    }

    /// Changes the view with this key. Returns whether there is one. In a view store without
    /// transactions, a fold that writes another view because of that fails. A fold may end with it:
    ///
    /// ```
    /// # use cqrs_core::prelude::*;
    /// # #[derive(Event, Serialize, Deserialize)]
    /// # #[event(name = "deposited", version = 1)]
    /// # struct Deposited { #[id("account")] account: u32, cents: u64 }
    /// # #[derive(ReadModel, Clone, Serialize, Deserialize)]
    /// # struct Total { #[key] account: u32, cents: u64 }
    /// # struct Totals;
    /// #[projection(name = "totals", version = 1)]
    /// impl Totals {
    ///     #[on]
    ///     fn deposited(event: &Deposited, totals: &mut Views<Total>) -> Result<bool> {
    ///         totals.update(&event.account, |total| total.cents += event.cents)
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`get`](Views::get).
    pub fn update(
        &mut self,
        key: &(impl Display + ?Sized),
        change: impl FnOnce(&mut V),
    ) -> Result<bool> {
        match self.buffer.read_to_change(&key.to_string())? {
            Changeable::Found(mut view) => {
                change(&mut view);
                self.put(view);
                Ok(true)
            }
            Changeable::Missing => Ok(false),
            // The view existed when the event was first folded, as far as can be known now.
            Changeable::Ahead => Ok(true),
        }
    }

    /// Changes the view with this key, or inserts the result of `insert` if there is none. Exactly
    /// one of the two functions runs, so the result of `insert` has to include the event.
    ///
    /// ```
    /// # use cqrs_core::prelude::*;
    /// # #[derive(ReadModel, Clone, Serialize, Deserialize)]
    /// # struct Total { #[key] account: u32, cents: u64 }
    /// # fn deposited(totals: &mut Views<Total>, account: u32, cents: u64) -> Result<()> {
    /// totals.upsert(&account, || Total { account, cents }, |total| total.cents += cents)
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`get`](Views::get).
    pub fn upsert(
        &mut self,
        key: &(impl Display + ?Sized),
        insert: impl FnOnce() -> V,
        update: impl FnOnce(&mut V),
    ) -> Result<()> {
        match self.buffer.read_to_change(&key.to_string())? {
            Changeable::Found(mut view) => {
                update(&mut view);
                self.put(view);
            }
            Changeable::Missing => self.put(insert()),
            Changeable::Ahead => {}
        }
        Ok(())
    }

    /// Deletes the view with this key, if there is one.
    pub fn delete(&mut self, key: &(impl Display + ?Sized)) {
        self.buffer.set(key.to_string(), None);
    }
}
