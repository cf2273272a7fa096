//! The progress of a shard: what its worker reports, and what queries, health and shutdown wait for. All of it is
//! one value behind one lock, so the file is over 500 lines.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::info::SubscriptionInfo;
use super::pending_event::PendingEvent;
use super::{ShardHealth, SubscriptionState};
use crate::store::{
    Epoch, EventQuery, Halt, Incarnation, ParkedKey, Position, Shard, Slices, ViewStore,
};

/// The progress of a worker. Clones share it.
///
/// A position counts only in the [incarnation](ViewStore::view_incarnation) in which the checkpoint
/// was read or written: if the view store has lost commits since, its views are older than that.
#[derive(Clone)]
pub(crate) struct ShardProgress {
    info: Arc<SubscriptionInfo>,
    shard: Shard,
    state: watch::Sender<ProgressState>,
    /// Apart from the state, which changes with each event of the log.
    checkpoint: watch::Sender<KnownCheckpoint>,
    /// Signals that somebody waits for a position, or for the next checkpoint.
    wanted: Arc<Notify>,
    /// A receiver for each of those.
    waiters: watch::Sender<()>,
}

#[derive(Clone, PartialEq, Eq)]
struct ProgressState {
    position: Position,
    incarnation: Incarnation,
    /// The state of the worker in this process.
    status: SubscriptionState,
    /// The reason that no process handles the shard.
    halt: Option<Halt>,
    /// Number of times that this process has changed that, or read it.
    halts: u64,
    /// The reads of what another process has done.
    looks: Looks,
    /// Since when no process handles the shard, if this one observes that.
    unowned_since: Option<Instant>,
    /// Whether that is for too long.
    is_unattended: bool,
    /// Number of parked keys, as far as this process knows.
    parked: u64,
    /// Whether the worker in this process knows it best: nobody else parks keys.
    is_parked_current: bool,
    /// The next event, while it is handled or waits for another process.
    pending: Option<PendingEvent>,
    /// The epoch in which the worker of this process has last marked its position.
    marked_in: Epoch,
    /// The epoch since the checkpoint was last moved back. Positions of an earlier one are those of before.
    rewound_in: Epoch,
}

/// Reads of the stored checkpoint, by their numbers.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Looks {
    /// The last one that has begun.
    begun: u64,
    /// The last one that has succeeded.
    done: u64,
    /// The last one that may have read the checkpoint of before it was moved back.
    outdated: u64,
}

/// The time of a position that this process has read.
#[derive(Clone, Copy)]
pub(super) enum CheckpointReading {
    /// The epoch that was stored with it.
    Epoch(Epoch),
    /// The number of the look.
    Look(u64),
}

/// The stored checkpoint, as far as this process knows. The views change only when it moves.
#[derive(Clone, Copy, Default)]
struct KnownCheckpoint {
    at: Option<(Position, Incarnation)>,
    /// The hash of the parked keys. Views of a released key change without a move of the checkpoint.
    parked: u64,
    /// The epoch of the shard in the last roster, or since this process claimed it. Views that were built again come
    /// with another one, and may come without a move of the checkpoint.
    epoch: Option<Epoch>,
    /// Number of times that any of these has changed, or the worker has ended.
    moves: u64,
}

impl ShardProgress {
    pub(super) fn new(info: Arc<SubscriptionInfo>, slices: Slices) -> Self {
        let state = ProgressState {
            position: Position::START,
            incarnation: info.views.view_incarnation(),
            status: SubscriptionState::CatchingUp,
            halt: None,
            halts: 0,
            looks: Looks::default(),
            unowned_since: None,
            is_unattended: false,
            parked: 0,
            is_parked_current: false,
            pending: None,
            marked_in: Epoch::UNCLAIMED,
            rewound_in: Epoch::UNCLAIMED,
        };
        Self {
            shard: Shard {
                subscription: info.subscription.clone(),
                slices,
            },
            info,
            state: watch::Sender::new(state),
            checkpoint: watch::Sender::default(),
            wanted: Arc::default(),
            waiters: watch::Sender::default(),
        }
    }

