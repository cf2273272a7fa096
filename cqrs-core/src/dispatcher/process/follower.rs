use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use tokio::sync::Mutex;
use tokio::task::consume_budget;
use tracing::Span;

use super::instance::Instance;
use super::memory::ProcessMemory;
use super::sender::TaskReports;
use super::skips::Skips;
use super::steps::{FailedStep, ProcessSteps, Unhandled};
use super::table::InstanceTable;
use crate::Timestamp;
use crate::dispatcher::Dispatcher;
use crate::dispatcher::lifecycle::PendingCommands;
use crate::error::Result;
use crate::registry::ProcessEntry;
use crate::store::{BoxFuture, Position, Recorded, StoreError, ViewChange, ViewStore};
use crate::subscription::{
    FailedEvent, Follower, HeldCheckpoint, Interruption, PageOutcome, Phase, SubscriptionPage,
    Upkeep,
};
use crate::trace;
use crate::trace_context;
use crate::upcast::Conversions;

/// Number of events that are handled between two commits.
const MAX_EVENTS: usize = 512;

/// Number of instances from which on no further event is handled before the next commit. All of them have to be in
/// memory at the same time.
const MAX_CONCERNED: usize = 1_024;

/// Maximum number of deadlines whose events are recorded at the same time.
pub(super) const MAX_FIRING: usize = 512;

/// A process manager's part in the work of a shard.
pub(super) struct ProcessFollower {
    pub(super) steps: Arc<ProcessSteps>,
    pub(super) table: InstanceTable,
    pub(super) dispatcher: Dispatcher,
    pub(super) reports: TaskReports,
    pub(super) memory: Mutex<ProcessMemory>,
    /// Whether what is in memory may not be what is stored.
    pub(super) is_stale: AtomicBool,
    /// Counts as a command in progress, as long as there is something to do now.
    busy: std::sync::Mutex<Option<PendingCommands>>,
}

/// The steps and the stored instances of a process manager, for the worker of each shard.
pub(crate) struct Instances {
    steps: Arc<ProcessSteps>,
    table: InstanceTable,
}

impl Instances {
    pub(crate) fn new(
        entry: &'static ProcessEntry,
        conversions: &Arc<Conversions>,
        views: &Arc<dyn ViewStore>,
    ) -> Self {
        Self {
            steps: Arc::new(ProcessSteps::new(entry, conversions)),
            table: InstanceTable::new(entry.stored_name(), views.clone()),
        }
    }

    /// A follower for the worker of one shard.
    pub(crate) fn follower(&self, dispatcher: &Dispatcher) -> Box<dyn Follower> {
        let (steps, table) = (self.steps.clone(), self.table.clone());
        Box::new(ProcessFollower::new(steps, table, dispatcher.clone()))
    }
}

/// The changes of instances by some events.
#[derive(Default)]
pub(super) struct Changes {
    /// By the key.
    pub(super) instances: BTreeMap<String, Instance>,
    /// Those of them that are deleted.
    pub(super) deleted: BTreeSet<String>,
}

