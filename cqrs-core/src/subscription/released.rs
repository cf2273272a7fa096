//! Keys that an operator has released: their events are handled before all others.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::Instrument;

use super::selection::{last_handled, next_event};
use super::worker::{FIRST_PAGE_SIZE, dismissed};
use super::{
    EventFailure, Follower, HeldCheckpoint, Interruption, PageOutcome, Phase, SubscriptionPage,
    Worker, unless,
};
use crate::store::{
    Epoch, EventLogExt, EventPage, EventQuery, EventQueryItem, LastEvent, ParkedChange, ParkedKey,
    Position, ReadRange, Recorded, StoreError, Tag, ViewCommitError,
};
use crate::trace;

impl Worker {
    /// Moves the checkpoint to where the events of others are handled, if there are released keys. Those of the keys up
    /// to there were left out, so they counted as done, also in other processes: they have to be handled before the
    /// keys are like others.
    pub(super) async fn pass_left_out(
        &self,
        checkpoint: &mut HeldCheckpoint,
        from: Position,
    ) -> Result<Position, Interruption> {
        if !checkpoint.parked.iter().any(|key| key.is_released) {
            return Ok(from);
        }
        // Otherwise the log may read up to a head that it knew before.
        self.log.head().await?;
        let (selection, query) = (checkpoint.selection(), self.progress.query());
        let next = next_event(&*self.log, query, selection.as_ref(), (from, None)).await?;
        checkpoint.commit_up_to(next.none_up_to).await?;
        Ok(next.none_up_to)
    }

    /// Handles the events of the released keys, up to where those of others are handled: to `from`. A key
    /// of which an event fails once more stays parked there.
    pub(super) async fn handle_released(
        &self,
        follower: &dyn Follower,
        phases: &watch::Receiver<Phase>,
        epoch: Epoch,
        checkpoint: &mut HeldCheckpoint,
        from: Position,
    ) -> Result<(), Interruption> {
        let released: Vec<ParkedKey> = checkpoint
            .parked
            .iter()
            .filter(|parked| parked.is_released && !checkpoint.is_behind(parked, from))
            .cloned()
            .collect();
        for key in released {
            let up_to = checkpoint.done_up_to(&key, from);
            checkpoint.released = Some(key.clone());
            let outcome = self
                .handle_key(follower, phases, epoch, checkpoint, (&key, up_to))
                .await;
            checkpoint.released = None;
            // It may have views of the key in memory as they were before the failure.
            follower.restart(false);
            match outcome? {
                Handled::All => {
                    let last = self.last_event_of(&key, checkpoint, from).await?;
                    checkpoint.unpark(&key.key, last).await?;
                }
                // It stays released, for a newer program.
                Handled::Failed(failure) if failure.is_outdated => {
                    return Err(Interruption::EventFailed(failure));
                }
                Handled::Failed(failure) => {
                    let EventFailure { event, error, .. } = &failure;
                    let subscription = &self.progress.shard().subscription;
                    trace::parks_again(subscription, &key, event.position, error);
                    let handled = from.min(event.position.before());
                    let last = self.last_event_of(&key, checkpoint, handled).await?;
                    checkpoint.park_again(&key.key, failure, last).await?;
                }
            }
        }
        Ok(())
    }

    async fn handle_key(
        &self,
        follower: &dyn Follower,
        phases: &watch::Receiver<Phase>,
        epoch: Epoch,
        checkpoint: &mut HeldCheckpoint,
        (key, up_to): (&ParkedKey, Position),
    ) -> Result<Handled, Interruption> {
        let subscription = &self.progress.shard().subscription;
        trace::releases(subscription, key);
        let query = self.query_of(key);
        let mut from = key.first.before();
        while from < up_to {
            // It ends between two pages only, as in the log.
            let reading = unless(self.lease.over(epoch), self.read(&query, from, up_to));
            let at = checkpoint.position.unwrap_or_default();
            let Some(read) = unless(dismissed(follower, phases, at), reading).await else {
                return Err(Interruption::ShutDown);
            };
            let Some(found) = read else {
                return Err(Interruption::LeaseEnded);
            };
            let EventPage {
                events: all, next, ..
            } = found?;
            let to = next.unwrap_or(up_to);
            let events: Vec<Arc<Recorded>> = all
                .into_iter()
                .filter(|event| self.is_of(event, &key.key))
                .collect();
            if !events.is_empty() {
                let page = SubscriptionPage {
                    from,
                    to,
                    events: &events,
                    has_more: false,
                };
                let span = follower.span(subscription, &events);
                let handled = follower.handle(page, checkpoint).instrument(span).await?;
                if let PageOutcome {
                    failure: Some(failure),
                    ..
                } = handled
                {
                    return Ok(Handled::Failed(failure));
                }
            }
            from = to;
        }
        Ok(Handled::All)
    }