    /// Records that everything up to `position` is done, in this epoch, and that nothing fails. The events up
    /// to `caught_up` were there when the worker began.
    pub(super) fn mark_reached(
        &self,
        (position, epoch): (Position, Epoch),
        caught_up: Position,
        incarnation: Incarnation,
    ) {
        let status = if position < caught_up {
            SubscriptionState::CatchingUp
        } else {
            SubscriptionState::Running
        };
        self.state.send_if_modified(|state| {
            state.mark_in(epoch) && state.reach(position, incarnation, status)
        });
    }

    /// Records that everything up to `position` is done, in this epoch. A failure stays reported.
    pub(super) fn mark_started(
        &self,
        (position, epoch): (Position, Epoch),
        incarnation: Incarnation,
    ) {
        self.state.send_if_modified(|state| {
            let is_marked = state.mark_in(epoch);
            if is_marked {
                state.begin_at(position, incarnation);
            }
            is_marked
        });
    }

    /// Records that the checkpoint was moved back to `position`, and that the shard was in this epoch after that.
    /// Whoever has read the checkpoint before may be about to mark where it was.
    pub(crate) fn mark_rewound(&self, position: Position, epoch: Epoch, incarnation: Incarnation) {
        self.state.send_if_modified(|state| {
            state.looks.outdated = state.looks.begun;
            // Otherwise the worker has begun there, and may be further by now.
            let is_new = state.marked_in < epoch;
            if is_new {
                state.rewound_in = epoch;
                state.begin_at(position, incarnation);
            }
            is_new
        });
    }

    /// Records whether an event waits at the position, or is about to be handled. It may wait for this long.
    pub(super) fn mark_pending(&self, is_pending: bool, patience: Duration) {
        self.state.send_if_modified(|state| {
            let after = state.position;
            let pending = is_pending.then(|| match state.pending {
                Some(known) => known.at(after),
                None => PendingEvent::new(after, patience),
            });
            state.pending = pending;
            // Nobody waits for that.
            false
        });
    }

    /// Records the position of the stored checkpoint, which was read or written in this incarnation.
    /// After the position: whoever runs a query now tells the position that is known already.
    pub(super) fn mark_checkpoint(&self, position: Position, incarnation: Incarnation) {
        self.checkpoint.send_if_modified(|known| {
            let found = Some((position, incarnation));
            let has_moved = known.at != found;
            if has_moved {
                known.at = found;
                known.moves += 1;
            }
            has_moved
        });
    }

    /// Records that this process has claimed the shard, which changes no view.
    pub(super) fn mark_claimed(&self, epoch: Epoch) {
        self.checkpoint.send_if_modified(|known| {
            known.epoch = Some(epoch);
            false
        });
    }

    /// Records the epoch of the shard, as stored.
    pub(super) fn mark_epoch(&self, epoch: Epoch) {
        self.checkpoint.send_if_modified(|known| {
            let before = known.epoch.replace(epoch);
            let is_new = before.is_some_and(|before| before != epoch);
            known.moves += u64::from(is_new);
            is_new
        });
    }

    /// Records the parked keys, as stored.
    pub(super) fn mark_parked(&self, parked: &[ParkedKey]) {
        self.mark_parked_count(parked.len() as u64);
        let mut hasher = DefaultHasher::new();
        for key in parked {
            (&key.key, key.first).hash(&mut hasher);
        }
        let found = if parked.is_empty() {
            0
        } else {
            hasher.finish()
        };
        self.checkpoint.send_if_modified(|known| {
            let is_new = known.parked != found;
            if is_new {
                known.parked = found;
                known.moves += 1;
            }
            is_new
        });
    }

    /// Records their number.
    pub(super) fn mark_parked_count(&self, count: u64) {
        self.state.send_if_modified(|state| {
            let is_new = state.parked != count;
            state.parked = count;
            is_new
        });
    }

