//! The checkpoint that a worker holds: everything that moves it checks the same fields, so the file is over 500
//! lines.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::selection::next_event;
use super::{ShardProgress, ShardSelection, SubscriptionPage};
use crate::store::{
    Ahead, Checkpoint, Epoch, EventLog, EventLogExt, EventQuery, Incarnation, LastEvent,
    ParkedChange, ParkedKey, Position, ReadRange, Shard, StoreError, ViewBatch, ViewChange,
    ViewCommitError, ViewStore,
};

/// Maximum distance between the last event of a checkpoint and the worker's position. Without results
/// to commit, the checkpoint is written only at this distance, so that a restart does not read far.
const MAX_CHECKPOINT_LAG: u64 = 4096;

/// The checkpoint of a shard, as its worker last read or wrote it.
pub(crate) struct HeldCheckpoint {
    log: Arc<dyn EventLog>,
    pub(super) views: Arc<dyn ViewStore>,
    pub(super) shard: Shard,
    /// The epoch in which this process claimed the shard.
    epoch: Epoch,
    pub(super) position: Option<Position>,
    /// The slices of which more is handled.
    pub(super) ahead: Vec<Ahead>,
    /// The keys whose events are left out.
    pub(super) parked: Vec<ParkedKey>,
    /// The released key whose events are being handled. Meanwhile, commits leave the checkpoint where it is,
    /// and move this key on.
    pub(super) released: Option<ParkedKey>,
    /// The last event known to the subscription, which the next commit records.
    pub(super) last_event: Option<LastEvent>,
    /// Where the lag is counted from: the recorded event, if there is one.
    lag_from: Position,
    /// Incarnation of the log that the position refers to.
    pub(super) log_incarnation: Incarnation,
    /// Incarnation of the data that the checkpoint was read from.
    view_incarnation: Incarnation,
    /// The head of the log when the subscription resumed.
    pub(super) caught_up: Position,
    pub(super) progress: ShardProgress,
    /// A batch that is being written. Until it is [settled](Self::settle), everything else is as before it.
    begun: Option<BegunBatch>,
}

/// A batch that is being written by a task of its own, which is aborted when this is dropped.
struct BegunBatch {
    write: JoinSet<Result<(), ViewCommitError>>,
    written: WrittenBatch,
}

/// What a batch changes besides views, to be noted once it is committed.
#[derive(Clone)]
pub(super) struct WrittenBatch {
    to: Checkpoint,
    parked: Vec<ParkedChange>,
}

impl WrittenBatch {
    pub(super) fn of(batch: &ViewBatch) -> Self {
        Self {
            to: batch.to,
            parked: batch.parked.clone(),
        }
    }
}

/// A shard as it is stored.
#[derive(Default)]
struct ShardData {
    checkpoint: Option<Checkpoint>,
    ahead: Vec<Ahead>,
    parked: Vec<ParkedKey>,
}

/// The place at which a subscription resumes.
pub(super) struct Resumption {
    /// Events after this position are to be handled.
    pub(super) from: Position,
    /// The head of the log.
    pub(super) head: Position,
}

impl HeldCheckpoint {
    /// Reads the checkpoint of a shard, claimed in this epoch.
    pub(super) async fn read(
        log: Arc<dyn EventLog>,
        epoch: Epoch,
        progress: ShardProgress,
    ) -> Result<Self, StoreError> {
        // Before the position. If a replacement comes in between, the position carries the earlier
        // incarnation, and its commits are refused; in the other order, they would be accepted.
        let log_incarnation = log.heads().incarnation();
        let views = progress.views().clone();
        let view_incarnation = views.view_incarnation();
        let ShardData {
            checkpoint: found,
            ahead,
            parked,
        } = stored(&progress).await?;
        progress.mark_parked(&parked);
        let position = found.map(|found| found.position);
        let last_event = found.and_then(|found| found.last_event);
        Ok(Self {
            log,
            views,
            shard: progress.shard().clone(),
            epoch,
            position,
            ahead,
            parked,
            released: None,
            last_event,
            lag_from: last_event.map_or(position.unwrap_or_default(), |event| event.position),
            log_incarnation,
            view_incarnation,
            caught_up: Position::START,
            progress,
            begun: None,
        })
    }

    /// The events that the shard has to handle. `None` if these are all of the subscription.
    pub(crate) fn selection(&self) -> Option<ShardSelection> {
        let partition = self.progress.info().partition;
        ShardSelection::new(partition, self.shard.slices, &self.ahead, &self.parked)
    }

