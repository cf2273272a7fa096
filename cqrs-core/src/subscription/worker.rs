use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::consume_budget;
use tokio::time::{Instant, sleep};
use tracing::{Instrument, Span};

use super::backoff::Backoff;
use super::checkpoint::Resumption;
use super::lease::{ShardLease, ShardLeaseState};
use super::selection::select;
use super::standby::Standby;
use super::upkeep::until_polled;
use super::{
    EventFailure, Follower, Following, HeldCheckpoint, Interruption, PageOutcome, Phase,
    ShardProgress, SubscriptionPage,
};
use crate::Timestamp;
use crate::panic::Guarded;
use crate::store::subscription::Subscription;
use crate::store::{Epoch, EventLog, Halt, HaltKind, Position, StoreError};
use crate::trace;

/// Number of events handled between two checkpoints: at first, and at most.
pub(super) const FIRST_PAGE_SIZE: usize = 512;
const MAX_PAGE_SIZE: usize = 4096;

/// Time in which a full page is handled if the next one may be twice as long.
const QUICK_PAGE: Duration = Duration::from_millis(50);

/// Number of consecutive interruptions by other processes or transactions before they are reported.
const MAX_SILENT_MOVES: u32 = 5;

/// The reason of a worker that stopped after a shutdown, with its work done.
pub(crate) const SHUT_DOWN: &str = "the dispatcher was shut down";

/// The reason of a worker that ended without a shutdown.
const ENDED: &str = "its task has ended, because the Tokio runtime that the dispatcher was built in \
     has ended, or the last clone of the dispatcher was dropped: build the dispatcher in a runtime \
     that lives as long as the program";

/// Follows the log from the checkpoint of a shard, and delivers the matching events to a [`Follower`],
/// as long as this process holds the shard.
pub(crate) struct Worker {
    pub(super) lease: ShardLease,
    pub(super) progress: ShardProgress,
    pub(super) log: Arc<dyn EventLog>,
    pub(super) following: Following,
}

impl Worker {
    pub(super) fn new(
        lease: ShardLease,
        progress: ShardProgress,
        log: Arc<dyn EventLog>,
        following: Following,
    ) -> Self {
        Self {
            lease,
            progress,
            log,
            following,
        }
    }

    pub(super) async fn checkpoint(&self, epoch: Epoch) -> Result<HeldCheckpoint, StoreError> {
        HeldCheckpoint::read(self.log.clone(), epoch, self.progress.clone()).await
    }

    /// Runs until the dispatcher is shut down or the task is aborted. After an error or a panic, it
    /// starts again from the checkpoint, with growing pauses. No event is skipped.
    pub(crate) async fn run(self, follower: Box<dyn Follower>, phases: watch::Receiver<Phase>) {
        let mut backoff = Backoff::default();
        loop {
            let is_dismissed = dismissed(&*follower, &phases, self.progress.position());
            let is_left = self.left_to_another_process(&*follower, &phases);
            let is_over = async {
                let is_divided = self.progress.ended();
                let _ = unless(is_dismissed, unless(is_left, is_divided)).await;
            };
            let Some(epoch) = unless(is_over, self.held()).await else {
                break;
            };
            self.progress.mark_active();
            let follow = self.follow(&*follower, &phases, &mut backoff, epoch);
            let interrupted = match Guarded(Box::pin(follow)).await {
                Ok(Ok(never)) => match never {},
                Ok(Err(interrupted)) => interrupted,
                Err(panic) => Interruption::Failed(format!("its worker panicked: {panic}")),
            };
            if self.lease.state() == ShardLeaseState::Held(epoch) {
                let attempts = backoff.failed();
                let pause = backoff.pause();
                match interrupted {
                    Interruption::LeaseEnded => continue,
                    Interruption::KeyParked => {
                        backoff.key_parked();
                        continue;
                    }
                    // Another process has got further. No pause is needed to continue from there.
                    Interruption::CheckpointMoved if attempts == 1 => {
                        self.lease.doubt();
                        continue;
                    }
                    Interruption::CheckpointMoved if attempts <= MAX_SILENT_MOVES => {
                        self.lease.doubt();
                    }
                    Interruption::CheckpointMoved => {
                        let error = "its commits keep being refused: another process moves its checkpoint, \
                                     or the database aborts its transactions";
                        self.fails(pause, attempts, error.to_owned());
                    }
                    Interruption::Failed(error) => {
                        backoff.store_failed();
                        self.fails(pause, attempts, error);
                    }
                    Interruption::EventFailed(failure)
                        if failure.is_outdated && self.has_coordinator() =>
                    {
                        self.leave_to_newer(failure.into(), epoch);
                        leave_upkeep(&*follower);
                        backoff = Backoff::default();
                        continue;
                    }
                    Interruption::Outdated(work) => {
                        self.leave_to_newer(work, epoch);
                        leave_upkeep(&*follower);
                        backoff = Backoff::default();
                        continue;
                    }
                    Interruption::EventFailed(failure) => {
                        self.fails(pause, attempts, failure.error.clone());
                        let (failed, id) = (failure.event.position, failure.id.as_deref());
                        let failing = backoff.event_failed(failed, id, Instant::now());
                        // The events of other ids need not wait.
                        if failing >= self.following.retry_for && self.give_up(failure, epoch).await
                        {
                            backoff.key_parked();
                            self.progress.mark_recovered();
                            continue;
                        }
                    }
                    Interruption::ShutDown => break,
                }
                let dismissed = dismissed(&*follower, &phases, self.progress.position());
                if unless(dismissed, unless(self.lease.over(epoch), sleep(pause)))
                    .await
                    .is_none()
                {
                    break;
                }
            }
            // During the pause, too.
            if self.lease.state() != ShardLeaseState::Held(epoch) {
                self.leave();
                leave_upkeep(&*follower);
                backoff = Backoff::default();
            }
        }
        if let Some(upkeep) = follower.upkeep() {
            upkeep.finish().await;
        }
        self.progress.mark_ended(SHUT_DOWN);
    }

