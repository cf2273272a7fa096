use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{EventFailure, Worker};
use crate::store::{Epoch, Position, ShardState, Slices};
use crate::trace;

/// Whether this program is too old for a subscription, since an event has a newer version than it knows. Then
/// it leaves the subscription to processes of a newer program, as they exist in a rolling deployment: it would
/// stop the subscription for them, too, or park what they can handle.
#[derive(Default)]
pub(crate) struct Outdated(Mutex<Option<NewerEvent>>);

/// An event that needs a newer program.
struct NewerEvent {
    /// Those of its shard.
    slices: Slices,
    position: Position,
    error: String,
}

impl Outdated {
    /// The error of the event, if the program is too old.
    pub(crate) fn error(&self) -> Option<String> {
        self.lock().as_ref().map(|event| event.error.clone())
    }

    pub(super) fn is_set(&self) -> bool {
        self.lock().is_some()
    }

    /// Forgets the event if it is in none of these shards any more: an operator has skipped it, or a newer
    /// program that is gone has handled it. Returns whether there was one.
    pub(super) fn clear_if_done(&self, shards: &[ShardState]) -> bool {
        let mut event = self.lock();
        let done = event.take_if(|event| {
            let mut waiting = shards.iter().filter(|state| {
                state.shard.slices.contains(event.slices.first())
                    && state.position() < event.position
            });
            !shards.is_empty() && waiting.next().is_none()
        });
        done.is_some()
    }

    fn set(&self, event: NewerEvent) {
        *self.lock() = Some(event);
    }

    fn lock(&self) -> MutexGuard<'_, Option<NewerEvent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    /// Whether a coordinator claims the shard, and can leave it to another process.
    pub(super) fn has_coordinator(&self) -> bool {
        self.progress.views().view_capabilities().shards.is_some()
    }

    /// Gives up the shard, and has the coordinator claim none of the subscription, because of an event that
    /// needs a newer program.
    pub(super) fn leave_to_newer(&self, failure: EventFailure, epoch: Epoch) {
        let info = self.progress.info();
        let position = failure.event.position;
        trace::is_outdated(&info.subscription, position, &failure.error);
        info.outdated.set(NewerEvent {
            slices: self.progress.shard().slices,
            position,
            error: failure.error,
        });
        self.lease.end(epoch);
        self.leave();
    }
}
