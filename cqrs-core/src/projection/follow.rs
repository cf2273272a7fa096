use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::task::consume_budget;
use tracing::{Instrument, Span};

use super::Progress;
use super::backoff::Backoff;
use super::fold::{FoldedPage, Folder};
use super::react::Reactor;
use super::transaction;
use crate::dispatcher::{Dispatcher, Phase, SHUT_DOWN, SubscriptionKind};
use crate::error::Error;
use crate::handler::Resources;
use crate::panic::Guarded;
use crate::registry::ReactionEntry;
use crate::store::{
    EventQuery, EventStore, Incarnation, Position, Recorded, Store, StoreError, Subscription,
    ViewBatch, ViewChange, ViewCommitError,
};
use crate::trace;
use crate::wiring::{BuildError, Models, PlannedProjection};

/// Events handled between two checkpoints.
const BATCH: usize = 512;

/// A checkpoint that nothing else moves is written at least every so many positions, so that a
/// restart does not read far.
const STRIDE: u64 = 4096;

/// Interruptions by others in a row that are no cause for concern: after that they are reported.
const MOVES: u32 = 5;

/// Why a worker ended without anybody telling it to.
pub(super) const ENDED: &str = "its task has ended, because the Tokio runtime that the dispatcher was built in \
     has ended, or the last clone of the dispatcher was dropped: build the dispatcher in a runtime \
     that lives as long as the program";

/// Follows the log for a projection or a reaction, from its checkpoint on, for ever.
pub(crate) struct Worker {
    /// Names the checkpoint.
    pub(super) subscription: String,
    query: EventQuery,
    progress: Progress,
    task: Task,
    pub(super) store: Arc<dyn Store>,
}

enum Task {
    Fold(Folder),
    React(Reactor),
}

/// How far a worker came with some events.
pub(super) struct Worked {
    /// Everything up to here is done.
    pub(super) to: Position,
    pub(super) failure: Option<String>,
}

/// An event that failed.
pub(super) struct FailedAt {
    /// Its place in the page.
    pub(super) place: usize,
    pub(super) error: String,
}

/// The checkpoint as a worker knows it, and the log that it is a position of.
pub(super) struct Checkpoint {
    pub(super) position: Option<Position>,
    pub(super) incarnation: Incarnation,
}

/// Why a worker has to start again from its checkpoint.
pub(super) enum Interrupted {
    /// Another process moved the checkpoint, or the database gave its transaction the preference.
    Moved,
    Failed(String),
    /// The dispatcher is shut down, and this worker has finished.
    Dismissed,
}

impl Worker {
    /// What a projection sets up is there before the dispatcher answers any query.
    pub(super) async fn projection(
        plan: &PlannedProjection,
        models: &Models,
        store: Arc<dyn Store>,
    ) -> Result<Self, BuildError> {
        let entry = plan.entry;
        let subscription = super::subscription(entry);
        if let Some(setup) = &plan.setup {
            transaction::set_up(setup, entry.name, &subscription, &*store).await?;
        }
        Ok(Self {
            subscription,
            query: EventQuery::typed(plan.folds.iter().map(|fold| fold.event)),
            progress: Progress::new(entry.name, SubscriptionKind::Projection),
            task: Task::Fold(Folder::new(plan, models, store.clone())),
            store,
        })
    }

