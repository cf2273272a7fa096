use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Dispatcher;
use super::inner::Inner;
use crate::Timestamp;
use crate::error::OperationError;
use crate::store::{
    Checkpoint, EventLogExt, EventQuery, Halt, HaltKind, LastEvent, Position, ReadRange,
    Relocation, ShardState, ShardStore, SkippedEvent, StoreError,
};
use crate::subscription::{Progress, SubscriptionHealth};

/// Interval between two looks at a shard that its owner has to release.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Number of attempts to move a checkpoint that moves meanwhile.
const MAX_MOVES: u32 = 16;

/// The projections and reactions of a dispatcher, for those who operate them. Returned by
/// [`Dispatcher::subscriptions`].
///
/// What these methods do applies to all processes on the same data, and outlasts them. Processes learn
/// of it within a third of the [lease](super::Builder::lease), 3 seconds at the most; the one that calls,
/// at once.
pub struct Subscriptions<'d> {
    inner: &'d Inner,
}

/// A projection or reaction, and how far it is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionStatus {
    /// The health of the subscription.
    pub health: SubscriptionHealth,
    /// Number of positions up to the head of the log. Not all of their events concern the subscription.
    pub behind: u64,
    /// Age of the oldest event that is not handled. Zero if there is none.
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
        for progress in &self.inner.workers {
            let health = progress.health();
            let next = if health.position < head {
                self.next(progress, health.position).await?
            } else {
                None
            };
            let age = next.map(|next| now.duration_since(next.time));
            all.push(SubscriptionStatus {
                behind: health.behind(head),
                lag: age
                    .map(Duration::try_from)
                    .and_then(Result::ok)
                    .unwrap_or_default(),
                health,
            });
        }
        Ok(all)
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
        let (progress, shards) = self.named(name)?;
        let halt = Halt {
            kind: HaltKind::Paused,
            reason: reason.into(),
            since: now(),
        };
        let started = Instant::now();
        loop {
            // Each time, since this is what takes the shard from an owner whose lease has ended.
            shards
                .halt(progress.shard().clone(), halt.clone(), None)
                .await?;
            progress.mark_halted(Some(&halt));
            progress.doubt();
            let stored = stored(progress, shards).await?;
            if stored.is_none_or(|stored| stored.owner.is_none()) {
                return Ok(());
            }
            if started.elapsed() > self.inner.limits.lease.saturating_mul(4) {
                return Err(OperationError::StillRunning {
                    name: progress.name(),
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
        let (progress, shards) = self.named(name)?;
        if shards.resume(progress.shard().clone(), true).await? {
            return changed(progress, shards).await;
        }
        match stored(progress, shards).await?.and_then(|it| it.halt) {
            Some(Halt {
                kind: HaltKind::Stopped { .. },
                reason: error,
                ..
            }) => Err(OperationError::Stopped {
                name: progress.name(),
                error,
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Has a projection or reaction handle its next event at once, if it has stopped because of that, or
    /// waits to retry it. Otherwise it begins again at its checkpoint; a reaction may then handle an event twice.
    ///
    /// # Errors
    /// [`OperationError::Paused`] if it is paused.
    pub async fn retry(&self, name: &str) -> Result<(), OperationError> {
        let (progress, shards) = self.named(name)?;
        if shards.resume(progress.shard().clone(), false).await? {
            return changed(progress, shards).await;
        }
        match stored(progress, shards).await?.and_then(|it| it.halt) {
            Some(halt) => Err(OperationError::Paused {
                name: progress.name(),
                reason: halt.reason,
            }),
            None => Ok(()),
        }
    }

    /// Skips the next event of a projection or reaction, which is at this position: the one that
    /// [`health`](Dispatcher::health) names when it fails. It goes on with the event after it, unless it
    /// is paused. [`skipped`](Self::skipped) lists the event with the reason. It is handled all the same after
    /// a [`rewind`](Self::rewind), and by a new `version` of the projection.
    ///
    /// # Errors
    /// [`OperationError::NotNext`] if another event is the next one.
    pub async fn skip(
        &self,
        name: &str,
        position: Position,
        reason: impl Into<String>,
    ) -> Result<(), OperationError> {
        let (progress, shards) = self.named(name)?;
        let skipped = SkippedEvent {
            position,
            reason: reason.into(),
            time: now(),
        };
        for _ in 0..MAX_MOVES {
            let from = stored_position(progress, shards).await?;
            let next = self.next(progress, from.unwrap_or_default()).await?;
            let event = match next.map(|next| next.event) {
                Some(event) if event.position == position => event,
                other => {
                    return Err(OperationError::NotNext {
                        name: progress.name(),
                        position,
                        next: other.map(|event| event.position),
                    });
                }
            };
            let relocation = Relocation {
                shard: progress.shard().clone(),
                from,
                to: Checkpoint {
                    position,
                    last_event: Some(event),
                },
                skipped: Some(skipped.clone()),
            };
            if shards.relocate(relocation).await? {
                return changed(progress, shards).await;
            }
        }
        Err(moving(progress))
    }

    /// Moves the checkpoint of a projection or reaction back: all events after `to` are handled again.
    /// If it is paused, it stays so.
    ///
    /// For a reaction whose effect was lost, or a projection whose folds may run twice for an event. The
    /// views stay as they are, so a fold that counts would count twice: to build read models anew, give
    /// the projection a new `version`. Commands that a reaction sends again with the same content are
    /// found by their ids, and have no second effect.
    ///
    /// # Errors
    /// [`OperationError::NotBack`] if the checkpoint is not after `to`.
    pub async fn rewind(&self, name: &str, to: Position) -> Result<(), OperationError> {
        let (progress, shards) = self.named(name)?;
        let range = ReadRange {
            limit: 1,
            up_to: Some(to),
            ..ReadRange::after(to.before())
        };
        let page = self.inner.log.read(EventQuery::All, range).await?;
        let to = Checkpoint {
            position: to,
            last_event: page.events.first().map(|event| LastEvent::from(&**event)),
        };
        for _ in 0..MAX_MOVES {
            let from = stored_position(progress, shards).await?;
            let at = from.unwrap_or_default();
            if at <= to.position {
                return Err(OperationError::NotBack {
                    name: progress.name(),
                    at,
                    to: to.position,
                });
            }
            let relocation = Relocation {
                shard: progress.shard().clone(),
                from,
                to,
                skipped: None,
            };
            if shards.relocate(relocation).await? {
                // What waits until all events are handled has to wait for these again.
                progress.mark_started(to.position, progress.view_incarnation());
                return changed(progress, shards).await;
            }
        }
        Err(moving(progress))
    }

    /// The events that a projection or reaction has skipped, in the order of their positions.
    ///
    /// # Errors
    /// When the store fails, or there is no projection or reaction with this name.
    pub async fn skipped(&self, name: &str) -> Result<Vec<SkippedEvent>, OperationError> {
        let (progress, shards) = self.named(name)?;
        let subscription = progress.shard().subscription.clone();
        Ok(shards.skipped(subscription).await?)
    }
}

/// An event, and the time at which it was recorded.
struct NextEvent {
    event: LastEvent,
    time: Timestamp,
}

impl<'d> Subscriptions<'d> {
    /// The only projection or reaction with this name.
    fn named(&self, name: &str) -> Result<(&'d Progress, &'d dyn ShardStore), OperationError> {
        let workers = &self.inner.workers;
        let mut named = workers.iter().filter(|progress| progress.name() == name);
        let progress = match (named.next(), named.next()) {
            (Some(progress), None) => progress,
            (Some(_), Some(_)) => {
                return Err(OperationError::Ambiguous {
                    name: name.to_owned(),
                });
            }
            (None, _) => {
                return Err(OperationError::Unknown {
                    name: name.to_owned(),
                    known: workers.iter().map(Progress::name).collect(),
                });
            }
        };
        match progress.views().view_capabilities().shards {
            Some(shards) => Ok((progress, shards)),
            None => Err(OperationError::NotOffered {
                name: progress.name(),
            }),
        }
    }

    /// The next event of a subscription after a position.
    async fn next(
        &self,
        progress: &Progress,
        after: Position,
    ) -> Result<Option<NextEvent>, StoreError> {
        let range = ReadRange {
            limit: 1,
            ..ReadRange::after(after)
        };
        let page = self.inner.log.read(progress.query().clone(), range).await?;
        Ok(page.events.first().map(|event| NextEvent {
            event: LastEvent::from(&**event),
            time: event.meta.time,
        }))
    }
}

/// The stored shard of a subscription, if it was ever claimed or halted.
async fn stored(
    progress: &Progress,
    shards: &dyn ShardStore,
) -> Result<Option<ShardState>, StoreError> {
    let shard = progress.shard();
    let all = shards.shards(shard.subscription.clone()).await?;
    Ok(all.into_iter().find(|stored| stored.shard == *shard))
}

/// The position of the stored checkpoint, if there is one.
async fn stored_position(
    progress: &Progress,
    shards: &dyn ShardStore,
) -> Result<Option<Position>, StoreError> {
    let checkpoint = stored(progress, shards).await?.and_then(|it| it.checkpoint);
    Ok(checkpoint.map(|checkpoint| checkpoint.position))
}

/// Shows a changed shard to this process.
async fn changed(progress: &Progress, shards: &dyn ShardStore) -> Result<(), OperationError> {
    let halt = stored(progress, shards).await?.and_then(|it| it.halt);
    progress.mark_halted(halt.as_ref());
    progress.doubt();
    Ok(())
}

fn moving(progress: &Progress) -> OperationError {
    OperationError::Moving {
        name: progress.name(),
    }
}

/// The current time, with the precision of stores.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