    /// Records that no other process parks keys, and that those that were marked are all.
    pub(super) fn mark_parked_current(&self) {
        self.state.send_if_modified(|state| {
            state.is_parked_current = true;
            false
        });
    }

    /// Number of parked keys, as far as this process knows.
    pub(super) fn parked(&self) -> u64 {
        self.state.borrow().parked
    }

    /// Whether there are no parked keys, which only the process that holds the shard knows.
    pub(super) fn has_none_parked(&self) -> bool {
        let state = self.state.borrow();
        state.is_parked_current && state.parked == 0
    }

    /// Records that another process handles the events, and has done so up to `position`. Returns `false`, and
    /// does nothing, if the checkpoint may have been moved back since.
    pub(super) fn mark_standby(
        &self,
        (position, as_of): (Position, CheckpointReading),
        incarnation: Incarnation,
    ) -> bool {
        let mut is_current = false;
        self.state.send_if_modified(|state| {
            is_current = state.is_current(as_of);
            is_current && state.stand_by(position, incarnation)
        });
        is_current
    }

    /// Records that a read of the stored checkpoint begins, and returns its number.
    pub(super) fn begin_look(&self) -> u64 {
        let mut number = 0;
        self.state.send_if_modified(|state| {
            state.looks.begun += 1;
            number = state.looks.begun;
            false
        });
        number
    }

    /// Records that the position is that of a read with this number.
    pub(super) fn mark_looked(&self, number: u64) {
        self.state.send_if_modified(|state| {
            state.looks.done = number;
            // Others wait for the position.
            state.halt.is_some()
        });
    }

    /// Records that this process no longer handles the events.
    pub(super) fn mark_left(&self) {
        // In one step: the worker may move the position meanwhile, and it must not go back.
        self.state.send_if_modified(|state| {
            let position = self.position_in(state);
            state.stand_by(position, self.view_incarnation())
        });
    }

    /// Records whether a process handles the shard, as this one observes. Without one for this time,
    /// the events count as unattended.
    pub(super) fn mark_owned(&self, is_owned: bool, patience: Duration) {
        self.state.send_if_modified(|state| {
            let was_unattended = state.is_unattended;
            state.unowned_since = if is_owned {
                None
            } else {
                state.unowned_since.or_else(|| Some(Instant::now()))
            };
            state.is_unattended = state
                .unowned_since
                .is_some_and(|since| since.elapsed() >= patience);
            state.is_unattended != was_unattended
        });
    }

    /// Records that this process handles the events from now on.
    pub(super) fn mark_active(&self) {
        self.state.send_if_modified(|state| {
            let is_new = state.status == SubscriptionState::Standby;
            state.is_parked_current = false;
            if is_new {
                state.status = SubscriptionState::CatchingUp;
            }
            is_new
        });
    }

    /// Records that the event that failed is no longer in the way.
    pub(super) fn mark_recovered(&self) {
        self.state.send_if_modified(|state| {
            let is_failing = matches!(state.status, SubscriptionState::Failing { .. });
            if is_failing {
                state.status = SubscriptionState::CatchingUp;
            }
            is_failing
        });
    }

    /// Records why no process handles the shard, or that one may.
    pub(crate) fn mark_halted(&self, halt: Option<&Halt>) {
        self.state.send_if_modified(|state| state.halt_for(halt));
    }

    /// Number of calls of [`mark_halted`](Self::mark_halted).
    pub(super) fn halts(&self) -> u64 {
        self.state.borrow().halts
    }

    /// The same, as of a roster that was requested after this number of calls. Returns `false`, and does
    /// nothing, if there was another one since: the roster may be older than that.
    pub(super) fn mark_rostered(&self, halts: u64, halt: Option<&Halt>) -> bool {
        let mut is_current = false;
        self.state.send_if_modified(|state| {
            is_current = state.halts == halts;
            is_current && state.halt_for(halt)
        });
        is_current
    }

