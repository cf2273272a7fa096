//! What operators look at and do: half of the file is the documentation of one type's methods, so it is over 500 lines.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Dispatcher;
use super::inner::Inner;
use super::stored_shards::{StoredShards, next_of, stopped};
use crate::Timestamp;
use crate::error::OperationError;
use crate::store::{
    Checkpoint, Division, EventLogExt, EventQuery, Halt, HaltKind, LastEvent, ParkedKey, Position,
    ReadRange, Recorded, Relocation, Shard, ShardState, SkippedEvent, Slices, StoreError, WorkerId,
};
use crate::subscription::{Progress, SubscriptionHealth, projection_subscription};

/// Interval between two looks at a shard that its owner has to release.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Maximum time until this process has workers for new shards.
const MAX_DIVIDE_WAIT: Duration = Duration::from_secs(3);

/// Number of attempts to move a checkpoint that moves meanwhile.
const MAX_MOVES: u32 = 16;

/// The projections and reactions of a dispatcher, for those who operate them. Returned by
/// [`Dispatcher::subscriptions`].
///
/// What these methods do applies to all processes on the same data, and outlasts them. Processes learn
/// of it within a third of the [lease](super::Builder::lease), 3 seconds at the most; the one that calls,
/// at once.
pub struct Subscriptions<'d> {
    pub(super) inner: &'d Arc<Inner>,
}

/// A projection or reaction, and how far it is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionStatus {
    /// The health of the subscription.
    pub health: SubscriptionHealth,
    /// Number of positions from the oldest event that is not handled to the head of the log. Not all of their
    /// events concern the subscription. 0 if there is none.
    pub behind: u64,
    /// Age of that event. Zero if there is none.
    pub lag: Duration,
}

impl Dispatcher {
    /// The projections and reactions, to look at them and to operate them.
    pub fn subscriptions(&self) -> Subscriptions<'_> {
        Subscriptions { inner: &self.inner }
    }
}

