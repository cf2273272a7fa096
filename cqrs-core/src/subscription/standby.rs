use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::selection::next_event;
use super::shard_progress::CheckpointReading;
use super::worker::unless;
use super::{HeldCheckpoint, ShardSelection, Worker};
use crate::store::{Checkpoint, Epoch, Incarnation, ParkedKey, Position, StoreError};

/// The pauses between two reads of a checkpoint that somebody waits for, and another process moves.
const MIN_PAUSE: Duration = Duration::from_millis(2);
const MAX_PAUSE: Duration = Duration::from_millis(50);

/// The same, if somebody waits for the next checkpoint only: the longest pause is the interval at which
/// the log is polled anyway.
const MIN_WATCH_PAUSE: Duration = Duration::from_millis(10);
const MAX_WATCH_PAUSE: Duration = Duration::from_millis(250);

/// Maximum time after which it is known that events which were recorded do not concern the shard, and its position
/// is that of the log.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Time between two looks for the owner of a shard while somebody waits for it.
const DOUBT_INTERVAL: Duration = Duration::from_millis(500);

/// A worker whose shard another process holds, or none since it is halted. The checkpoint is its progress: as
/// of the last roster, and read from the store while somebody waits.
pub(super) struct Standby<'w> {
    worker: &'w Worker,
    /// The log in which the checkpoint's events were found.
    verified: Option<Incarnation>,
    /// The position of the checkpoint that was read last.
    read: Position,
    /// The epoch of the last roster.
    epoch: Option<Epoch>,
    /// What is known of the events after the checkpoint.
    empty: EmptyRange,
}

/// The range of the log that has no event of this selection.
#[derive(Default)]
struct EmptyRange {
    selection: Option<ShardSelection>,
    /// The epoch of the last roster before the look. In another one, an operator may have moved the checkpoint back, or
    /// released a key whose events were left out.
    epoch: Option<Epoch>,
    from: Position,
    up_to: Position,
}

impl<'w> Standby<'w> {
    pub(super) fn new(worker: &'w Worker) -> Self {
        Self {
            worker,
            verified: None,
            read: Position::START,
            epoch: None,
            empty: EmptyRange::default(),
        }
    }

    pub(super) async fn observe(&mut self) -> Infallible {
        let Worker {
            lease, progress, ..
        } = self.worker;
        let mut rostered = None;
        loop {
            let moved = unless(progress.wanted_or_watched(), lease.moved(rostered));
            match timeout(self.interval(), moved).await {
                Ok(Some(found)) => {
                    rostered = found;
                    // A failed read is repeated with the next checkpoint.
                    let _ = self.see(found).await;
                }
                Ok(None) if progress.is_wanted() => self.observe_while_wanted().await,
                Ok(None) => self.observe_while_watched().await,
                Err(_) => self.look_for_events().await,
            }
        }
    }

