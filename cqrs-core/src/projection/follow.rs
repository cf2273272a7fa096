use std::sync::Arc;
use std::time::Duration;

use super::Progress;
use super::fold::Folder;
use super::react::Reactor;
use super::transaction;
use crate::dispatcher::{Dispatcher, Models, SubscriptionKind};
use crate::error::Error;
use crate::handler::Resources;
use crate::registry::ReactionEntry;
use crate::store::{
    EventQuery, EventStore, Incarnation, Position, Recorded, Store, StoreError, Subscription,
    ViewBatch, ViewChange, ViewCommitError,
};
use crate::wiring::{BuildError, PlannedProjection};

/// Events handled between two checkpoints.
const BATCH: usize = 512;

/// A checkpoint that nothing else moves is written at least every so many positions, so that a
/// restart does not read far.
const STRIDE: u64 = 4096;

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

/// Why a worker has to start again from its checkpoint.
pub(super) enum Interrupted {
    /// Another process went on.
    Moved,
    Failed(String),
}

impl Worker {
    /// What a projection sets up is there before the dispatcher answers any query.
    pub(super) async fn projection(
        plan: &PlannedProjection,
        models: &Models,
        store: Arc<dyn Store>,
    ) -> Result<Self, BuildError> {
        let entry = plan.entry;
        let subscription = format!("projection:{}:{}", entry.name, entry.version);
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
        if !entry.from_start && store.checkpoint(&subscription).await?.is_none() {
            let to = store.head().await?;
            let batch = ViewBatch {
                subscription: subscription.clone(),
                from: None,
                to,
                incarnation: Incarnation::default(),
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

    /// Runs until the task is aborted. What fails is tried again, with growing pauses; nothing is
    /// skipped.
    pub(crate) async fn run(self, dispatcher: Dispatcher) {
        let mut attempts = 0;
        loop {
            match self.follow(&dispatcher, &mut attempts).await {
                Interrupted::Moved => {}
                Interrupted::Failed(error) => {
                    attempts += 1;
                    self.progress.fails(attempts, error);
                    tokio::time::sleep(pause(attempts)).await;
                }
            }
        }
    }

    /// Follows the log until something interrupts it. `attempts` is set back to 0 by progress.
    async fn follow(&self, dispatcher: &Dispatcher, attempts: &mut u32) -> Interrupted {
        let mut checkpoint = match self.store.checkpoint(&self.subscription).await {
            Ok(checkpoint) => checkpoint,
            Err(error) => return Interrupted::Failed(error.to_string()),
        };
        let start = checkpoint.unwrap_or_default();
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
            let from = log.position();
            let page = match log.next(BATCH).await {
                Ok(page) => page,
                Err(error) => return Interrupted::Failed(error.to_string()),
            };
            let range = (from, log.position());
            let worked = self.handle(range, &page.events, dispatcher, &mut checkpoint);
            let Worked { to, failure } = match worked.await {
                Ok(worked) => worked,
                Err(interrupted) => return interrupted,
            };
            if to > start {
                *attempts = 0;
            }
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
        checkpoint: &mut Option<Position>,
    ) -> Result<Worked, Interrupted> {
        if let Task::Fold(folder) = &self.task
            && folder.takes_transaction
            && !events.is_empty()
        {
            let folded = self.fold_in_transaction(folder, from, to, events, checkpoint);
            return folded.await;
        }
        let mut worked = self.work(from, events, dispatcher, checkpoint).await?;
        if worked.failure.is_none() {
            // The page is done, and so is what lies between its events.
            worked.to = to;
        }
        self.commit(checkpoint, worked.to).await?;
        Ok(worked)
    }

    /// Handles events until one fails.
    async fn work(
        &self,
        from: Position,
        events: &[Arc<Recorded>],
        dispatcher: &Dispatcher,
        checkpoint: &mut Option<Position>,
    ) -> Result<Worked, Interrupted> {
        let mut to = from;
        for event in events {
            let (handler, result) = match &self.task {
                Task::Fold(folder) => folder.fold(event, None).await,
                Task::React(reactor) => reactor.react(event, dispatcher).await,
            };
            if let Err(error) = result {
                return Ok(Worked {
                    to,
                    failure: Some(failure(event, handler, &error)),
                });
            }
            to = event.position;
            if let Task::React(_) = self.task {
                // At once: what was done is not done again if the next one fails.
                self.write(checkpoint, to, Vec::new()).await?;
            }
        }
        Ok(Worked { to, failure: None })
    }

    /// Writes changes and checkpoint, both or neither. Skipped when there is nothing to write and
    /// the checkpoint is near.
    async fn commit(
        &self,
        checkpoint: &mut Option<Position>,
        to: Position,
    ) -> Result<(), Interrupted> {
        let changes = match &self.task {
            Task::Fold(folder) => match folder.changes() {
                Ok(changes) => changes,
                Err(error) => return Err(Interrupted::Failed(error.to_string())),
            },
            Task::React(_) => Vec::new(),
        };
        if changes.is_empty() && to.since(checkpoint.unwrap_or_default()) < STRIDE {
            return Ok(());
        }
        self.write(checkpoint, to, changes).await?;
        if let Task::Fold(folder) = &self.task {
            folder.committed();
        }
        Ok(())
    }

    async fn write(
        &self,
        checkpoint: &mut Option<Position>,
        to: Position,
        changes: Vec<ViewChange>,
    ) -> Result<(), Interrupted> {
        let subscription = self.subscription.clone();
        let batch = ViewBatch {
            subscription,
            from: *checkpoint,
            to,
            incarnation: Incarnation::default(),
            changes,
        };
        self.store.commit(batch).await?;
        *checkpoint = Some(to);
        Ok(())
    }
}

pub(super) fn failure(event: &Recorded, handler: &'static str, error: &Error) -> String {
    let Recorded {
        position,
        event_type,
        ..
    } = event;
    format!("`{handler}` failed at position {position} (`{event_type}`): {error}")
}

/// 25 ms, doubled with every attempt, up to 10 s.
fn pause(attempts: u32) -> Duration {
    Duration::from_millis(25 << attempts.min(9)).min(Duration::from_secs(10))
}