    /// A reaction that begins with the next event gets its checkpoint here, before the dispatcher
    /// carries any command.
    pub(super) async fn reaction(
        entry: &'static ReactionEntry,
        resources: &Resources,
        store: Arc<dyn Store>,
    ) -> Result<Self, StoreError> {
        let subscription = format!("reaction:{}", entry.name);
        let incarnation = store.incarnation();
        if !entry.from_start && store.checkpoint(&subscription).await?.is_none() {
            let to = store.head().await?;
            let batch = ViewBatch {
                subscription: subscription.clone(),
                from: None,
                to,
                incarnation,
                changes: Vec::new(),
            };
            match store.commit(batch).await {
                // Another process was first.
                Ok(()) | Err(ViewCommitError::Moved { .. }) => {}
                Err(ViewCommitError::Failed(error)) => return Err(error),
            }
        }
        Ok(Self {
            subscription,
            query: EventQuery::typed([entry.event]),
            progress: Progress::new(entry.name, SubscriptionKind::Reaction),
            task: Task::React(Reactor::new(entry, resources)),
            store,
        })
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Runs until the dispatcher is shut down or the task is aborted. What fails or panics is tried again, with growing pauses;
    /// nothing is skipped.
    pub(crate) async fn run(self, dispatcher: Dispatcher) {
        let mut backoff = Backoff::default();
        loop {
            let followed = Guarded(Box::pin(self.follow(&dispatcher, &mut backoff))).await;
            let attempts = backoff.failed();
            match followed {
                // Another process came further: there is nothing to wait for.
                Ok(Interrupted::Moved) if attempts == 1 => continue,
                Ok(Interrupted::Moved) if attempts <= MOVES => {}
                Ok(Interrupted::Moved) => {
                    let error = "other processes or transactions keep getting in its way";
                    self.fails(&backoff, attempts, error.to_owned());
                }
                Ok(Interrupted::Dismissed) => break,
                Ok(Interrupted::Failed(error)) => self.fails(&backoff, attempts, error),
                Err(panic) => {
                    let error = format!("its worker panicked: {panic}");
                    self.fails(&backoff, attempts, error);
                }
            }
            let pause = tokio::time::sleep(backoff.pause());
            let dismissed = self.dismissed(&dispatcher, self.progress.position());
            if unless(dismissed, pause).await.is_none() {
                break;
            }
        }
        self.progress.stops(SHUT_DOWN);
    }

    /// Waits until the dispatcher is shut down so far that a worker which came up to here ends.
    async fn dismissed(&self, dispatcher: &Dispatcher, at: Position) {
        let is_over = |phase: &Phase| match (&self.task, phase) {
            (Task::React(_), Phase::Draining | Phase::Finishing(_)) => true,
            (Task::Fold(_), Phase::Finishing(to)) => at >= *to,
            _ => false,
        };
        let mut phases = dispatcher.inner.lifecycle.watch();
        // The sender is in the dispatcher, so there is an answer.
        let _ = phases.wait_for(is_over).await;
    }

    fn fails(&self, backoff: &Backoff, attempts: u32, error: String) {
        trace::fails(&self.subscription, attempts, backoff.pause(), &error);
        self.progress.fails(attempts, error);
    }

    /// The span of a page; a reaction has one per event instead.
    fn span(&self, events: &[Arc<Recorded>]) -> Span {
        match &self.task {
            Task::Fold(_) if !events.is_empty() => trace::project(&self.subscription, events),
            Task::Fold(_) | Task::React(_) => Span::none(),
        }
    }

    /// Follows the log until something interrupts it.
    async fn follow(&self, dispatcher: &Dispatcher, backoff: &mut Backoff) -> Interrupted {
        let incarnation = self.store.incarnation();
        let checkpoint = match self.store.checkpoint(&self.subscription).await {
            Ok(checkpoint) => checkpoint,
            Err(error) => return Interrupted::Failed(error.to_string()),
        };
        let start = checkpoint.unwrap_or_default();
        let mut checkpoint = Checkpoint {
            position: checkpoint,
            incarnation,
        };
        backoff.progressed(start);
        trace::follows(&self.subscription, start);
        match self.store.head().await {
            // Nobody may take this position for one that was reached in this log.
            Ok(head) if head < start => {
                let rewound = StoreError::Rewound { head, seen: start };
                return Interrupted::Failed(rewound.to_string());
            }
            // There is nothing to do, so nothing fails.
            Ok(head) if head == start => self.progress.reached(start),
            Ok(_) => self.progress.starts(start),
            Err(error) => return Interrupted::Failed(error.to_string()),
        }
        if let Task::Fold(folder) = &self.task {
            folder.reset();
        }
        let log: Arc<dyn EventStore> = self.store.clone();
        let mut log = Subscription::new(log, self.query.clone(), start);
        loop {
            // A store in memory never makes it wait: others on this thread have their turn, too.
            consume_budget().await;
            let from = log.position();
            let page = match unless(self.dismissed(dispatcher, from), log.next(BATCH)).await {
                Some(Ok(page)) => page,
                Some(Err(error)) => return Interrupted::Failed(error.to_string()),
                None => return Interrupted::Dismissed,
            };
            let range = (from, log.position());
            let worked = self.handle(range, &page.events, dispatcher, &mut checkpoint);
            let worked = worked.instrument(self.span(&page.events));
            let Worked { to, failure } = match worked.await {
                Ok(worked) => worked,
                Err(interrupted) => return interrupted,
            };
            backoff.progressed(to);
            if let Some(failure) = failure {
                self.progress.starts(to);
                return Interrupted::Failed(failure);
            }
            self.progress.reached(to);
        }
    }

    /// Handles the events between two positions, and writes what came of it.
    async fn handle(
        &self,
        (from, to): (Position, Position),
        events: &[Arc<Recorded>],
        dispatcher: &Dispatcher,
        checkpoint: &mut Checkpoint,
    ) -> Result<Worked, Interrupted> {
        let worked = match &self.task {
            Task::Fold(folder) if folder.takes_transaction && !events.is_empty() => {
                let page = self.fold_in_transaction(folder, from, to, events, checkpoint);
                return page.await;
            }
            Task::Fold(folder) => {
                let FoldedPage { changes, failed } = folder.fold_page(events).await?;
                let worked = Worked::after(from, to, events, failed);
                if !changes.is_empty() {
                    self.write(checkpoint, worked.to, changes).await?;
                    folder.committed();
                }
                worked
            }
            Task::React(reactor) => {
                let failed = self.react(reactor, events, dispatcher, checkpoint).await?;
                Worked::after(from, to, events, failed)
            }
        };
        if worked.to.since(checkpoint.position.unwrap_or_default()) >= STRIDE {
            self.write(checkpoint, worked.to, Vec::new()).await?;
        }
        Ok(worked)
    }

    /// Reacts to events until one fails.
    async fn react(
        &self,
        reactor: &Reactor,
        events: &[Arc<Recorded>],
        dispatcher: &Dispatcher,
        checkpoint: &mut Checkpoint,
    ) -> Result<Option<FailedAt>, Interrupted> {
        for (place, event) in events.iter().enumerate() {
            consume_budget().await;
            if dispatcher.inner.lifecycle.is_draining() {
                return Err(Interrupted::Dismissed);
            }
            let (handler, result) = reactor.react(event, dispatcher).await;
            if let Err(error) = result {
                return Ok(Some(FailedAt::new(place, event, handler, &error)));
            }
            // At once: what was done is not done again if the next one fails.
            self.write(checkpoint, event.position, Vec::new()).await?;
            self.progress.starts(event.position);
        }
        Ok(None)
    }

    async fn write(
        &self,
        checkpoint: &mut Checkpoint,
        to: Position,
        changes: Vec<ViewChange>,
    ) -> Result<(), Interrupted> {
        let subscription = self.subscription.clone();
        let batch = ViewBatch {
            subscription,
            from: checkpoint.position,
            to,
            incarnation: checkpoint.incarnation,
            changes,
        };
        self.store.commit(batch).await?;
        checkpoint.position = Some(to);
        Ok(())
    }
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

impl Worked {
    /// Up to `to`, unless one of the events failed.
    pub(super) fn after(
        from: Position,
        to: Position,
        events: &[Arc<Recorded>],
        failed: Option<FailedAt>,
    ) -> Self {
        let Some(FailedAt { place, error }) = failed else {
            return Self { to, failure: None };
        };
        let done = events[..place].last();
        Self {
            to: done.map_or(from, |event| event.position),
            failure: Some(error),
        }
    }
}

impl FailedAt {
    pub(super) fn new(
        place: usize,
        event: &Recorded,
        handler: &'static str,
        error: &Error,
    ) -> Self {
        let Recorded {
            position,
            event_type,
            ..
        } = event;
        Self {
            place,
            error: format!("`{handler}` failed at position {position} (`{event_type}`): {error}"),
        }
    }
}

/// The worker ends with its task, also when nobody asked it to.
impl Drop for Worker {
    fn drop(&mut self) {
        self.progress.stops(ENDED);
    }
}