    pub(super) fn mark_failing(&self, attempts: u32, error: String) {
        self.mark_troubled(SubscriptionState::Failing { attempts, error });
    }

    /// Records that something waits for a newer program, and there is none.
    pub(super) fn mark_outdated(&self, error: String) {
        let is_handled = Some(false);
        self.mark_troubled(SubscriptionState::Outdated { error, is_handled });
    }

    fn mark_troubled(&self, status: SubscriptionState) {
        self.state.send_if_modified(|state| {
            let may_be_marked = !state.is_ended();
            if may_be_marked {
                state.status = status;
            }
            may_be_marked
        });
    }

    /// Records that the worker has ended for good. The first reason is kept.
    pub(crate) fn mark_ended(&self, reason: &str) {
        self.state.send_if_modified(|state| {
            let is_first = !state.is_ended();
            if is_first {
                let reason = reason.to_owned();
                state.status = SubscriptionState::Ended { reason };
            }
            is_first
        });
        // Whoever waits for the next move would wait forever.
        self.checkpoint.send_modify(|known| known.moves += 1);
    }

    pub(crate) fn shard(&self) -> &Shard {
        &self.shard
    }

    /// The subscription of the shard.
    pub(super) fn info(&self) -> &Arc<SubscriptionInfo> {
        &self.info
    }

    /// The events of the subscription.
    pub(super) fn query(&self) -> &EventQuery {
        &self.info.query
    }

    pub(super) fn views(&self) -> &Arc<dyn ViewStore> {
        &self.info.views
    }

    /// Waits until somebody waits for a position.
    pub(super) async fn wanted(&self) {
        while !self.is_wanted() {
            self.wanted.notified().await;
        }
    }

    /// Whether somebody waits for a position.
    pub(super) fn is_wanted(&self) -> bool {
        self.waiters.receiver_count() > 0
    }

    /// Waits until somebody waits for a position, or for the next checkpoint.
    pub(super) async fn wanted_or_watched(&self) {
        while !self.is_wanted() && !self.is_watched() {
            self.wanted.notified().await;
        }
    }

    /// Whether somebody waits for the next checkpoint.
    pub(super) fn is_watched(&self) -> bool {
        self.checkpoint.receiver_count() > 0
    }

    /// Number of times that the checkpoint has moved, as far as this process knows.
    pub(super) fn moves(&self) -> u64 {
        self.checkpoint.borrow().moves
    }

    /// Waits until the checkpoint has moved more often than that, or the worker has ended.
    pub(super) async fn moved_since(&self, moves: u64) {
        let mut checkpoint = self.checkpoint.subscribe();
        self.wanted.notify_one();
        // An error would mean that the sender is gone, but `self` has it.
        let _ = checkpoint.wait_for(|known| known.moves != moves).await;
    }

    /// Whether the worker has ended for good.
    pub(super) fn has_ended(&self) -> bool {
        self.state.borrow().is_ended()
    }

    /// The position up to which everything is done. The start of the log if the view store has lost
    /// commits, until the worker has read its checkpoint again.
    pub(crate) fn position(&self) -> Position {
        self.position_in(&self.state.borrow())
    }

    fn position_in(&self, state: &ProgressState) -> Position {
        if state.incarnation == self.view_incarnation() {
            state.position
        } else {
            Position::START
        }
    }

    /// The current incarnation of the view store.
    pub(super) fn view_incarnation(&self) -> Incarnation {
        self.info.views.view_incarnation()
    }

    /// Waits until another process handles the events, or none may.
    pub(super) async fn on_standby(&self) {
        let mut state = self.state.subscribe();
        let standby = state
            .wait_for(|state| state.status == SubscriptionState::Standby || state.halt.is_some());
        // An error would mean that the sender is gone, but `self` has it.
        let _ = standby.await;
    }

    /// Waits until the worker has ended.
    pub(crate) async fn ended(&self) {
        let mut state = self.state.subscribe();
        // An error would mean that the sender is gone, but `self` has it.
        let _ = state.wait_for(ProgressState::is_ended).await;
    }

