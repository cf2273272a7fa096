use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{EventFailure, HeldCheckpoint, Worker};
use crate::store::{Epoch, Position, ShardState, Slices, WorkerId};
use crate::trace;

/// Whether this program is too old for a subscription, since an event has a newer version than it knows, or an effect
/// needs such an event. Then it leaves the subscription to processes of a newer program, as they exist in a rolling
/// deployment: it would stop the subscription for them, too, or park what they can handle.
#[derive(Default)]
pub(crate) struct Outdated(Mutex<OutdatedState>);

#[derive(Default)]
struct OutdatedState {
    /// What was left, with the slices of its shard.
    work: Option<(Slices, NewerWork)>,
    /// The other processes that attend for the subscription, as of the last roster.
    others: BTreeSet<WorkerId>,
    /// Those of them to which an effect was left already. They may be as old as this one.
    left_to: BTreeSet<WorkerId>,
    /// Number of rosters.
    rosters: u64,
}

/// Something that a newer program has to do.
#[derive(Clone)]
pub(crate) struct NewerWork {
    /// Position of the event to be handled, or of the one that is the cause of an effect.
    pub(crate) position: Position,
    pub(crate) error: String,
    /// Whether it is an effect of an event that was handled, such as a command to be sent. Otherwise, the checkpoint tells
    /// whether it is done.
    pub(crate) is_effect: bool,
}

/// The processes besides this one that attend for a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OtherProcesses {
    None,
    /// Effects were left to each of them already.
    Tried,
    /// One of them may be of a newer program.
    New,
}

impl From<EventFailure> for NewerWork {
    fn from(failure: EventFailure) -> Self {
        Self {
            position: failure.event.position,
            error: failure.error,
            is_effect: false,
        }
    }
}

impl Outdated {
    /// The error of the event, if the program is too old.
    pub(crate) fn error(&self) -> Option<String> {
        let state = self.lock();
        state.work.as_ref().map(|(_, work)| work.error.clone())
    }

    pub(super) fn is_set(&self) -> bool {
        self.lock().work.is_some()
    }

    /// Notes the other processes that attend, as of a roster.
    pub(super) fn note_others(&self, others: BTreeSet<WorkerId>) {
        let mut state = self.lock();
        state.others = others;
        state.rosters += 1;
    }

    /// Once nobody else attends, forgets an effect, which then fails for its instance alone, and an event that is in none
    /// of these shards any more: an operator has skipped it, or a newer program that is gone has handled it. Returns
    /// whether there was one.
    pub(super) fn clear_if_done(&self, shards: &[ShardState]) -> bool {
        let mut state = self.lock();
        let is_done = state.work.as_ref().is_some_and(|(slices, work)| {
            let mut waiting = shards.iter().filter(|state| {
                state.shard.slices.contains(slices.first()) && state.position() < work.position
            });
            !shards.is_empty() && (work.is_effect || waiting.next().is_none())
        });
        if is_done {
            state.work = None;
        }
        is_done
    }

    fn set(&self, slices: Slices, work: NewerWork) {
        let mut state = self.lock();
        if work.is_effect {
            let OutdatedState {
                others, left_to, ..
            } = &mut *state;
            left_to.clone_from(others);
        }
        state.work = Some((slices, work));
    }

    fn others(&self) -> OtherProcesses {
        let state = self.lock();
        if state.others.is_empty() {
            OtherProcesses::None
        } else if state.others.is_subset(&state.left_to) {
            OtherProcesses::Tried
        } else {
            OtherProcesses::New
        }
    }

    fn lock(&self) -> MutexGuard<'_, OutdatedState> {
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

impl HeldCheckpoint {
    /// The other processes that attend for the subscription.
    pub(crate) fn others(&self) -> OtherProcesses {
        self.progress.info().outdated.others()
    }

    /// Has the coordinator look for other processes. Returns the number of its looks so far, the last of which may not
    /// have ended when the one before was counted.
    pub(crate) fn look_for_others(&self) -> u64 {
        let info = self.progress.info();
        info.coordinator.notify_one();
        info.outdated.lock().rosters
    }
}
