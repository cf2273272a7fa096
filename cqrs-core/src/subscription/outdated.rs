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
    /// Those to which an effect was left already. They may be as old as this one.
    left_to: BTreeSet<WorkerId>,
    /// Those that went on without the subscription after this process had left it. One that attends for it again had left
    /// it, too, so it is as old. It stays so when something is left to a process that is new.
    absent: BTreeSet<WorkerId>,
    /// Number of rosters.
    rosters: u64,
}

/// Something that a newer program has to do.
#[derive(Clone)]
pub(crate) struct NewerWork {
    /// Position of the event to be handled, or of the one that is the cause of an effect.
    pub(crate) position: Position,
    pub(crate) error: String,
    /// The key of the instance, if it is an effect of an event that was handled, such as a command to be sent. Otherwise,
    /// the checkpoint tells whether it is done.
    pub(crate) effect_of: Option<String>,
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
            effect_of: None,
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

    pub(super) fn work(&self) -> Option<NewerWork> {
        let state = self.lock();
        state.work.as_ref().map(|(_, work)| work.clone())
    }

    /// Notes the other processes that attend, and those that do for other subscriptions only, as of a roster.
    pub(super) fn note_others(&self, others: BTreeSet<WorkerId>, absent: BTreeSet<WorkerId>) {
        let mut state = self.lock();
        state.others = others;
        state.rosters += 1;
        if state.work.is_some() {
            state.absent.extend(absent);
        }
    }

    /// Whether no process attends that may be of a newer program: those that do had left the subscription themselves.
    pub(super) fn is_among_old_ones(&self) -> bool {
        let state = self.lock();
        state.others.is_subset(&state.absent)
    }

    /// Whether an event is in none of these shards any more: an operator has skipped it, or a newer program has handled it.
    /// Always for an effect, of which the shards do not tell.
    pub(super) fn is_past(&self, shards: &[ShardState]) -> bool {
        let state = self.lock();
        state.work.as_ref().is_some_and(|(slices, work)| {
            let mut waiting = shards.iter().filter(|state| {
                state.shard.slices.contains(slices.first()) && state.position() < work.position
            });
            !shards.is_empty() && (work.effect_of.is_some() || waiting.next().is_none())
        })
    }

    /// Forgets what was left.
    pub(super) fn clear(&self) {
        self.lock().work = None;
    }

    fn set(&self, slices: Slices, work: NewerWork) {
        let mut state = self.lock();
        let OutdatedState {
            others,
            left_to,
            absent,
            ..
        } = &mut *state;
        if others.is_subset(left_to) {
            // What each of them has tried is parked by the last one that is there.
            absent.clear();
        } else {
            absent.retain(|worker| others.contains(worker));
        }
        if work.effect_of.is_some() {
            left_to.extend(others.iter());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The newer process may take the shard before the other old one has to leave it once more.
    #[test]
    fn a_process_that_is_known_to_be_as_old_is_so_when_more_is_left() {
        let outdated = Outdated::default();
        let leave = || {
            let work = NewerWork {
                position: Position::new(1),
                error: String::new(),
                effect_of: Some("1".to_owned()),
            };
            outdated.set(Slices::ALL, work);
        };
        let (old, newer) = (WorkerId::new(), WorkerId::new());
        let attend = |others: &[WorkerId], absent: &[WorkerId]| {
            let [others, absent] = [others, absent].map(|all| all.iter().copied().collect());
            outdated.note_others(others, absent);
        };
        attend(&[old], &[]);
        leave();
        assert!(!outdated.is_among_old_ones());
        attend(&[], &[old]);
        attend(&[old], &[]);
        assert!(outdated.is_among_old_ones());
        outdated.clear();
        attend(&[old, newer], &[]);
        leave();
        assert!(!outdated.is_among_old_ones());
        attend(&[old], &[]);
        assert!(outdated.is_among_old_ones());
        // Each has tried it, so the other one parks it.
        outdated.clear();
        leave();
        assert!(!outdated.is_among_old_ones());
    }
}