    /// The last event of a key up to a position that it is handled to, if it is after the last one that the
    /// checkpoint knows. It may be of a page that an earlier worker has handled.
    async fn last_event_of(
        &self,
        key: &ParkedKey,
        checkpoint: &HeldCheckpoint,
        handled: Position,
    ) -> Result<Option<LastEvent>, StoreError> {
        let up_to = checkpoint.position.unwrap_or_default().min(handled);
        let Some(known) = checkpoint.last_event else {
            return Ok(None);
        };
        let query = self.query_of(key);
        let mut after = known.position;
        let mut last = None;
        while after < up_to {
            let page = self.read(&query, after, up_to).await?;
            let mut events = page.events.iter().rev();
            let own = events.find(|event| self.is_of(event, &key.key));
            last = own.map(|event| LastEvent::from(&**event)).or(last);
            after = page.next.unwrap_or(up_to);
        }
        Ok(last)
    }

    /// The events of a key. Those without the tag are found among all others. The tag may have another name where the
    /// key is stored.
    fn query_of(&self, key: &ParkedKey) -> EventQuery {
        let info = self.progress.info();
        match (self.progress.query(), info.partition) {
            (EventQuery::Items(items), Some(partition)) if !key.key.is_empty() => {
                let tag = Tag::new(partition.tag, &key.key);
                let tagged = items.iter().map(|item| {
                    let mut tags = item.tags.clone();
                    tags.push(tag.clone());
                    EventQueryItem {
                        tags,
                        ..item.clone()
                    }
                });
                EventQuery::Items(tagged.collect())
            }
            (all, _) => all.clone(),
        }
    }

    /// Whether an event belongs to a key of the subscription.
    fn is_of(&self, event: &Recorded, key: &str) -> bool {
        let partition = self.progress.info().partition;
        partition.is_some_and(|partition| partition.has(event, key))
    }

    /// A page of events that are known to be in the log.
    async fn read(
        &self,
        query: &EventQuery,
        after: Position,
        up_to: Position,
    ) -> Result<EventPage, StoreError> {
        let range = ReadRange {
            limit: FIRST_PAGE_SIZE,
            up_to: Some(up_to),
            ..ReadRange::after(after)
        };
        let page = self.log.read(query.clone(), range).await?;
        if page.as_of >= up_to {
            return Ok(page);
        }
        // It may have read up to a head that it knew before.
        let head = self.log.head().await?;
        let page = self.log.read(query.clone(), range).await?;
        if page.as_of < up_to {
            return Err(StoreError::Rewound { head, seen: up_to });
        }
        Ok(page)
    }
}

/// What has become of the events of a released key.
enum Handled {
    All,
    Failed(EventFailure),
}

impl HeldCheckpoint {
    /// The position up to which the events of other keys in its slice are handled.
    fn done_up_to(&self, key: &ParkedKey, from: Position) -> Position {
        let ahead = self.ahead.iter();
        let of_slice = ahead.filter(|ahead| ahead.slices.contains(key.slice()));
        of_slice.map(last_handled).fold(from, Position::max)
    }

    /// Whether a released key has to wait until everything up to its first event is done: the one before that was
    /// skipped, and may be after the checkpoint. If the key were not parked any more, it would get that event again.
    fn is_behind(&self, key: &ParkedKey, from: Position) -> bool {
        key.first.before() > self.done_up_to(key, from)
    }

    /// Whether a released key that had to wait at `from` does not any more at `to`.
    pub(super) fn has_reached_released(&self, (from, to): (Position, Position)) -> bool {
        let mut released = self.parked.iter().filter(|it| it.is_released);
        released.any(|it| self.is_behind(it, from) && !self.is_behind(it, to))
    }

    /// Has the events of a key handled like those of others from now on.
    async fn unpark(&mut self, key: &str, last: Option<LastEvent>) -> Result<(), ViewCommitError> {
        let Some(parked) = self.parked.iter().find(|parked| parked.key == key) else {
            return Ok(());
        };
        let parked = ParkedChange::Unpark {
            key: key.to_owned(),
            from: parked.first,
        };
        let batch = self.batch_to(self.unmoved(last), Vec::new(), vec![parked])?;
        self.write(batch).await
    }

    /// Keeps a key parked at an event that failed.
    async fn park_again(
        &mut self,
        key: &str,
        failure: EventFailure,
        last: Option<LastEvent>,
    ) -> Result<(), ViewCommitError> {
        let Some(parked) = self.parked.iter().find(|parked| parked.key == key) else {
            return Ok(());
        };
        let parked = ParkedChange::Move {
            from: parked.first,
            to: ParkedKey {
                first: failure.event.position,
                cause: failure.error,
                is_released: false,
                ..parked.clone()
            },
        };
        let batch = self.batch_to(self.unmoved(last), Vec::new(), vec![parked])?;
        self.write(batch).await
    }
}
