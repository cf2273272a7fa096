use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::watch;
use tokio::task::consume_budget;
use tracing::{Instrument, Span};

use super::backoff::Backoff;
use super::{Checkpoint, Follower, Interruption, PageOutcome, Phase, Progress, SubscriptionPage};
use crate::panic::Guarded;
use crate::store::{
    EventLog, EventLogExt, EventQuery, Position, StoreError, Subscription, ViewCommitError,
    ViewStore,
};
use crate::trace;

/// Events handled between two checkpoints.
const PAGE_SIZE: usize = 512;

/// A checkpoint that nothing else moves is written at least every so many positions, so that a
/// restart does not read far.
const MAX_CHECKPOINT_LAG: u64 = 4096;

/// Interruptions by others in a row that are no cause for concern: after that they are reported.
const MAX_SILENT_MOVES: u32 = 5;

/// Why a worker has stopped that did what there was to do.
pub(crate) const SHUT_DOWN: &str = "the dispatcher was shut down";

/// Why a worker ended without anybody telling it to.
pub(super) const ENDED: &str = "its task has ended, because the Tokio runtime that the dispatcher was built in \
     has ended, or the last clone of the dispatcher was dropped: build the dispatcher in a runtime \
     that lives as long as the program";

/// Follows the log from a checkpoint on, for ever, and brings a [`Follower`] the events that match.
pub(crate) struct Worker {
    /// Names the checkpoint.
    subscription: String,
    query: EventQuery,
    progress: Progress,
    log: Arc<dyn EventLog>,
    /// Where its checkpoint is.
    views: Arc<dyn ViewStore>,
}

impl Worker {
    pub(crate) fn new(
        subscription: String,
        query: EventQuery,
        progress: Progress,
        log: Arc<dyn EventLog>,
        views: Arc<dyn ViewStore>,
    ) -> Self {
        Self {
            subscription,
            query,
            progress,
            log,
            views,
        }
    }

    /// Begins with the next event, if there is no checkpoint yet.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn begin_at_head(&self) -> Result<(), StoreError> {
        let mut checkpoint = self.checkpoint().await?;
        if checkpoint.position.is_some() {
            return Ok(());
        }
        let head = self.log.head().await?;
        match checkpoint.commit(head, Vec::new()).await {
            // Another process was first.
            Ok(()) | Err(ViewCommitError::Moved { .. }) => Ok(()),
            Err(ViewCommitError::Failed(error)) => Err(error),
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    async fn checkpoint(&self) -> Result<Checkpoint, StoreError> {
        Checkpoint::read(
            self.log.clone(),
            self.views.clone(),
            self.subscription.clone(),
            self.progress(),
        )
        .await
    }

    /// Runs until the dispatcher is shut down or the task is aborted. What fails or panics is tried
    /// again, with growing pauses; nothing is skipped.
    pub(crate) async fn run(self, follower: Box<dyn Follower>, phases: watch::Receiver<Phase>) {
        let mut backoff = Backoff::default();
        loop {
            let follow = self.follow(&*follower, &phases, &mut backoff);
            let interrupted = match Guarded(Box::pin(follow)).await {
                Ok(Ok(never)) => match never {},
                Ok(Err(interrupted)) => interrupted,
                Err(panic) => Interruption::Failed(format!("its worker panicked: {panic}")),
            };
            let attempts = backoff.failed();
            match interrupted {
                // Another process came further: there is nothing to wait for.
                Interruption::CheckpointMoved if attempts == 1 => continue,
                Interruption::CheckpointMoved if attempts <= MAX_SILENT_MOVES => {}
                Interruption::CheckpointMoved => {
                    let error = "other processes or transactions keep getting in its way";
                    self.fails(&backoff, attempts, error.to_owned());
                }
                Interruption::Failed(error) => self.fails(&backoff, attempts, error),
                Interruption::ShutDown => break,
            }
            let pause = tokio::time::sleep(backoff.pause());
            let dismissed = dismissed(&*follower, &phases, self.progress.position());
            if unless(dismissed, pause).await.is_none() {
                break;
            }
        }
        self.progress.mark_stopped(SHUT_DOWN);
    }

    fn fails(&self, backoff: &Backoff, attempts: u32, error: String) {
        trace::fails(&self.subscription, attempts, backoff.pause(), &error);
        self.progress.mark_failing(attempts, error);
    }

    /// Follows the log until something interrupts it.
    async fn follow(
        &self,
        follower: &dyn Follower,
        phases: &watch::Receiver<Phase>,
        backoff: &mut Backoff,
    ) -> Result<Infallible, Interruption> {
        let mut checkpoint = self.checkpoint().await?;
        let start = checkpoint.position.unwrap_or_default();
        backoff.progressed(start);
        trace::follows(&self.subscription, start);
        let head = self.log.head().await?;
        if head < start {
            // Nobody may take this position for one that was reached in this log.
            return Err(StoreError::Rewound { head, seen: start }.into());
        }
        if head == start {
            // There is nothing to do, so nothing fails.
            self.progress.mark_reached(start);
        } else {
            self.progress.mark_started(start);
        }
        follower.restart();
        let mut log = Subscription::new(self.log.clone(), self.query.clone(), start);
        loop {
            // A store in memory never makes it wait: others on this thread have their turn, too.
            consume_budget().await;
            let from = log.position();
            let next = log.next(PAGE_SIZE);
            let Some(page) = unless(dismissed(follower, phases, from), next).await else {
                return Err(Interruption::ShutDown);
            };
            let events = &page?.events;
            let to = log.position();
            let span = if events.is_empty() {
                Span::none()
            } else {
                follower.span(&self.subscription, events)
            };
            let handle = follower.handle(SubscriptionPage { from, to, events }, &mut checkpoint);
            let PageOutcome { to, failure } = handle.instrument(span).await?;
            if to.since(checkpoint.position.unwrap_or_default()) >= MAX_CHECKPOINT_LAG {
                checkpoint.commit(to, Vec::new()).await?;
            }
            backoff.progressed(to);
            if let Some(failure) = failure {
                self.progress.mark_started(to);
                return Err(Interruption::Failed(failure));
            }
            self.progress.mark_reached(to);
        }
    }
}

/// Waits until the dispatcher is shut down so far that a follower which came up to here ends.
async fn dismissed(follower: &dyn Follower, phases: &watch::Receiver<Phase>, at: Position) {
    let mut phases = phases.clone();
    // The sender is in the dispatcher, so there is an answer.
    let _ = phases.wait_for(|phase| follower.ends(*phase, at)).await;
}

/// What `work` returns, unless `end` comes first.
pub(super) async fn unless<T>(
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

/// The worker ends with its task, also when nobody asked it to.
impl Drop for Worker {
    fn drop(&mut self) {
        self.progress.mark_stopped(ENDED);
    }
}