    /// Waits until everything up to `wanted` is done, for at most `within`, and returns the incarnation
    /// of the view store in which it is. `None` if that takes longer, and earlier if the worker ends, or is
    /// halted: then, as soon as the worker has read how far the shard is.
    pub(super) async fn wait_for(&self, wanted: Position, within: Duration) -> Option<Incarnation> {
        let mut state = self.state.subscribe();
        let _waiter = self.waiters.subscribe();
        self.wanted.notify_one();
        // One that has begun already may have read what was before.
        let begun = state.borrow().looks.begun;
        let ended =
            state.wait_for(|state| self.position_in(state) >= wanted || state.is_over_since(begun));
        match tokio::time::timeout(within, ended).await {
            Ok(Ok(state)) if self.position_in(&state) >= wanted => Some(state.incarnation),
            _ => None,
        }
    }

    pub(super) fn health(&self) -> ShardHealth {
        ShardHealth {
            slices: self.shard.slices,
            position: self.position(),
            state: self.state(),
        }
    }

    /// That of the worker in this process, unless no process handles the events.
    pub(super) fn state(&self) -> SubscriptionState {
        let state = self.state.borrow();
        let outdated = self.info.outdated.work();
        let stuck_since = state.pending.and_then(PendingEvent::stuck_since);
        match (&state.halt, outdated) {
            (Some(halt), _) if !state.is_ended() => halt.into(),
            (_, Some(work)) if state.status == SubscriptionState::Standby => {
                let is_waiting = state.is_unattended || stuck_since.is_some();
                // Of an effect, the checkpoint does not tell.
                let is_past = work.effect_of.is_none() && state.position >= work.position;
                SubscriptionState::Outdated {
                    error: work.error,
                    is_handled: (is_waiting || is_past).then_some(!is_waiting),
                }
            }
            _ if state.is_unattended && state.status == SubscriptionState::Standby => {
                SubscriptionState::Unattended
            }
            _ => match stuck_since {
                Some(since) if state.status.is_ok() => SubscriptionState::Stuck { since },
                _ if state.parked > 0 && state.status.is_ok() => {
                    SubscriptionState::Parked { keys: state.parked }
                }
                _ => state.status.clone(),
            },
        }
    }
}

impl ProgressState {
    /// Whether a checkpoint counts that was read like this. If not, it may have been moved back since.
    fn is_current(&self, as_of: CheckpointReading) -> bool {
        match as_of {
            CheckpointReading::Epoch(epoch) => epoch >= self.rewound_in,
            CheckpointReading::Look(number) => number > self.looks.outdated,
        }
    }

    /// Returns whether a position counts that the worker is about to mark in this epoch.
    fn mark_in(&mut self, epoch: Epoch) -> bool {
        let is_current = self.is_current(CheckpointReading::Epoch(epoch));
        if is_current {
            self.marked_in = epoch;
        }
        is_current
    }

    fn begin_at(&mut self, position: Position, incarnation: Incarnation) {
        self.position = position;
        self.incarnation = incarnation;
        self.pending = self.pending.map(|pending| pending.at(position));
    }

    /// Another process handles the events, and has done so up to `position`. Returns whether that is new.
    fn stand_by(&mut self, position: Position, incarnation: Incarnation) -> bool {
        if self.is_ended() {
            return false;
        }
        self.is_parked_current = false;
        self.reach(position, incarnation, SubscriptionState::Standby)
    }

    /// Returns whether that is new: after a commit, the position is known already, and every query that waits would
    /// look at it again.
    fn reach(
        &mut self,
        position: Position,
        incarnation: Incarnation,
        status: SubscriptionState,
    ) -> bool {
        let is_new =
            (self.position, self.incarnation) != (position, incarnation) || self.status != status;
        // What another process handles may still wait.
        self.pending = self
            .pending
            .filter(|_| status == SubscriptionState::Standby)
            .map(|pending| pending.at(position));
        if is_new {
            self.position = position;
            self.incarnation = incarnation;
            self.status = status;
        }
        is_new
    }