impl Subscriptions<'_> {
    /// All projections and reactions, each with its health and how far it is behind. Reads the log for
    /// those that are behind.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn list(&self) -> Result<Vec<SubscriptionStatus>, StoreError> {
        let head = self.inner.log.head().await?;
        let now = self.inner.decisions.now().unwrap_or_else(|_| now());
        let mut all = Vec::with_capacity(self.inner.workers.len());
        for place in 0..self.inner.workers.len() {
            all.push(self.status_at(place, head, now).await?);
        }
        Ok(all)
    }

    /// The projection or reaction with this name, as in [`list`](Self::list).
    ///
    /// # Errors
    /// [`OperationError::Unknown`] if there is none; when the log cannot be read.
    pub async fn status(&self, name: &str) -> Result<SubscriptionStatus, OperationError> {
        let place = self.place(name)?;
        let head = self.inner.log.head().await?;
        let now = self.inner.decisions.now().unwrap_or_else(|_| now());
        Ok(self.status_at(place, head, now).await?)
    }

    /// The shards of a projection or reaction, each with the process that owns it, if there is one. The id of a process is a
    /// UUID of version 7, so it tells when the process started.
    ///
    /// # Errors
    /// [`OperationError::Unknown`] if there is no such projection or reaction; when the store cannot be read.
    pub async fn owners(
        &self,
        name: &str,
    ) -> Result<Vec<(Slices, Option<WorkerId>)>, OperationError> {
        let stored = self.named(name)?.read().await?.into_iter();
        Ok(stored.map(|it| (it.shard.slices, it.owner)).collect())
    }

    async fn status_at(
        &self,
        place: usize,
        head: Position,
        now: Timestamp,
    ) -> Result<SubscriptionStatus, StoreError> {
        let mut health = self.inner.subscription_health(place);
        let mut oldest = None;
        if health.position < head {
            let (stored, next) = self.handled(&self.inner.workers[place]).await?;
            // A process that has just started knows less than is stored, and a checkpoint is not stored
            // for each event that does not concern the subscription.
            let position = if next.is_none() { head } else { stored };
            health.position = health.position.max(position);
            oldest = next;
        }
        let behind = |event: &Arc<Recorded>| {
            // It may be later than the head was.
            let head = head.max(event.position);
            head.since(event.position.before())
        };
        let age = oldest
            .as_ref()
            .map(|event| now.duration_since(event.meta.time));
        Ok(SubscriptionStatus {
            behind: oldest.as_ref().map_or(0, behind),
            lag: age
                .map(Duration::try_from)
                .and_then(Result::ok)
                .unwrap_or_default(),
            health,
        })
    }

    /// Pauses a projection or reaction in all processes, until [`resume`](Self::resume), across
    /// restarts. Returns when no process handles its events: a page of events that has begun is finished.
    /// A process that hangs is waited for until its lease ends; a reaction that hung may go on with its
    /// event later. The reason is shown by [`health`](Dispatcher::health), in place of an earlier one, or of
    /// the event that it has stopped at. Do not await this in its own event handler: it would wait for its
    /// own end.
    ///
    /// # Errors
    /// [`OperationError::StillRunning`] if the page takes longer than four times the lease of this process.
    pub async fn pause(&self, name: &str, reason: impl Into<String>) -> Result<(), OperationError> {
        let shards = self.named(name)?;
        let halt = Halt {
            kind: HaltKind::Paused,
            reason: reason.into(),
            since: now(),
        };
        let started = Instant::now();
        loop {
            // Each time, since this is what takes a shard from an owner whose lease has ended.
            shards.halt(&halt).await?;
            let stored = shards.read().await?;
            if stored.iter().all(is_paused) {
                return Ok(());
            }
            if started.elapsed() > self.inner.limits.lease.saturating_mul(4) {
                return Err(OperationError::StillRunning {
                    name: shards.name(),
                    waited: started.elapsed(),
                });
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Lets a paused projection or reaction go on from its checkpoint. Does nothing if it is not paused.
    ///
    /// # Errors
    /// [`OperationError::Stopped`] if it is not paused but stopped because of an event.
    pub async fn resume(&self, name: &str) -> Result<(), OperationError> {
        let shards = self.named(name)?;
        let mut is_resumed = false;
        // Again, since shards that are divided meanwhile inherit a pause.
        for _ in 0..MAX_MOVES {
            if !shards.resume(true).await? {
                let stored = shards.read().await?;
                return match stored.iter().find_map(stopped) {
                    Some(error) if !is_resumed => Err(OperationError::Stopped {
                        name: shards.name(),
                        error: error.to_owned(),
                    }),
                    _ => Ok(()),
                };
            }
            is_resumed = true;
        }
        Err(shards.moving_error())
    }

    /// Has a projection or reaction handle its next event at once, if it has stopped because of that, or
    /// waits to retry it. Otherwise it begins again at its checkpoint; a reaction may then handle an event twice.
    ///
    /// # Errors
    /// [`OperationError::Paused`] if it is paused.
    pub async fn retry(&self, name: &str) -> Result<(), OperationError> {
        let shards = self.named(name)?;
        if shards.resume(false).await? {
            return Ok(());
        }
        let stored = shards.read().await?;
        match stored.into_iter().find_map(|state| state.halt) {
            Some(halt) => Err(OperationError::Paused {
                name: shards.name(),
                reason: halt.reason,
            }),
            None => Ok(()),
        }
    }

    /// Skips the next event of a projection or reaction, which is at this position: the one that
    /// [`health`](Dispatcher::health) names when it fails. It goes on with the event after it, unless it
    /// is paused. [`skipped`](Self::skipped) lists the event with the reason. It is handled all the same after
    /// a [`rewind`](Self::rewind), but not by a process manager, and by a new `version` of the projection.
    ///
    /// Also skips the first event of a [parked](Self::parked) key, and releases the key: the events after it
    /// are handled. If several ids are parked at the event, it is skipped for all of them.
    ///
    /// An event of a process manager may concern several instances. It is skipped for those that have not
    /// handled it: if some shards have stopped at it, for the instances of these. An instance that is parked for a
    /// command or a deadline forgets the commands that the event has caused, or that deadline.
    ///
    /// # Errors
    /// [`OperationError::NotNext`] if another event is the next one.
    pub async fn skip(
        &self,
        name: &str,
        position: Position,
        reason: impl Into<String>,
    ) -> Result<(), OperationError> {
        let shards = self.named(name)?;
        let skipped = SkippedEvent {
            position,
            key: None,
            reason: reason.into(),
            time: now(),
        };
        let mut is_moved = false;
        for _ in 0..MAX_MOVES {
            let stored = shards.read().await?;
            let parked = shards.parked_in(&stored).await?;
            match shards.skip_parked(&skipped, &parked).await? {
                None => {}
                // Their first events are others by now.
                Some(0) => continue,
                Some(_) => return Ok(()),
            }
            let mut found = shards.next_events(stored, &parked).await?;
            let nearest = found.iter().map(|next| next.event.position).min();
            found.retain(|next| next.event.position == position);
            if found.is_empty() && !is_moved {
                return Err(OperationError::NotNext {
                    name: shards.name(),
                    position,
                    next: nearest,
                });
            }
            if found.iter().any(|next| stopped(&next.state).is_some()) {
                found.retain(|next| stopped(&next.state).is_some());
            }
            let mut is_complete = true;
            for next in found {
                if shards.skip_next(next, skipped.clone()).await? {
                    is_moved = true;
                } else {
                    is_complete = false;
                }
            }
            if is_complete {
                // An id may have been parked at the event meanwhile.
                let stored = shards.read().await?;
                let parked = shards.parked_in(&stored).await?;
                shards.skip_parked(&skipped, &parked).await?;
                shards.show_stored(&stored);
                return Ok(());
            }
        }
        Err(shards.moving_error())
    }

    /// Moves the checkpoint of a projection or reaction back: all events after `to` are handled again, also
    /// those of keys that were parked after it. If it is paused, it stays so.
    ///
    /// For a reaction whose effect was lost, or a projection whose folds may run twice for an event. The
    /// views stay as they are, so a fold that counts would count twice: to build read models anew, give
    /// the projection a new `version`. Commands that a reaction sends again with the same content are
    /// found by their ids, and have no second effect. Of a projection that was divided before, some events
    /// up to `to` may be handled again as well.
    ///
    /// # Errors
    /// [`OperationError::NotBack`] if the checkpoint is not after `to`.
    pub async fn rewind(&self, name: &str, to: Position) -> Result<(), OperationError> {
        let shards = self.named(name)?;
        let range = ReadRange {
            limit: 1,
            up_to: Some(to),
            ..ReadRange::after(to.before())
        };
        let page = self.inner.log.read(EventQuery::All, range).await?;
        let target = Checkpoint {
            position: to,
            last_event: page.events.first().map(|event| LastEvent::from(&**event)),
        };
        let mut moved: Vec<(Shard, Position)> = Vec::new();
        for _ in 0..MAX_MOVES {
            let stored = shards.read().await?;
            let mut is_complete = true;
            for state in &stored {
                let is_moved = moved.iter().any(|(shard, _)| *shard == state.shard);
                if furthest(state) <= to || is_moved {
                    continue;
                }
                let checkpoint = state.checkpoint;
                // Further back than that, if other slices of the shard are: they were another shard.
                let back = checkpoint.filter(|it| it.position <= to).unwrap_or(target);
                let relocation = Relocation {
                    shard: state.shard.clone(),
                    from: checkpoint.map(|checkpoint| checkpoint.position),
                    to: back,
                    skipped: None,
                    keys: Vec::new(),
                };
                if !shards.store.relocate(relocation).await? {
                    is_complete = false;
                    continue;
                }
                moved.push((state.shard.clone(), back.position));
            }
            if is_complete && moved.is_empty() {
                return Err(OperationError::NotBack {
                    name: shards.name(),
                    at: stored.iter().map(furthest).max().unwrap_or_default(),
                    to,
                });
            }
            if is_complete {
                return shards.show_rewound(&moved).await;
            }
        }
        shards.show_rewound(&moved).await?;
        Err(shards.moving_error())
    }

    /// The parked keys of a projection or reaction with `on_failure = "park"`, in the order of their first
    /// events, each with the error of that event. Of a projection, those of this program's version. One that is
    /// released is listed until its events are handled: its `cause` then says so, with the former error, since its
    /// first event is another one after a [`skip`](Self::skip).
    ///
    /// # Errors
    /// When the store fails, or there is no projection or reaction with this name.
    pub async fn parked(&self, name: &str) -> Result<Vec<ParkedKey>, OperationError> {
        let mut parked = self.named(name)?.parked().await?;
        for ParkedKey { cause, .. } in parked.iter_mut().filter(|key| key.is_released) {
            *cause = format!("released, and not handled yet; was parked because {cause}");
        }
        Ok(parked)
    }

    /// Releases a parked key, which is the id of the aggregate in `partition = ..`. The process that handles
    /// its shard handles the events that it has left out, with its present code, before all others, each once:
    /// if one of them fails again, the key is parked there, with the new error. Returns before that is done:
    /// [`parked`](Self::parked) lists the key until then, and
    /// [`wait_until_idle`](Dispatcher::wait_until_idle) waits for it.
    ///
    /// If the projection or reaction is paused or has stopped, that happens once it goes on.
    ///
    /// # Errors
    /// [`OperationError::NotParked`] if the key is not parked.
    pub async fn release(&self, name: &str, key: impl Display) -> Result<(), OperationError> {
        let shards = self.named(name)?;
        let key = key.to_string();
        match shards.release(Some(key.clone())).await? {
            0 => Err(OperationError::NotParked {
                name: shards.name(),
                by: self.other_version_with(&shards, &key).await?,
                key,
            }),
            _ => Ok(()),
        }
    }

    /// [Releases](Self::release) all parked keys. Returns their number.
    ///
    /// # Errors
    /// When the store fails, or there is no projection or reaction with this name.
    pub async fn release_all(&self, name: &str) -> Result<u64, OperationError> {
        self.named(name)?.release(None).await
    }

    /// Divides a projection or reaction into this many shards of about the same size, also fewer than it has:
    /// each shard is handled by one process at a time, and all of them by all processes. It needs a
    /// `partition = ..` in its attribute, the aggregate by whose id the events are divided. Nothing is
    /// lost or folded again. An event that a reaction is handling meanwhile may be handled once more.
    ///
    /// # Errors
    /// [`OperationError::NotPartitioned`] without a `partition`; [`OperationError::ShardCount`] for 0 shards
    /// or more than 1,024; [`OperationError::Stopped`] if it has stopped at an event.
    pub async fn divide(&self, name: &str, shards: u16) -> Result<(), OperationError> {
        let stored = self.named(name)?;
        let Some(partition) = stored.progress.stored_partition() else {
            return Err(OperationError::NotPartitioned {
                name: stored.name(),
            });
        };
        let subscription = stored.progress.subscription();
        let Some(division) = Division::even(subscription, partition, shards) else {
            return Err(OperationError::ShardCount {
                name: stored.name(),
                shards,
            });
        };
        for _ in 0..MAX_MOVES {
            if stored.store.divide(division.clone()).await? {
                stored.progress.doubt();
                let shards = division.shards();
                stored.progress.divided(shards, MAX_DIVIDE_WAIT).await;
                return Ok(());
            }
            let states = stored.read().await?;
            if let Some(error) = states.iter().find_map(stopped) {
                return Err(OperationError::Stopped {
                    name: stored.name(),
                    error: error.to_owned(),
                });
            }
        }
        Err(stored.moving_error())
    }

    /// The events that a projection or reaction has skipped, in the order of their positions.
    ///
    /// # Errors
    /// When the store fails, or there is no projection or reaction with this name.
    pub async fn skipped(&self, name: &str) -> Result<Vec<SkippedEvent>, OperationError> {
        let shards = self.named(name)?;
        let subscription = shards.progress.subscription().to_owned();
        Ok(shards.store.skipped(subscription).await?)
    }
}

impl<'d> Subscriptions<'d> {
    /// The only projection or reaction with this name.
    pub(super) fn named(&self, name: &str) -> Result<StoredShards<'d>, OperationError> {
        let place = self.place(name)?;
        let progress = &self.inner.workers[place];
        let mut answering = self.inner.answering.iter().skip(place);
        match progress.views().view_capabilities().shards {
            Some(store) => Ok(StoredShards {
                progress,
                store,
                log: &*self.inner.log,
                answering: answering.next().and_then(Option::as_ref),
            }),
            None => Err(OperationError::NotOffered {
                name: progress.name(),
            }),
        }
    }

    /// The place of the only projection or reaction with this name.
    pub(super) fn place(&self, name: &str) -> Result<usize, OperationError> {
        let workers = &self.inner.workers;
        let places = workers.iter().enumerate();
        let mut named = places.filter(|(_, progress)| progress.name() == name);
        match (named.next(), named.next()) {
            (Some((place, _)), None) => Ok(place),
            (Some(_), Some(_)) => Err(OperationError::Ambiguous {
                name: name.to_owned(),
            }),
            (None, _) => Err(OperationError::Unknown {
                name: name.to_owned(),
                known: workers.iter().map(Progress::name).collect(),
            }),
        }
    }

    /// The version of the projection that has parked this key, if it is not that of the program.
    async fn other_version_with(
        &self,
        shards: &StoredShards<'_>,
        key: &str,
    ) -> Result<Option<u32>, OperationError> {
        // A reaction has no versions.
        let Ok(versions) = self.versioned(shards.name()) else {
            return Ok(None);
        };
        let stored = versions.read().await?;
        for other in stored.iter().filter(|it| it.version != versions.version) {
            let name = shards.progress.stored_name();
            let subscription = projection_subscription(name, other.version);
            let parked = shards.store.parked(Shard::whole(subscription)).await?;
            if parked.iter().any(|it| it.key == key) {
                return Ok(Some(other.version));
            }
        }
        Ok(None)
    }

    /// The position up to which every shard has handled everything, and the oldest event that is not handled.
    async fn handled(
        &self,
        progress: &Progress,
    ) -> Result<(Position, Option<Arc<Recorded>>), StoreError> {
        let log = &*self.inner.log;
        let subscription = progress.subscription();
        let store = progress.views().view_capabilities().shards;
        let mut states = match store {
            Some(store) => store.shards(subscription.to_owned()).await?,
            None => Vec::new(),
        };
        if states.is_empty() {
            states.push(ShardState::unclaimed(Shard::whole(subscription)));
        }
        let mut handled: Option<Position> = None;
        let mut oldest: Option<Arc<Recorded>> = None;
        for state in states {
            // This process may know more than is stored.
            let shard = progress.shard(state.shard.slices);
            let known = shard.map(|shard| shard.position());
            let position = known.unwrap_or_default().max(state.position());
            handled = handled.into_iter().chain([position]).min();
            let next = next_of(progress, log, &state, position).await?;
            let both = oldest.into_iter().chain(next);
            oldest = both.min_by_key(|event| event.position);
        }
        Ok((handled.unwrap_or_default(), oldest))
    }
}

/// Whether a shard is paused, and no process is at one of its pages.
fn is_paused(state: &ShardState) -> bool {
    let halt = state.halt.as_ref();
    state.owner.is_none() && halt.is_some_and(|halt| halt.kind == HaltKind::Paused)
}

/// The position up to which some slices of a shard are handled.
fn furthest(state: &ShardState) -> Position {
    let ahead = state.ahead.iter().map(|ahead| ahead.checkpoint.position);
    ahead.chain([state.position()]).max().unwrap_or_default()
}

/// The current time, with the precision of stores.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
