use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::info::SubscriptionInfo;
use super::worker::SHUT_DOWN;
use super::{Partition, ShardProgress, SubscriptionHealth, SubscriptionKind, SubscriptionState};
use crate::error::{NotCaughtUp, RebuildProgress};
use crate::handler::OnFailure;
use crate::store::{EventQuery, Incarnation, Position, ShardState, Slices, TagSlices, ViewStore};

/// The progress of a projection or reaction, which queries, health and shutdown read: that of all its
/// shards. Clones share it.
#[derive(Clone)]
pub(crate) struct Progress {
    info: Arc<SubscriptionInfo>,
    shards: watch::Sender<KnownShards>,
    /// While the version of the projection does not answer queries.
    build: watch::Sender<Option<Build>>,
}

/// A version of a projection that has not been live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Build {
    pub(crate) progress: RebuildProgress,
    /// Whether it is complete, and does not become live by itself: it is held, or has parked ids.
    pub(crate) is_held: bool,
    /// Number of parked ids, once it is complete.
    pub(crate) parked: u64,
}

/// The shards that this process knows.
#[derive(Clone)]
struct KnownShards {
    /// In the order of their slices. Others, after a division.
    all: Arc<[ShardProgress]>,
    /// Number of moves of checkpoints before the last division.
    moves: u64,
}

impl KnownShards {
    /// Number of moves of checkpoints, and of divisions.
    fn moves(&self) -> u64 {
        self.moves + self.all.iter().map(ShardProgress::moves).sum::<u64>()
    }
}

impl Progress {
    pub(super) fn new(info: Arc<SubscriptionInfo>, shards: Vec<ShardProgress>) -> Self {
        Self {
            info,
            shards: watch::Sender::new(KnownShards {
                all: shards.into(),
                moves: 0,
            }),
            build: watch::Sender::new(None),
        }
    }

    /// Records how far the version of the projection is, or that it answers queries.
    pub(crate) fn mark_build(&self, build: Option<Build>) {
        self.build.send_replace(build);
    }

    /// How far the version of the projection is, while it does not answer queries.
    pub(crate) fn build(&self) -> Option<Build> {
        *self.build.borrow()
    }

    /// The same, as it changes.
    pub(crate) fn builds(&self) -> watch::Receiver<Option<Build>> {
        self.build.subscribe()
    }