    /// The same as a process sees it that waits for another one. The events of a released key after the checkpoint are
    /// to be handled, too, once those before it are.
    pub(super) fn selection_of_others(&self) -> Option<ShardSelection> {
        let partition = self.progress.info().partition;
        let left_out = self.parked.iter().filter(|key| !key.is_released);
        let parked: Vec<ParkedKey> = left_out.cloned().collect();
        ShardSelection::new(partition, self.shard.slices, &self.ahead, &parked)
    }

    /// The same, without events of parked keys that were skipped: such a one is right before the first one that
    /// waits.
    fn selection_to_resume(&self) -> Option<ShardSelection> {
        let partition = self.progress.info().partition;
        let before = self.parked.iter().map(|key| ParkedKey {
            first: key.first.before(),
            ..key.clone()
        });
        let parked: Vec<ParkedKey> = before.collect();
        ShardSelection::new(partition, self.shard.slices, &self.ahead, &parked)
    }

    /// Compares the log with the checkpoint. Usually this takes a single read, of the event at the
    /// checkpoint, whose answer also has the head.
    ///
    /// Two histories of a log that have the same event at a position are equal up to it. The events
    /// between the last known one and the checkpoint concerned other subscriptions. A log that was
    /// cut and grew there may have events for this one now, which have not been handled: it resumes
    /// before them.
    ///
    /// # Errors
    /// [`StoreError::Rewound`] if the log ends before the checkpoint, or has another event there.
    pub(super) async fn resume(&self, query: &EventQuery) -> Result<Resumption, StoreError> {
        let seen = self.position.unwrap_or_default();
        for Ahead { checkpoint, .. } in &self.ahead {
            if checkpoint.position > seen {
                self.recognize(*checkpoint).await?;
            }
        }
        let Some(last) = self.last_event else {
            let head = self.log.head().await?;
            return if head < seen {
                Err(StoreError::Rewound { head, seen })
            } else {
                Ok(Resumption { from: seen, head })
            };
        };
        let head = self
            .recognize(Checkpoint {
                position: seen,
                last_event: Some(last),
            })
            .await?;
        let mut from = seen;
        if last.position < seen {
            let (selection, range) = (self.selection_to_resume(), (last.position, Some(seen)));
            let unhandled = next_event(&*self.log, query, selection.as_ref(), range).await?;
            if unhandled.event.is_some() {
                from = last.position;
            }
        }
        Ok(Resumption { from, head })
    }

    /// Moves the checkpoint to `to` in or at the end of a page and writes the changes of views with
    /// it, unless another process has moved the checkpoint.
    pub(crate) async fn commit(
        &mut self,
        page: SubscriptionPage<'_>,
        to: Position,
        changes: Vec<ViewChange>,
    ) -> Result<(), ViewCommitError> {
        self.settle().await?;
        let batch = self.batch(page, to, changes)?;
        self.write(batch).await
    }

    /// Begins to [commit](Self::commit) a page, once the batch before it is written. The commit counts when
    /// it is [settled](Self::settle).
    ///
    /// # Errors
    /// As [`settle`](Self::settle): those of the batch before.
    pub(super) async fn begin_commit(
        &mut self,
        page: SubscriptionPage<'_>,
        changes: Vec<ViewChange>,
    ) -> Result<(), ViewCommitError> {
        self.settle().await?;
        let batch = self.batch(page, page.to, changes)?;
        let written = WrittenBatch::of(&batch);
        let views = self.views.clone();
        let mut write = JoinSet::new();
        write.spawn(async move { views.commit(batch).await }.in_current_span());
        self.begun = Some(BegunBatch { write, written });
        Ok(())
    }

    /// Waits until a batch that was begun is written, if there is one.
    ///
    /// # Errors
    /// [`ViewCommitError`]. Nothing else can be committed then: the checkpoint has to be read again.
    pub(super) async fn settle(&mut self) -> Result<(), ViewCommitError> {
        let Some(BegunBatch { write, written }) = &mut self.begun else {
            return Ok(());
        };
        let (written, outcome) = (written.clone(), write.join_next().await);
        self.begun = None;
        match outcome {
            Some(Ok(outcome)) => outcome?,
            Some(Err(ended)) => return Err(aborted(ended)),
            None => return Err(aborted("nobody has begun it")),
        }
        self.committed(written);
        Ok(())
    }