    async fn observe_while_wanted(&mut self) {
        let Worker {
            lease, progress, ..
        } = self.worker;
        let mut pause = MIN_PAUSE;
        let mut doubted = Instant::now();
        while progress.is_wanted() {
            // A failed read is repeated like one that found nothing new: those who wait have a limit.
            let _ = self.look().await;
            if doubted.elapsed() > DOUBT_INTERVAL {
                // The other process may be dead.
                lease.doubt();
                doubted = Instant::now();
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// While somebody waits for the next checkpoint, and nobody for a position. Watches last, so an idle
    /// log costs a read of the checkpoint per `MAX_WATCH_PAUSE`.
    async fn observe_while_watched(&mut self) {
        let Worker { progress, log, .. } = self.worker;
        let mut heads = log.heads().watch();
        let mut pause = MIN_WATCH_PAUSE;
        let mut looked = Instant::now();
        while progress.is_watched() && !progress.is_wanted() {
            heads.mark_seen();
            // A failed read is repeated like one that found nothing new.
            let _ = self.glance().await;
            if looked.elapsed() >= self.interval() {
                self.look_for_events().await;
                looked = Instant::now();
            }
            // Otherwise a busy log would be as if there were no pauses.
            let is_calm = pause > MAX_PAUSE;
            let appended = async {
                if !is_calm {
                    pending::<()>().await;
                }
                heads.changed().await;
            };
            let news = unless(progress.wanted(), appended);
            pause = match timeout(pause, news).await {
                Ok(_) => MIN_WATCH_PAUSE,
                Err(_) => (pause * 2).min(MAX_WATCH_PAUSE),
            };
        }
    }

    /// The time after which it is to be known whether an event waits.
    fn interval(&self) -> Duration {
        (self.worker.following.stuck_after / 2).clamp(MAX_PAUSE, LOOK_INTERVAL)
    }

    /// Finds out whether an event waits, or the events since the checkpoint do not concern the shard.
    async fn look_for_events(&mut self) {
        let Worker {
            progress,
            log,
            following,
            ..
        } = self.worker;
        if log.heads().position() > progress.position() {
            let _ = self.look().await;
        } else {
            progress.mark_pending(false, following.stuck_after);
        }
    }

    /// Reports the progress of the other process as of a checkpoint of the roster.
    async fn see(&mut self, rostered: Option<(Epoch, Checkpoint)>) -> Result<(), StoreError> {
        let progress = &self.worker.progress;
        let incarnation = progress.view_incarnation();
        let (position, as_of) = match rostered {
            // An earlier one was moved back, or the roster is older than what was read.
            Some((epoch, checkpoint)) if self.is_verified() && checkpoint.position >= self.read => {
                (checkpoint.position, CheckpointReading::Epoch(epoch))
            }
            _ => {
                let as_of = CheckpointReading::Look(progress.begin_look());
                (self.read().await?, as_of)
            }
        };
        let epoch = rostered.map(|(epoch, _)| epoch);
        // The log may have been read further from there.
        let reached = if position == self.empty.from && epoch == self.empty.epoch {
            position.max(self.empty.up_to)
        } else {
            position
        };
        self.epoch = epoch;
        if progress.mark_standby((reached, as_of), incarnation) {
            progress.mark_checkpoint(position, incarnation);
        }
        Ok(())
    }

    /// The same, as of now.
    async fn glance(&mut self) -> Result<(), StoreError> {
        let progress = &self.worker.progress;
        let as_of = CheckpointReading::Look(progress.begin_look());
        let incarnation = progress.view_incarnation();
        let position = self.read().await?;
        // The log may have been read further than up to the last event of the checkpoint.
        if progress.position() < position {
            progress.mark_standby((position, as_of), incarnation);
        }
        progress.mark_checkpoint(position, incarnation);
        Ok(())
    }

    /// Reports the progress of the other process as of now. Its checkpoint stays where it is while no
    /// event concerns it.
    async fn look(&mut self) -> Result<(), StoreError> {
        let Worker { progress, log, .. } = self.worker;
        let number = progress.begin_look();
        let incarnation = progress.view_incarnation();
        let checkpoint = self.worker.checkpoint(Epoch::UNCLAIMED).await?;
        let position = self.verify(&checkpoint).await?;
        let selection = checkpoint.selection_of_others();
        // The checkpoint may have moved back.
        if self.empty.selection != selection
            || self.empty.epoch != self.epoch
            || position < self.empty.from
        {
            self.empty = EmptyRange {
                selection,
                epoch: self.epoch,
                from: position,
                up_to: position,
            };
        }
        self.empty.from = position;
        let EmptyRange {
            selection, up_to, ..
        } = &self.empty;
        let range = (position.max(*up_to), None);
        let next = next_event(&**log, progress.query(), selection.as_ref(), range).await?;
        // Of the events that were left out, the newest may not be handled before the key is like others.
        if self.was_released_since(&checkpoint).await? {
            return Ok(());
        }
        let up_to = next.none_up_to;
        self.empty.up_to = up_to;
        progress.mark_standby((up_to, CheckpointReading::Look(number)), incarnation);
        progress.mark_looked(number);
        progress.mark_pending(next.event.is_some(), self.worker.following.stuck_after);
        progress.mark_checkpoint(position, incarnation);
        Ok(())
    }

    /// Whether a key that was parked then is not any more, or is released. Reads the parked keys only, and nothing if
    /// none was left out.
    async fn was_released_since(&self, earlier: &HeldCheckpoint) -> Result<bool, StoreError> {
        let left_out: Vec<&ParkedKey> = earlier
            .parked
            .iter()
            .filter(|key| !key.is_released)
            .collect();
        let progress = &self.worker.progress;
        let Some(shards) = progress.views().view_capabilities().shards else {
            return Ok(false);
        };
        if left_out.is_empty() {
            return Ok(false);
        }
        let parked = shards.parked(earlier.shard.clone()).await?;
        progress.mark_parked(&parked);
        Ok(left_out.into_iter().any(|key| {
            let mut now = parked.iter().filter(|now| now.key == key.key);
            now.all(|now| now.is_released)
        }))
    }

    /// The position of the checkpoint.
    async fn read(&mut self) -> Result<Position, StoreError> {
        let checkpoint = self.worker.checkpoint(Epoch::UNCLAIMED).await?;
        self.verify(&checkpoint).await
    }

    /// The position of the checkpoint. Before it counts in the log of this process, its last event has
    /// to be found there.
    async fn verify(&mut self, checkpoint: &HeldCheckpoint) -> Result<Position, StoreError> {
        let position = checkpoint.position.unwrap_or_default();
        self.read = position;
        if self.is_verified() {
            return Ok(position);
        }
        let incarnation = self.worker.log.heads().incarnation();
        // Of an earlier log.
        self.empty = EmptyRange::default();
        let resumption = checkpoint.resume(self.worker.progress.query()).await?;
        // Otherwise events are to be handled again, and the checkpoint is about to move back.
        if resumption.from == position {
            self.verified = Some(incarnation);
        }
        Ok(resumption.from)
    }

    fn is_verified(&self) -> bool {
        self.verified == Some(self.worker.log.heads().incarnation())
    }
}