    /// Waits until this process holds the shard, and returns the epoch. Meanwhile, the checkpoint that
    /// another process moves is this one's progress.
    async fn held(&self) -> Epoch {
        let mut standby = Standby::new(self);
        let (mut held, mut observe) = (pin!(self.lease.held()), pin!(standby.observe()));
        poll_fn(|context| match held.as_mut().poll(context) {
            Poll::Ready(epoch) => Poll::Ready(epoch),
            Poll::Pending => {
                let _: Poll<Infallible> = observe.as_mut().poll(context);
                Poll::Pending
            }
        })
        .await
    }

    /// Waits until a shutdown has come to a phase in which the follower has nothing left to do, since
    /// another process handles the events.
    async fn left_to_another_process(
        &self,
        follower: &dyn Follower,
        phases: &watch::Receiver<Phase>,
    ) {
        dismissed(follower, phases, Position::new(u64::MAX)).await;
        self.progress.on_standby().await;
    }

    /// Lets the coordinator give up the shard. It may be held in another epoch already.
    pub(super) fn leave(&self) {
        if !matches!(self.lease.state(), ShardLeaseState::Held(_)) {
            self.progress.mark_left();
        }
        self.lease.stopped();
    }

    /// Stops the subscription in all processes, because of an event that failed. If that cannot be
    /// stored, the event is retried: what keeps the store from answering may be the cause of the failure,
    /// too.
    pub(super) async fn stop(&self, failure: EventFailure, epoch: Epoch) {
        let Some(shards) = self.progress.views().view_capabilities().shards else {
            return;
        };
        let EventFailure { event, error, .. } = failure;
        let position = event.position;
        let halt = Halt {
            kind: HaltKind::Stopped { position },
            reason: error,
            since: now(),
        };
        let shard = self.progress.shard().clone();
        // Otherwise another epoch has begun, or somebody has paused it.
        if let Ok(true) = shards.halt(shard, halt.clone(), Some(epoch)).await {
            trace::stops(&self.progress.shard().subscription, position, &halt.reason);
            self.progress.mark_halted(Some(&halt));
            self.lease.end(epoch);
        }
    }

    fn fails(&self, pause: Duration, attempts: u32, error: String) {
        trace::fails(&self.progress.shard().subscription, attempts, pause, &error);
        self.progress.mark_failing(attempts, error);
    }

    /// Has a page of events handled, in a span.
    async fn handle(
        &self,
        follower: &dyn Follower,
        page: SubscriptionPage<'_>,
        checkpoint: &mut HeldCheckpoint,
    ) -> Result<PageOutcome, Interruption> {
        let span = if page.events.is_empty() {
            Span::none()
        } else {
            follower.span(&self.progress.shard().subscription, page.events)
        };
        let handle = follower.handle(page, checkpoint);
        let handled = handle.instrument(span.clone()).await;
        let outcome = match &handled {
            Ok(PageOutcome { failure: None, .. }) => "done",
            Ok(_) => "failed",
            Err(_) => "interrupted",
        };
        trace::ends(&span, outcome);
        handled
    }