    /// The output of `work`. If that has to wait, a batch that was begun is settled meanwhile.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    pub(super) async fn settle_during<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, ViewCommitError> {
        let mut work = pin!(work);
        let done = {
            let mut settled = pin!(self.settle());
            let first = poll_fn(|context| match work.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(Ok(Some(output))),
                Poll::Pending => {
                    let settled = settled.as_mut().poll(context);
                    settled.map(|settled| settled.map(|()| None))
                }
            });
            first.await?
        };
        match done {
            Some(output) => Ok(output),
            None => Ok(work.await),
        }
    }

    /// The position up to which everything is done, after a page was handled up to `to`. That before the page, while
    /// its results are being written: the checkpoint may be far behind that, or ahead of events that have appeared
    /// before it.
    pub(super) fn done(&self, page: SubscriptionPage<'_>, to: Position) -> Position {
        if self.begun.is_some() { page.from } else { to }
    }

    /// Commits a batch of this checkpoint.
    pub(super) async fn write(&mut self, batch: ViewBatch) -> Result<(), ViewCommitError> {
        let written = WrittenBatch::of(&batch);
        self.views.commit(batch).await?;
        self.committed(written);
        Ok(())
    }

    /// Records that a page was handled up to `to`, and moves the checkpoint if it is far behind.
    pub(super) async fn handled(
        &mut self,
        page: SubscriptionPage<'_>,
        to: Position,
    ) -> Result<(), ViewCommitError> {
        // The batch that is being written has it, too.
        if self.begun.is_some() {
            return Ok(());
        }
        self.last_event = self.last_event(page, to);
        if to.since(self.lag_from) >= MAX_CHECKPOINT_LAG {
            self.commit_at(to).await?;
        } else if !page.has_more {
            self.commit_handled(to).await?;
        }
        Ok(())
    }

    /// Moves the checkpoint to `to`, up to which everything is handled, if that is past an event without results: to
    /// other processes, it would be an event that waits.
    pub(super) async fn commit_handled(&mut self, to: Position) -> Result<(), ViewCommitError> {
        let stored = self.position.unwrap_or_default();
        if self.last_event.is_some_and(|last| last.position > stored) {
            self.commit_between(to, Vec::new()).await?;
        }
        Ok(())
    }

    /// Moves the checkpoint if it is not there yet.
    pub(super) async fn commit_up_to(&mut self, to: Position) -> Result<(), ViewCommitError> {
        if self.position.unwrap_or_default() < to {
            self.commit_at(to).await?;
        }
        Ok(())
    }

    /// Moves the checkpoint to a position whose event the subscription may not have selected. It is
    /// read, so that the last event is never far behind. If the log has no event there, the last one
    /// stays.
    pub(super) async fn commit_at(&mut self, to: Position) -> Result<(), ViewCommitError> {
        if self.last_event.is_none_or(|known| known.position < to) {
            let range = ReadRange {
                up_to: Some(to),
                ..first_after(to.before())
            };
            let page = self.log.read(EventQuery::All, range).await?;
            let found = page.events.first().map(|event| LastEvent::from(&**event));
            self.last_event = found.or(self.last_event);
        }
        let page = SubscriptionPage {
            from: to,
            to,
            events: &[],
            has_more: false,
        };
        self.commit(page, to, Vec::new()).await?;
        self.lag_from = to;
        Ok(())
    }

    /// Records that the checkpoint was written, by [`commit`](Self::commit) or in a transaction.
    pub(super) fn committed(&mut self, WrittenBatch { to, parked }: WrittenBatch) {
        // Before the position: whoever waits for that looks for parked keys then.
        if !parked.is_empty() {
            self.change_parked(parked);
            self.mark_parked();
        }
        let is_moved = self.position != Some(to.position);
        self.position = Some(to.position);
        self.last_event = to.last_event;
        self.lag_from = to.last_event.map_or(to.position, |event| event.position);
        if is_moved {
            self.mark_started(to.position);
        }
        self.mark_known();
    }

    /// Reports the parked keys, which this process alone changes as long as it holds the shard.
    pub(super) fn mark_parked(&self) {
        self.progress.mark_parked(&self.parked);
        self.progress.mark_parked_current();
    }

    /// Whether no event of the shard was ever handled.
    pub(super) fn is_first(&self) -> bool {
        self.position.is_none() && self.ahead.is_empty()
    }

    /// Whether the view store still has the data that the checkpoint was read from.
    pub(super) fn is_current(&self) -> bool {
        self.views.view_incarnation() == self.view_incarnation
    }

    /// Reports that everything up to `position` is done, and that nothing fails.
    pub(super) fn mark_reached(&self, position: Position) {
        let marked = (position, self.epoch);
        self.progress
            .mark_reached(marked, self.caught_up, self.view_incarnation);
    }

    /// Reports that everything up to `position` is done. A failure stays reported.
    pub(super) fn mark_started(&self, position: Position) {
        let marked = (position, self.epoch);
        self.progress.mark_started(marked, self.view_incarnation);
    }

    /// Reports where the stored checkpoint is.
    pub(super) fn mark_known(&self) {
        let position = self.position.unwrap_or_default();
        self.progress
            .mark_checkpoint(position, self.view_incarnation);
    }

    /// The batch that moves the checkpoint. Refused if the log has been replaced since the
    /// checkpoint was read, since the folded events belong to the earlier log. A store that also
    /// keeps the log checks that once more, in the same step as the write.
    pub(super) fn batch(
        &self,
        page: SubscriptionPage<'_>,
        to: Position,
        changes: Vec<ViewChange>,
    ) -> Result<ViewBatch, ViewCommitError> {
        if let Some(released) = &self.released {
            let parked = ParkedChange::Move {
                from: released.first,
                to: ParkedKey {
                    first: to.plus(1),
                    ..released.clone()
                },
            };
            let last = self.last_event(page, to);
            return self.batch_to(self.unmoved(last), changes, vec![parked]);
        }
        let to = Checkpoint {
            position: to,
            last_event: self.last_event(page, to),
        };
        self.batch_to(to, changes, Vec::new())
    }

    /// The checkpoint where it is, after the last handled event of a key: otherwise, the next worker would take
    /// the events of the key for unhandled ones.
    pub(super) fn unmoved(&self, last: Option<LastEvent>) -> Checkpoint {
        let position = self.position.unwrap_or_default();
        let known = self.last_event.map(|known| known.position);
        let later = last.filter(|last| {
            known.is_some_and(|known| known < last.position) && last.position <= position
        });
        Checkpoint {
            position,
            last_event: later.or(self.last_event),
        }
    }

    /// The same, for this checkpoint and these parked keys.
    pub(super) fn batch_to(
        &self,
        to: Checkpoint,
        changes: Vec<ViewChange>,
        parked: Vec<ParkedChange>,
    ) -> Result<ViewBatch, ViewCommitError> {
        if self.log.heads().incarnation() != self.log_incarnation {
            return Err(ViewCommitError::Moved {
                found: self.position,
            });
        }
        Ok(ViewBatch {
            shard: self.shard.clone(),
            epoch: self.epoch,
            from: self.position,
            to,
            incarnation: self.view_incarnation,
            changes,
            parked,
        })
    }

    /// Compares the log with the last event of a checkpoint, and returns its head.
    async fn recognize(&self, checkpoint: Checkpoint) -> Result<Position, StoreError> {
        let Checkpoint {
            position: seen,
            last_event,
        } = checkpoint;
        let at = last_event.map_or(seen, |event| event.position);
        let range = first_after(at.before());
        let page = self.log.read(EventQuery::All, range).await?;
        // The log may have read up to a head that it knew before another process moved the checkpoint.
        let head = if page.as_of < seen {
            self.log.head().await?
        } else {
            page.as_of
        };
        let found = page.events.first().map(|event| LastEvent::from(&**event));
        if head < seen || (last_event.is_some() && found != last_event) {
            return Err(StoreError::Rewound { head, seen });
        }
        Ok(head)
    }

    /// The last event up to a position, if the page or the checkpoint has one.
    fn last_event(&self, page: SubscriptionPage<'_>, to: Position) -> Option<LastEvent> {
        let handled = page.events.partition_point(|event| event.position <= to);
        let last = page.events[..handled].last();
        last.map(|event| LastEvent::from(&**event))
            .or(self.last_event)
    }
}