    /// Returns whether the halt is a new one.
    fn halt_for(&mut self, halt: Option<&Halt>) -> bool {
        self.halts += 1;
        let is_new = self.halt.as_ref() != halt;
        if is_new {
            self.halt = halt.cloned();
        }
        is_new
    }

    fn is_ended(&self) -> bool {
        matches!(self.status, SubscriptionState::Ended { .. })
    }

    /// Whether the position stays where it is, for as long as one can tell, and was read after the look with
    /// this number had begun.
    fn is_over_since(&self, begun: u64) -> bool {
        self.is_ended() || (self.halt.is_some() && self.looks.done > begun)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::{Pin, pin};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Poll;

    use super::*;
    use crate::Timestamp;
    use crate::handler::OnFailure;
    use crate::store::{HaltKind, Memory};
    use crate::subscription::{Outdated, Progress, SubscriptionKind};

    fn info() -> SubscriptionInfo {
        SubscriptionInfo {
            name: "test",
            stored_name: "test",
            kind: SubscriptionKind::Projection,
            version: None,
            subscription: "projection:test".to_owned(),
            query: EventQuery::typed(["opened"]),
            partition: None,
            stored_partition: None,
            on_failure: OnFailure::Stop,
            views: Arc::new(Memory::new()),
            coordinator: Arc::default(),
            outdated: Outdated::default(),
        }
    }

    /// A wait that fails reads the state again, which must not be locked by then: a writer may be next.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn waits_and_changes_do_not_block_each_other() {
        let info = Arc::new(info());
        let shard = ShardProgress::new(info.clone(), Slices::ALL);
        let progress = Progress::new(info, vec![shard.clone()]);
        let changing = tokio::task::spawn_blocking(move || {
            for since in 0..20_000 {
                let halt = Halt {
                    kind: HaltKind::Paused,
                    reason: "maintenance".to_owned(),
                    since: Timestamp::from_second(since).expect("a time"),
                };
                shard.mark_halted(Some(&halt));
            }
        });
        let wanted = Position::new(1);
        while !changing.is_finished() {
            let outcome = progress.wait_for(wanted, Duration::ZERO).await;
            assert!(outcome.is_err(), "nobody works");
        }
        changing.await.expect("no panic");
    }