    /// Name of the projection or reaction.
    pub(crate) fn name(&self) -> &'static str {
        self.info.name
    }

    /// The same in the store.
    pub(crate) fn stored_name(&self) -> &'static str {
        self.info.stored_name
    }

    pub(crate) fn kind(&self) -> SubscriptionKind {
        self.info.kind
    }

    /// Name of the subscription in the store.
    pub(crate) fn subscription(&self) -> &str {
        &self.info.subscription
    }

    /// The name of the tag by which the subscription may be divided.
    pub(crate) fn partition(&self) -> Option<Partition> {
        self.info.partition
    }

    /// The name of that tag in the store.
    pub(crate) fn stored_partition(&self) -> Option<&'static str> {
        self.info.stored_partition
    }

    /// Whether it parks keys.
    pub(crate) fn can_park(&self) -> bool {
        self.info.on_failure == OnFailure::Park
    }

    /// Number of parked keys, as far as this process knows.
    pub(crate) fn parked(&self) -> u64 {
        let shards = self.shards.borrow();
        shards.all.iter().map(ShardProgress::parked).sum()
    }

    /// Whether this process knows that there are no parked keys. If not, the store has to be asked.
    pub(crate) fn has_none_parked(&self) -> bool {
        let shards = self.shards.borrow();
        shards.all.iter().all(ShardProgress::has_none_parked)
    }

    /// The events of the subscription.
    pub(crate) fn query(&self) -> &EventQuery {
        &self.info.query
    }

    pub(crate) fn views(&self) -> &Arc<dyn ViewStore> {
        &self.info.views
    }

    pub(super) fn info(&self) -> &Arc<SubscriptionInfo> {
        &self.info
    }

    /// The current incarnation of the view store.
    pub(crate) fn view_incarnation(&self) -> Incarnation {
        self.info.views.view_incarnation()
    }

    /// The error of an event that needs a newer program, if one has come.
    pub(crate) fn outdated(&self) -> Option<String> {
        self.info.outdated.error()
    }

    /// Has the coordinator of this process look at the stored shards.
    pub(crate) fn doubt(&self) {
        self.info.coordinator.notify_one();
    }

    /// The shards that this process knows, in order.
    pub(crate) fn shards(&self) -> Arc<[ShardProgress]> {
        self.shards.borrow().all.clone()
    }

    /// The shard of these slices, if this process knows it.
    pub(crate) fn shard(&self, slices: Slices) -> Option<ShardProgress> {
        let shards = self.shards.borrow();
        let found = shards
            .all
            .iter()
            .find(|shard| shard.shard().slices == slices);
        found.cloned()
    }

    /// Whether this process can handle shards that are stored like this.
    pub(crate) fn can_handle(&self, stored: &[ShardState]) -> bool {
        stored
            .iter()
            .all(|state| state.is_partitioned_by(self.info.stored_partition))
    }

    /// Replaces the shards after a division.
    pub(super) fn divide(&self, shards: Vec<ShardProgress>) {
        self.shards.send_modify(|known| {
            known.moves = known.moves() + 1;
            known.all = shards.into();
        });
    }

    /// Waits until this process has workers for these shards, for at most `within`.
    pub(crate) async fn divided(&self, into: &[Slices], within: Duration) {
        let mut changes = self.shards.subscribe();
        let divided = changes.wait_for(|shards| {
            let slices = shards.all.iter().map(|shard| shard.shard().slices);
            slices.eq(into.iter().copied())
        });
        // Other shards may have taken their place in the meantime.
        let _ = tokio::time::timeout(within, divided).await;
    }

    /// The position up to which everything is done.
    pub(crate) fn position(&self) -> Position {
        position_of(&self.shards.borrow().all)
    }

    /// Number of times that a checkpoint has moved, as far as this process knows.
    pub(crate) fn moves(&self) -> u64 {
        self.shards.borrow().moves()
    }

    /// Waits until the checkpoints have moved more often than that, or a worker has ended.
    pub(crate) async fn moved_since(&self, moves: u64) {
        let mut changes = self.shards.subscribe();
        let known = changes.borrow_and_update().clone();
        // Before the comparison, so that no move is missed in between.
        let of_shards: Vec<u64> = known.all.iter().map(ShardProgress::moves).collect();
        if known.moves + of_shards.iter().sum::<u64>() != moves {
            return;
        }
        let mut waits: Vec<_> = known
            .all
            .iter()
            .zip(of_shards)
            .map(|(shard, moves)| Box::pin(shard.moved_since(moves)))
            .collect();
        let mut divided = pin!(changes.changed());
        poll_fn(|context| {
            let mut is_over = divided.as_mut().poll(context).is_ready();
            for wait in &mut waits {
                is_over |= wait.as_mut().poll(context).is_ready();
            }
            if is_over {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Whether the workers of all shards have ended for good.
    pub(crate) fn has_ended(&self) -> bool {
        self.shards
            .borrow()
            .all
            .iter()
            .all(ShardProgress::has_ended)
    }

    /// Whether a worker has ended since the dispatcher was shut down, and not for a reason of its own.
    pub(crate) fn is_shut_down(&self) -> bool {
        let shards = self.shards();
        let mut states = shards.iter().map(ShardProgress::state);
        states.any(|it| matches!(it, SubscriptionState::Ended { reason } if reason == SHUT_DOWN))
    }

    /// Waits until the workers of all shards have ended.
    pub(crate) async fn ended(&self) {
        let mut changes = self.shards.subscribe();
        loop {
            let shards = changes.borrow_and_update().all.clone();
            for shard in &*shards {
                shard.ended().await;
            }
            // Those of a divided shard have ended, too.
            if !changes.has_changed().unwrap_or_default() {
                return;
            }
        }
    }

    /// Records that the workers have ended for good. The first reason is kept.
    pub(crate) fn mark_ended(&self, reason: &str) {
        for shard in &*self.shards() {
            shard.mark_ended(reason);
        }
    }

    /// Waits until everything up to `wanted` is done, for at most `within`. Fails earlier if a
    /// worker ends or is halted. Returns the incarnation of the view store in which it is done.
    pub(crate) async fn wait_for(
        &self,
        wanted: Position,
        within: Duration,
    ) -> Result<Incarnation, NotCaughtUp> {
        let all = TagSlices::default();
        self.wait_for_slices(&all, wanted, within).await
    }

    /// The same, but only for the shards that handle events of these slices.
    pub(crate) async fn wait_for_slices(
        &self,
        slices: &TagSlices,
        wanted: Position,
        within: Duration,
    ) -> Result<Incarnation, NotCaughtUp> {
        if wanted == Position::START {
            // Whatever the store may have lost.
            return Ok(self.view_incarnation());
        }
        let started = Instant::now();
        let mut changes = self.shards.subscribe();
        loop {
            let all = changes.borrow_and_update().all.clone();
            let shards = self.with_slices(all, slices);
            let left = within.saturating_sub(started.elapsed());
            match self.wait_for_all(&shards, wanted, left).await {
                Some(incarnation) => return Ok(incarnation),
                // The worker of a divided shard ends.
                None if changes.has_changed().unwrap_or_default() => {}
                None => return Err(self.behind(&shards, wanted, within)),
            }
        }
    }

    /// Waits until everything up to `wanted` is done. Gives up after `idle_timeout` without
    /// progress.
    pub(crate) async fn wait_while_progressing(
        &self,
        wanted: Position,
        idle_timeout: Duration,
    ) -> Result<(), NotCaughtUp> {
        loop {
            let at = self.position();
            if at >= wanted {
                return Ok(());
            }
            let further = Position::new(at.get() + 1).min(wanted);
            self.wait_for(further, idle_timeout)
                .await
                .map_err(|behind| NotCaughtUp { wanted, ..behind })?;
        }
    }

    /// The error of a wait for some shards that ended without success.
    pub(crate) fn behind(
        &self,
        shards: &[ShardProgress],
        wanted: Position,
        within: Duration,
    ) -> NotCaughtUp {
        let state = state_of(shards);
        let why = Some(state.to_string());
        let of = (self.info.kind.as_str(), self.info.name);
        let mut error = NotCaughtUp {
            version: self.info.version,
            ..NotCaughtUp::new(of, position_of(shards), wanted, within)
        };
        match state {
            SubscriptionState::CatchingUp
            | SubscriptionState::Running
            | SubscriptionState::Standby
            | SubscriptionState::Parked { .. }
            | SubscriptionState::Outdated {
                is_handled: Some(true) | None,
                ..
            }
            | SubscriptionState::Rebuilding { .. } => {}
            SubscriptionState::Failing { .. }
            | SubscriptionState::Stuck { .. }
            | SubscriptionState::Outdated { .. }
            | SubscriptionState::Unattended => error.failing = why,
            SubscriptionState::Paused { reason, .. } => error.paused = Some(reason),
            SubscriptionState::Stopped { .. } | SubscriptionState::Ended { .. } => {
                error.stopped = why;
            }
        }
        error
    }

    pub(crate) fn health(&self) -> SubscriptionHealth {
        let shards = self.shards();
        SubscriptionHealth {
            name: self.info.name,
            kind: self.info.kind,
            position: self.position(),
            state: match (self.state(), self.build()) {
                (
                    SubscriptionState::CatchingUp
                    | SubscriptionState::Running
                    | SubscriptionState::Standby,
                    Some(Build {
                        progress,
                        is_held,
                        parked,
                    }),
                ) => match parked {
                    0 => SubscriptionState::Rebuilding { progress, is_held },
                    keys => SubscriptionState::Parked { keys },
                },
                (state, _) => state,
            },
            shards: shards.iter().map(ShardProgress::health).collect(),
            answered_by: None,
        }
    }

    /// That of the shard that needs the most attention.
    fn state(&self) -> SubscriptionState {
        state_of(&self.shards.borrow().all)
    }

    /// The shards that handle events of these slices.
    fn with_slices(
        &self,
        shards: Arc<[ShardProgress]>,
        slices: &TagSlices,
    ) -> Arc<[ShardProgress]> {
        match self.info.partition {
            Some(partition) if shards.len() > 1 && !slices.is_empty() => shards
                .iter()
                .filter(|it| slices.may_be_in(it.shard().slices, partition.tag))
                .cloned()
                .collect(),
            _ => shards,
        }
    }

    /// The incarnation in which all of these shards have done everything up to `wanted`. `None` as
    /// soon as one cannot, or when the time is over.
    async fn wait_for_all(
        &self,
        shards: &[ShardProgress],
        wanted: Position,
        within: Duration,
    ) -> Option<Incarnation> {
        if let [whole] = shards {
            return whole.wait_for(wanted, within).await;
        }
        let mut waits: Vec<_> = shards
            .iter()
            .map(|shard| Box::pin(shard.wait_for(wanted, within)))
            .collect();
        let mut reached = Vec::with_capacity(shards.len());
        poll_fn(|context| {
            let mut place = 0;
            while let Some(wait) = waits.get_mut(place) {
                match wait.as_mut().poll(context) {
                    Poll::Ready(Some(incarnation)) => {
                        reached.push(incarnation);
                        drop(waits.swap_remove(place));
                    }
                    Poll::Ready(None) => return Poll::Ready(None),
                    Poll::Pending => place += 1,
                }
            }
            if waits.is_empty() {
                Poll::Ready(Some(()))
            } else {
                Poll::Pending
            }
        })
        .await?;
        // If the store has lost commits since the wait for one of them, the caller has to notice.
        let current = self.view_incarnation();
        let earlier = reached.into_iter().find(|it| *it != current);
        Some(earlier.unwrap_or(current))
    }
}

/// The position up to which all of these shards are done.
fn position_of(shards: &[ShardProgress]) -> Position {
    let positions = shards.iter().map(ShardProgress::position);
    positions.min().unwrap_or_default()
}

/// The state of the shard that needs the most attention.
fn state_of(shards: &[ShardProgress]) -> SubscriptionState {
    let states = shards.iter().map(ShardProgress::state);
    match states.max_by_key(SubscriptionState::severity) {
        Some(SubscriptionState::Parked { .. }) => SubscriptionState::Parked {
            keys: shards.iter().map(ShardProgress::parked).sum(),
        },
        worst => worst.unwrap_or(SubscriptionState::Standby),
    }
}