/// A shard as it is stored.
async fn stored(progress: &ShardProgress) -> Result<ShardData, StoreError> {
    let shards = progress.views().view_capabilities().shards;
    if shards.is_none() || progress.info().partition.is_none() {
        let checkpoint = progress.views().checkpoint(progress.shard()).await?;
        if checkpoint.is_some() {
            return Ok(ShardData {
                checkpoint,
                ..ShardData::default()
            });
        }
    }
    let Some(shards) = shards else {
        return Ok(ShardData::default());
    };
    let all = shards.shards(progress.info().subscription.clone()).await?;
    let is_new = all.is_empty();
    let Some(state) = all
        .into_iter()
        .find(|state| state.shard == *progress.shard())
    else {
        // Its events must not be handled from the start of the log: nobody would refuse a reaction.
        return if is_new {
            Ok(ShardData::default())
        } else {
            Err(StoreError::Unavailable {
                reason: "the subscription was divided into other shards".into(),
            })
        };
    };
    let parked = if state.parked > 0 {
        shards.parked(state.shard).await?
    } else {
        Vec::new()
    };
    Ok(ShardData {
        checkpoint: state.checkpoint,
        ahead: state.ahead,
        parked,
    })
}

/// The error of a batch whose task has ended without an answer.
fn aborted(reason: impl ToString) -> ViewCommitError {
    ViewCommitError::Failed(StoreError::Unavailable {
        reason: format!("a commit was not answered: {}", reason.to_string()).into(),
    })
}

/// The first event after a position.
fn first_after(position: Position) -> ReadRange {
    ReadRange {
        limit: 1,
        ..ReadRange::after(position)
    }
}