    /// Follows the log until something interrupts it.
    async fn follow(
        &self,
        follower: &dyn Follower,
        phases: &watch::Receiver<Phase>,
        backoff: &mut Backoff,
        epoch: Epoch,
    ) -> Result<Infallible, Interruption> {
        // Read again after each interruption: the checkpoint in the store is the only truth about
        // which events are done, whichever process has moved it.
        let mut checkpoint = self.checkpoint(epoch).await?;
        let start = checkpoint.position.unwrap_or_default();
        backoff.progressed(start);
        trace::follows(&self.progress.shard().subscription, start);
        // A position of another log must not count as reached in this one.
        let Resumption {
            from: resumed,
            head,
        } = checkpoint.resume(self.progress.query()).await?;
        checkpoint.caught_up = head;
        let from = self.pass_left_out(&mut checkpoint, resumed).await?;
        if head <= from {
            // No event is left, so an earlier failure no longer applies.
            checkpoint.mark_reached(from);
        } else {
            checkpoint.mark_started(from);
        }
        // Another process may have moved it since it was read or written here.
        checkpoint.mark_known();
        checkpoint.mark_parked();
        follower.restart(checkpoint.is_first() && from < head);
        self.handle_released(follower, phases, epoch, &mut checkpoint, from)
            .await?;
        let selection = checkpoint.selection();
        let (reads, query) = (&self.following.reads, self.progress.query().clone());
        let mut log = Subscription::sharing(reads, self.log.clone(), query, from);
        let mut page_size = FIRST_PAGE_SIZE;
        let mut is_troubled = false;
        // Whether more is handled than is known to be written.
        let mut is_unmarked = false;
        loop {
            // With a store in memory, no await below may ever be pending: yield to other tasks
            // here.
            consume_budget().await;
            // The view store has lost commits, so the checkpoint may have moved back. With no event
            // left, no commit would show that.
            if !checkpoint.is_current() {
                return Err(Interruption::CheckpointMoved);
            }
            let from = log.position();
            // A shutdown and the end of the lease take effect between two pages only: a page that has
            // begun is committed.
            let poll = unless(self.lease.over(epoch), log.poll(page_size));
            let polling = unless(dismissed(follower, phases, from), poll);
            let polled = match follower.upkeep() {
                None => checkpoint.settle_during(polling).await?,
                Some(upkeep) => {
                    until_polled(upkeep, (from, &mut checkpoint), &mut is_troubled, polling).await?
                }
            };
            let Some(polled) = polled else {
                checkpoint.settle().await?;
                return Err(Interruption::ShutDown);
            };
            let Some(polled) = polled else {
                checkpoint.settle().await?;
                return Err(Interruption::LeaseEnded);
            };
            let Some(page) = polled? else {
                // After the last page, another one was expected.
                if is_unmarked {
                    checkpoint.settle().await?;
                    checkpoint.mark_reached(from);
                    is_unmarked = false;
                }
                checkpoint.commit_handled(from).await?;
                continue;
            };
            let has_more = page.next.is_some();
            let (is_full, began) = (page.events.len() == page_size, Instant::now());
            let events = &*select(selection.as_ref(), page.events);
            let to = log.position();
            if !events.is_empty() {
                let patience = self.following.stuck_after;
                self.progress.mark_pending(true, patience);
            }
            let page = SubscriptionPage {
                from,
                to,
                events,
                has_more,
            };
            let handled = self.handle(follower, page, &mut checkpoint).await;
            let PageOutcome { to, failure } = handled?;
            checkpoint.handled(page, to).await?;
            if failure.is_none() && checkpoint.has_reached_released((page.from, to)) {
                checkpoint.settle().await?;
                checkpoint.commit_up_to(to).await?;
                return Err(Interruption::KeyParked);
            }
            let done = checkpoint.done(page, to);
            is_unmarked = done < to;
            backoff.progressed(done);
            // The results of the events before the failed one are committed already.
            if let Some(failure) = failure {
                // An operator can then skip the failed event: the next one after the checkpoint.
                checkpoint.commit_up_to(to).await?;
                checkpoint.mark_started(to);
                return Err(Interruption::EventFailed(failure));
            }
            if is_full {
                page_size = next_page_size(page_size, began.elapsed());
            }
            // After the commit: a query that waits for this position has to find its views written.
            checkpoint.mark_reached(done);
            if is_unmarked {
                // The write may hang, and there may be no event in the next page.
                let patience = self.following.stuck_after;
                self.progress.mark_pending(true, patience);
            }
        }
    }
}

/// Leaves the other work of a follower to another process.
fn leave_upkeep(follower: &dyn Follower) {
    if let Some(upkeep) = follower.upkeep() {
        upkeep.leave();
    }
}

/// The size of the page after a full one: the more events, the fewer commits, and the fewer writes of a
/// view that many of them change. But a page that has begun is finished before anything else.
fn next_page_size(page_size: usize, took: Duration) -> usize {
    let next = if took <= QUICK_PAGE {
        page_size * 2
    } else if took > 4 * QUICK_PAGE {
        page_size / 2
    } else {
        page_size
    };
    next.clamp(FIRST_PAGE_SIZE, MAX_PAGE_SIZE)
}

/// The current time, with the precision of stores.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// Waits until a shutdown has come to the phase in which this follower ends, at its position `at`.
pub(super) async fn dismissed(
    follower: &dyn Follower,
    phases: &watch::Receiver<Phase>,
    at: Position,
) {
    let mut phases = phases.clone();
    // An error would mean that the sender is gone, but the dispatcher has it.
    let _ = phases.wait_for(|phase| follower.ends(*phase, at)).await;
}

/// The output of `work`, or `None` if `end` completes first.
pub(crate) async fn unless<T>(
    end: impl Future<Output = ()>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let (mut end, mut work) = (pin!(end), pin!(work));
    poll_fn(|context| match end.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => work.as_mut().poll(context).map(Some),
    })
    .await
}

/// Reports the end of the worker, however its task ends.
impl Drop for Worker {
    fn drop(&mut self) {
        self.progress.mark_ended(ENDED);
    }
}