    /// The coordinator finds that another process has the shard, while the worker finds how far that is.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_position_does_not_go_back_when_a_shard_is_given_up() {
        let progress = ShardProgress::new(Arc::new(info()), Slices::ALL);
        let left = progress.clone();
        let is_over = Arc::new(AtomicBool::new(false));
        let leaving = tokio::task::spawn_blocking({
            let is_over = is_over.clone();
            move || {
                while !is_over.load(Ordering::SeqCst) {
                    left.mark_left();
                }
            }
        });
        let mut behind = 0;
        for position in 1..200_000 {
            let at = (
                Position::new(position),
                CheckpointReading::Look(progress.begin_look()),
            );
            progress.mark_standby(at, Incarnation::default());
            behind += u32::from(progress.position() < Position::new(position));
        }
        is_over.store(true, Ordering::SeqCst);
        leaving.await.expect("no panic");
        assert_eq!(behind, 0);
    }

    /// The worker, a look and a roster have read the checkpoint before it was moved back, and mark it after that.
    #[test]
    fn a_position_of_before_a_rewind_is_ignored() {
        let progress = ShardProgress::new(Arc::new(info()), Slices::ALL);
        let (before, to) = (Position::new(9), Position::new(3));
        let incarnation = Incarnation::default();
        let claimed = Epoch::UNCLAIMED.next();
        let rewound = claimed.next();
        progress.mark_started((before, claimed), incarnation);
        let look = CheckpointReading::Look(progress.begin_look());
        progress.mark_rewound(to, rewound, incarnation);
        progress.mark_started((before, claimed), incarnation);
        progress.mark_reached((before, claimed), before, incarnation);
        assert!(!progress.mark_standby((before, look), incarnation));
        let roster = CheckpointReading::Epoch(claimed);
        assert!(!progress.mark_standby((before, roster), incarnation));
        assert_eq!(progress.position(), to);

        // Those who have read it after that.
        let look = CheckpointReading::Look(progress.begin_look());
        assert!(progress.mark_standby((Position::new(4), look), incarnation));
        let roster = CheckpointReading::Epoch(rewound);
        assert!(progress.mark_standby((Position::new(5), roster), incarnation));
        progress.mark_started((Position::new(6), rewound), incarnation);
        assert_eq!(progress.position(), Position::new(6));
        // The worker was faster than whoever has moved it.
        progress.mark_reached((before, rewound), before, incarnation);
        progress.mark_rewound(to, rewound, incarnation);
        assert_eq!(progress.position(), before);
    }

    #[test]
    fn a_roster_from_before_a_change_is_ignored() {
        let progress = ShardProgress::new(Arc::new(info()), Slices::ALL);
        let halt = Halt {
            kind: HaltKind::Paused,
            reason: "maintenance".to_owned(),
            since: Timestamp::UNIX_EPOCH,
        };
        progress.mark_halted(Some(&halt));
        let halts = progress.halts();
        progress.mark_halted(None);
        assert!(!progress.mark_rostered(halts, Some(&halt)));
        assert_eq!(progress.state(), SubscriptionState::CatchingUp);
        assert!(progress.mark_rostered(progress.halts(), Some(&halt)));
        assert_eq!(progress.state(), SubscriptionState::from(&halt));
    }

    #[tokio::test]
    async fn a_released_key_changes_views_without_a_move_of_the_checkpoint() {
        let progress = ShardProgress::new(Arc::new(info()), Slices::ALL);
        let parked = |first| ParkedKey {
            partition: "order".to_owned(),
            key: "O1".to_owned(),
            first: Position::new(first),
            cause: "no address".to_owned(),
            since: Timestamp::UNIX_EPOCH,
            is_released: true,
        };
        for keys in [vec![parked(7)], vec![parked(8)], Vec::new()] {
            let known = progress.moves();
            progress.mark_parked(&keys);
            assert_eq!(progress.moves(), known + 1);
            progress.mark_parked(&keys);
            assert_eq!(progress.moves(), known + 1, "the same keys");
            let state = progress.state();
            let count = keys.len() as u64;
            let is_parked = state == SubscriptionState::Parked { keys: count };
            assert_eq!(is_parked, count > 0, "{state:?}");
        }
        assert!(!progress.has_none_parked(), "another process may park one");
        progress.mark_parked_current();
        assert!(progress.has_none_parked());
        progress.mark_left();
        assert!(!progress.has_none_parked());
    }

    #[tokio::test]
    async fn who_waits_for_the_checkpoint_is_woken_when_it_moves_and_counts_until_then() {
        let progress = ShardProgress::new(Arc::new(info()), Slices::ALL);
        let known = progress.moves();
        let at =
            |position| progress.mark_checkpoint(Position::new(position), Incarnation::default());
        {
            let mut moved = pin!(progress.moved_since(known));
            assert!(!progress.is_watched());
            assert!(is_pending(moved.as_mut()).await && progress.is_watched());
            at(7);
            assert!(!is_pending(moved.as_mut()).await);
        }
        assert!(!progress.is_watched() && progress.moves() > known);
        let known = progress.moves();
        at(7);
        assert_eq!(progress.moves(), known, "it is where it was");
        let mut moved = pin!(progress.moved_since(known));
        assert!(is_pending(moved.as_mut()).await);
        progress.mark_ended("the test ends");
        assert!(!is_pending(moved.as_mut()).await);
    }

    async fn is_pending(mut future: Pin<&mut impl Future<Output = ()>>) -> bool {
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
    }
}