impl ProcessFollower {
    fn new(steps: Arc<ProcessSteps>, table: InstanceTable, dispatcher: Dispatcher) -> Self {
        Self {
            steps,
            table,
            dispatcher,
            reports: TaskReports::default(),
            memory: Mutex::default(),
            is_stale: AtomicBool::new(true),
            busy: std::sync::Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> Result<Timestamp> {
        Ok(self.dispatcher.inner.decisions.now()?)
    }

    /// Handles the first events of a page, up to one that fails. Returns their number.
    async fn handle_some(
        &self,
        memory: &mut ProcessMemory,
        (page, checkpoint): (SubscriptionPage<'_>, &mut HeldCheckpoint),
    ) -> Result<(usize, Option<FailedEvent>), Interruption> {
        let selection = checkpoint.selection();
        let mut concerned: Vec<(&Arc<Recorded>, Vec<&str>)> = Vec::new();
        let mut all_keys = BTreeSet::new();
        for event in page.events.iter().take(MAX_EVENTS) {
            let keys = checkpoint.ids_to_handle(selection.as_ref(), event);
            all_keys.extend(keys.iter().map(|key| (*key).to_owned()));
            concerned.push((event, keys));
            if all_keys.len() >= MAX_CONCERNED {
                break;
            }
        }
        let events = &page.events[..concerned.len()];
        self.load(memory, all_keys).await?;
        let skips = self.skips(memory).await?;
        let mut changes = Changes::default();
        let mut failed = None;
        let mut unread = None;
        let mut count = 0;
        for (event, keys) in concerned {
            consume_budget().await;
            let handled = self.handle_event((memory, &skips), &mut changes, (event, &keys));
            match handled.await {
                Ok(()) => count += 1,
                Err((_, Unhandled::Log(error))) => {
                    unread = Some(error);
                    break;
                }
                Err((key, Unhandled::Step(FailedStep { name, error }))) => {
                    let failure = FailedEvent::new(count, event, name, &error);
                    failed = Some(failure.of_id(key.to_owned()));
                    break;
                }
            }
        }
        let is_part = count < page.events.len();
        let last = events[..count].last();
        let to = match last {
            Some(last) if is_part => last.position,
            None if is_part => page.from,
            _ => page.to,
        };
        if !changes.instances.is_empty() {
            let written = self.view_changes(&changes)?;
            // Before the position moves, by which others tell whether there is something left to do.
            self.note_busy(true);
            checkpoint.commit(page, to, written).await?;
            self.committed(memory, changes);
        }
        if let Some(error) = unread {
            return Err(error.into());
        }
        Ok((count, failed))
    }

    /// Has all of these instances handle an event, or none of them. Returns the key of the one that fails.
    async fn handle_event<'e>(
        &self,
        (memory, skips): (&ProcessMemory, &Skips),
        changes: &mut Changes,
        (event, keys): (&Recorded, &[&'e str]),
    ) -> Result<(), (&'e str, Unhandled)> {
        let log = &*self.dispatcher.inner.log;
        let mut written = Vec::new();
        for key in keys {
            let earlier = changes.instances.get(*key);
            let instance = earlier.or_else(|| memory.instances.peek(*key));
            let handled_to = instance.map(|it| it.position).unwrap_or_default();
            let skipped = skips.after(key, handled_to);
            let handled = self.steps.handle(log, (key, &skipped), instance, event);
            let next = handled.await.map_err(|unhandled| (*key, unhandled))?;
            written.extend(next.map(|next| ((*key).to_owned(), next)));
        }
        changes.instances.extend(written);
        Ok(())
    }

    /// The events that operators have skipped, as of the last restart: a skip is one.
    pub(super) async fn skips(&self, memory: &mut ProcessMemory) -> Result<Arc<Skips>, StoreError> {
        if let Some(known) = &memory.skips {
            return Ok(known.clone());
        }
        let skips = match self.table.views.view_capabilities().shards {
            Some(shards) => Skips::new(shards.skipped(self.steps.subscription.clone()).await?),
            None => Skips::default(),
        };
        Ok(memory.skips.insert(Arc::new(skips)).clone())
    }

    /// Brings instances into memory.
    pub(super) async fn load(
        &self,
        memory: &mut ProcessMemory,
        keys: BTreeSet<String>,
    ) -> Result<()> {
        let known = |key: &String| memory.instances.contains(key);
        let missing: Vec<String> = keys.iter().filter(|key| !known(key)).cloned().collect();
        // Those that are known are needed together with them.
        for key in &keys {
            memory.instances.promote(key);
        }
        let loaded = self.table.load(missing.clone()).await?;
        for (key, instance) in missing.into_iter().zip(loaded) {
            if let Some(instance) = instance {
                memory.instances.put(key, instance);
            }
        }
        Ok(())
    }

    pub(super) fn view_changes(&self, changes: &Changes) -> Result<Vec<ViewChange>> {
        let model = &self.table.model;
        let written = changes.instances.iter().map(|(key, instance)| {
            if changes.deleted.contains(key) {
                Ok(instance.deletion(model, key))
            } else {
                instance.change(model, key)
            }
        });
        written.collect()
    }

    /// Takes the changes that are stored into memory.
    pub(super) fn committed(&self, memory: &mut ProcessMemory, changes: Changes) {
        for (key, instance) in changes.instances {
            if changes.deleted.contains(&key) {
                memory.timers.set(&key, None);
                memory.instances.pop(&key);
                continue;
            }
            memory.held.review(&key, Some(&instance));
            let due = memory.held.next_due(&instance);
            memory.timers.set(&key, due);
            if !instance.commands.is_empty() {
                memory.outbox.add(&key);
            }
            memory.instances.put(key, instance);
        }
        self.note_work(memory);
    }

    /// Notes whether there is something to do now, and has it done.
    pub(super) fn note_work(&self, memory: &ProcessMemory) {
        let now = self.now().unwrap_or(Timestamp::MIN);
        let is_due = memory.timers.first().is_some_and(|time| time <= now);
        self.note_busy(is_due || memory.firing > 0 || memory.outbox.is_busy());
        if memory.outbox.can_begin() || (is_due && memory.firing < MAX_FIRING) {
            self.reports.wake.notify_one();
        }
    }

    pub(super) fn note_busy(&self, is_busy: bool) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_busy {
            *busy = None;
        } else if busy.is_none() {
            *busy = Some(PendingCommands::new(self.dispatcher.inner.clone()));
        }
    }

    pub(super) async fn current_memory(&self) -> tokio::sync::MutexGuard<'_, ProcessMemory> {
        let mut memory = self.memory.lock().await;
        if self.is_stale.swap(false, Ordering::SeqCst) {
            memory.restart();
        }
        memory
    }
}

impl Follower for ProcessFollower {
    fn ends(&self, phase: Phase, _: Position) -> bool {
        phase != Phase::Running
    }

    fn restart(&self, _: bool) {
        self.is_stale.store(true, Ordering::SeqCst);
        // Until it has looked for that.
        self.note_busy(true);
    }

    fn span(&self, subscription: &str, events: &[Arc<Recorded>]) -> Span {
        let span = trace::conduct(subscription, events);
        let name = self.steps.entry.name;
        trace_context::relate(&span, ("conduct", name), events.iter().map(Arc::as_ref));
        span
    }

    fn upkeep(&self) -> Option<&dyn Upkeep> {
        Some(self)
    }

    fn handle<'a>(
        &'a self,
        page: SubscriptionPage<'a>,
        checkpoint: &'a mut HeldCheckpoint,
    ) -> BoxFuture<'a, Result<PageOutcome, Interruption>> {
        Box::pin(async move {
            let mut memory = self.current_memory().await;
            let mut rest = page;
            let mut done = 0;
            while !rest.events.is_empty() {
                let some = self.handle_some(&mut memory, (rest, &mut *checkpoint));
                let (count, failed) = some.await?;
                if let Some(failed) = failed {
                    let place = done + failed.place;
                    let FailedEvent { failure, .. } = failed;
                    return Ok(page.outcome(Some(FailedEvent { place, failure })));
                }
                done += count;
                rest = rest.after(count);
            }
            Ok(page.outcome(None))
        })
    }
}
