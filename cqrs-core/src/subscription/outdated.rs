use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{EventFailure, Worker};
use crate::store::{BoxFuture, Epoch, Position, ShardState, Slices, StoreError};
use crate::trace;

/// Whether this program is too old for a subscription, since an event has a newer version than it knows, or an effect
/// needs such an event. Then it leaves the subscription to processes of a newer program, as they exist in a rolling deployment: it would
/// stop the subscription for them, too, or park what they can handle.
#[derive(Default)]
pub(crate) struct Outdated(Mutex<Option<(Slices, NewerWork)>>);

/// Something that a newer program has to do.
#[derive(Clone)]
pub(crate) struct NewerWork {
    /// Position of the event to be handled, or of the one that is the cause of an effect.
    pub(crate) position: Position,
    pub(crate) error: String,
    /// `None` for an event, of which the checkpoint tells.
    pub(crate) effect: Option<Arc<dyn NewerEffect>>,
}

/// An effect of an event that was handled, such as a command to be sent.
pub(crate) trait NewerEffect: Send + Sync {
    /// Whether it is still to come.
    fn is_waiting(&self) -> BoxFuture<'_, Result<bool, StoreError>>;
}

impl From<EventFailure> for NewerWork {
    fn from(failure: EventFailure) -> Self {
        Self {
            position: failure.event.position,
            error: failure.error,
            effect: None,
        }
    }
}

impl Outdated {
    /// The error of the event, if the program is too old.
    pub(crate) fn error(&self) -> Option<String> {
        self.lock().as_ref().map(|(_, work)| work.error.clone())
    }

    pub(super) fn is_set(&self) -> bool {
        self.lock().is_some()
    }

    /// Forgets the work if it is done, or its event is in none of these shards any more: an operator has skipped it,
    /// or a newer program that is gone has handled it. Returns whether there was some.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn clear_if_done(&self, shards: &[ShardState]) -> Result<bool, StoreError> {
        let Some((slices, work)) = self.lock().clone() else {
            return Ok(false);
        };
        let is_waiting = match work.effect {
            Some(effect) => effect.is_waiting().await?,
            None => shards.iter().any(|state| {
                state.shard.slices.contains(slices.first()) && state.position() < work.position
            }),
        };
        let is_done = !shards.is_empty() && !is_waiting;
        if is_done {
            *self.lock() = None;
        }
        Ok(is_done)
    }

    fn set(&self, slices: Slices, work: NewerWork) {
        *self.lock() = Some((slices, work));
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Slices, NewerWork)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    /// Whether a coordinator claims the shard, and can leave it to another process.
    pub(super) fn has_coordinator(&self) -> bool {
        self.progress.views().view_capabilities().shards.is_some()
    }

    /// Gives up the shard, and has the coordinator claim none of the subscription, because of something that needs a
    /// newer program.
    pub(super) fn leave_to_newer(&self, work: NewerWork, epoch: Epoch) {
        let info = self.progress.info();
        trace::is_outdated(&info.subscription, work.position, &work.error);
        info.outdated.set(self.progress.shard().slices, work);
        self.lease.end(epoch);
        self.leave();
    }
}
