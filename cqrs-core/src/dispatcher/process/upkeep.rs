use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::follower::{Changes, MAX_FIRING, ProcessFollower};
use super::instance::{AnsweredCommand, Instance, PendingDeadline};
use super::memory::{ProcessMemory, UnsentPlace};
use super::sender::{HandledUpTo, Sender, TaskReport, Unsent};
use super::skips::Skips;
use super::table::KeyPage;
use super::timers::IndexRead;
use crate::Timestamp;
use crate::store::{BoxFuture, Position, Slices, StoreError};
use crate::subscription::{
    HeldCheckpoint, Interruption, NewerWork, OtherProcesses, Trouble, Upkeep, unless,
};

/// Longest time for which a timer is set. The worker looks again at least that often.
const MAX_TIMER: Duration = Duration::from_millis(250);

impl ProcessFollower {
    fn sender(&self) -> Sender {
        Sender {
            steps: self.steps.clone(),
            dispatcher: self.dispatcher.clone(),
            reports: self.reports.clone(),
        }
    }

    /// Whether the process is about to end, and nothing is to begin any more.
    fn is_draining(&self) -> bool {
        self.dispatcher.inner.lifecycle.is_draining()
    }

    /// Takes what tasks have come to, and has instances forget the commands that were carried out.
    async fn take_reports(
        &self,
        memory: &mut ProcessMemory,
        (handled, checkpoint): (Position, &mut HeldCheckpoint),
    ) -> Result<(), Interruption> {
        while memory.tasks.try_join_next().is_some() {}
        let mut sent: BTreeMap<String, Vec<AnsweredCommand>> = BTreeMap::new();
        let mut ended = Vec::new();
        let mut given_up = Vec::new();
        let mut postponed = BTreeSet::new();
        for report in self.reports.take() {
            match report {
                TaskReport::Sent(key, answered) => {
                    memory.outbox.progressed(&key);
                    sent.entry(key).or_default().push(answered);
                }
                TaskReport::Retried(key, attempts, error) => {
                    memory.outbox.failed(&key, attempts, error);
                }
                TaskReport::Ended(key, unsent) => {
                    given_up.extend(unsent.map(|unsent| (key.clone(), unsent)));
                    ended.push(key);
                }
                TaskReport::Fired => memory.firing -= 1,
                TaskReport::Postponed(key) => {
                    memory.firing -= 1;
                    postponed.insert(key);
                }
                TaskReport::Unfired(key, unsent) => {
                    memory.firing -= 1;
                    given_up.push((key, unsent));
                }
            }
        }
        let committed = self
            .forget_sent(memory, sent, (handled, &mut *checkpoint))
            .await;
        // Otherwise they would count as sending for ever.
        for key in &ended {
            memory.outbox.ended(key);
        }
        committed?;
        self.load(memory, postponed.clone()).await?;
        for key in postponed {
            let instance = memory.instances.peek(&key);
            let due = instance.and_then(|instance| memory.held.next_due(instance));
            memory.timers.set(&key, due);
        }
        // Those that have got more commands meanwhile.
        self.load(memory, ended.iter().cloned().collect()).await?;
        for key in ended {
            let instance = memory.instances.peek(&key);
            if instance.is_some_and(|instance| !instance.commands.is_empty()) {
                memory.outbox.add(&key);
            }
        }
        self.give_up(memory, given_up, (handled, checkpoint)).await
    }

    async fn forget_sent(
        &self,
        memory: &mut ProcessMemory,
        sent: BTreeMap<String, Vec<AnsweredCommand>>,
        (handled, checkpoint): (Position, &mut HeldCheckpoint),
    ) -> Result<(), Interruption> {
        self.load(memory, sent.keys().cloned().collect()).await?;
        let mut changes = Changes::default();
        for (key, commands) in sent {
            let Some(instance) = memory.instances.peek(&key) else {
                continue;
            };
            let mut next = instance.clone();
            for answered in &commands {
                next.forget_command(answered);
            }
            changes.instances.insert(key, next);
        }
        self.commit_between(memory, changes, (handled, checkpoint))
            .await
    }

    /// Parks the instances whose commands or deadlines keep failing. Those that need a newer program are held before.
    async fn give_up(
        &self,
        memory: &mut ProcessMemory,
        given_up: Vec<(String, Unsent)>,
        (handled, checkpoint): (Position, &mut HeldCheckpoint),
    ) -> Result<(), Interruption> {
        if given_up.is_empty() {
            return Ok(());
        }
        let skips = self.skips(memory).await?;
        let mut is_parked = false;
        for (key, unsent) in given_up {
            let Unsent {
                error,
                id,
                is_outdated,
            } = unsent;
            self.load(memory, BTreeSet::from([key.clone()])).await?;
            let Some(instance) = memory.instances.peek(&key) else {
                continue;
            };
            // A deadline may have been canceled or moved meanwhile.
            let is_gone = id.is_some_and(|id| !instance.has_effect(id));
            if is_gone || checkpoint.is_parked(&key) {
                let own = Some(instance).filter(|_| is_gone);
                memory.held.review(&key, own);
                continue;
            }
            let name = self.steps.entry.name;
            let text = format!("`{name}` failed: {error}");
            let first = instance.cause_of(id).unwrap_or(instance.position);
            if let Some(id) = id.filter(|_| is_outdated) {
                let work = NewerWork {
                    position: first,
                    error: text.clone(),
                    effect_of: Some(key.clone()),
                };
                let patience = self.dispatcher.inner.limits.retry_for;
                let looks = checkpoint.look_for_others();
                let is_over = memory
                    .held
                    .hold((&key, id), work.clone(), (looks, patience));
                let due = memory.held.next_due(instance);
                memory.timers.set(&key, due);
                match (checkpoint.others(), is_over) {
                    (OtherProcesses::None, true) => {}
                    (OtherProcesses::New, _) | (OtherProcesses::Tried, true) => {
                        return Err(Interruption::Outdated(work));
                    }
                    (OtherProcesses::None | OtherProcesses::Tried, false) => continue,
                }
            }
            let mut next = instance.clone();
            next.park(&key, (first, id), &skips);
            let changes = vec![next.change(&self.table.model, &key)?];
            if !checkpoint
                .park_from(handled, (key.clone(), first), (text, changes))
                .await?
            {
                return Err(Interruption::Failed(error));
            }
            memory.held.review(&key, None);
            is_parked = true;
        }
        if is_parked {
            return Err(Interruption::KeyParked);
        }
        Ok(())
    }

    /// Tries what needs a newer program again, or leaves it to one that has come meanwhile.
    async fn try_held(
        &self,
        memory: &mut ProcessMemory,
        checkpoint: &HeldCheckpoint,
    ) -> Result<(), Interruption> {
        if let Some(work) = memory.held.first()
            && checkpoint.others() == OtherProcesses::New
        {
            return Err(Interruption::Outdated(work.clone()));
        }
        let keys = memory.held.take_due(Instant::now());
        self.load(memory, keys.clone()).await?;
        for key in keys {
            let instance = memory.instances.peek(&key);
            let sending = instance.filter(|_| !checkpoint.is_parked(&key));
            memory.held.review(&key, sending);
            if let Some(instance) = sending {
                let due = memory.held.next_due(instance);
                memory.timers.set(&key, due);
                if !instance.commands.is_empty() {
                    memory.outbox.add(&key);
                }
            }
        }
        Ok(())
    }

    async fn commit_between(
        &self,
        memory: &mut ProcessMemory,
        changes: Changes,
        (handled, checkpoint): (Position, &mut HeldCheckpoint),
    ) -> Result<(), Interruption> {
        if !changes.instances.is_empty() {
            let written = self.view_changes(&changes)?;
            checkpoint.commit_between(handled, written).await?;
            self.committed(memory, changes);
        }
        Ok(())
    }

    /// Reads from the indexes what is to be done next.
    async fn read_indexes(
        &self,
        memory: &mut ProcessMemory,
        checkpoint: &HeldCheckpoint,
    ) -> Result<(), Interruption> {
        // Before the instances with commands to send.
        self.skips(memory).await?;
        let slices = checkpoint.slices();
        let is_own = |key: &str| slices.contains(Slices::of_tag(key)) && !checkpoint.is_parked(key);
        while let Some(place) = memory.unsent.take_if(|_| memory.outbox.has_room()) {
            let after = match place {
                UnsentPlace::Start => None,
                UnsentPlace::After(key) => Some(key),
            };
            let KeyPage { keys, has_more } = self.table.unsent(after).await?;
            let last = keys.last().cloned();
            memory.unsent = last.filter(|_| has_more).map(UnsentPlace::After);
            for key in keys.iter().filter(|key| is_own(key)) {
                memory.outbox.add(key);
            }
        }
        while let Some(known) = memory.timers.to_read() {
            let after = match known {
                IndexRead::UpTo(time, key) => Some((*time, key.clone())),
                IndexRead::Nothing | IndexRead::All => None,
            };
            let page = self.table.due(after).await?;
            let known = match page.keys.last() {
                Some((key, time)) if page.has_more => IndexRead::UpTo(*time, key.clone()),
                _ => IndexRead::All,
            };
            let keys = page.keys.into_iter().filter(|(key, _)| is_own(key));
            memory.timers.extend(keys, known);
        }
        Ok(())
    }

    /// Has instances send their commands.
    async fn send(
        &self,
        memory: &mut ProcessMemory,
        (handled, checkpoint): (Position, &mut HeldCheckpoint),
    ) -> Result<(), Interruption> {
        let keys = memory.outbox.begin();
        if let Err(error) = self.load(memory, keys.iter().cloned().collect()).await {
            for key in &keys {
                memory.outbox.ended(key);
            }
            return Err(error.into());
        }
        let skips = self.skips(memory).await?;
        let mut changes = Changes::default();
        for key in keys {
            let instance = memory.instances.peek(&key);
            let Some(instance) = instance.filter(|_| !checkpoint.is_parked(&key)) else {
                memory.outbox.ended(&key);
                continue;
            };
            let mut next = instance.clone();
            if next.forget_parked(&key, &skips) {
                // What is left is sent after that.
                memory.outbox.ended(&key);
                changes.instances.insert(key, next);
                continue;
            }
            // They are sent in order.
            let mut ids = next.commands.iter().map(|command| command.id);
            if next.commands.is_empty() || ids.any(|id| memory.held.is_waiting(id)) {
                memory.outbox.ended(&key);
            } else {
                let task = self.sender().send_all(key, next.commands);
                memory.tasks.spawn(task);
            }
        }
        self.commit_between(memory, changes, (handled, checkpoint))
            .await
    }

    /// The instance without deadlines that nothing is left to wait for: an upcaster leaves out the event, it was
    /// recorded and skipped, or it was skipped since it could not be recorded. `None` if it has none of these.
    async fn without_deadlines(
        &self,
        skips: &Skips,
        key: &str,
        instance: &Instance,
    ) -> Result<Option<Instance>, StoreError> {
        let mut next = instance.clone();
        let is_skipped = next.forget_parked(key, skips);
        let is_left_out = |it: &PendingDeadline| self.steps.deadline_event(it).is_none();
        next.deadlines.retain(|it| !is_left_out(it));
        let log = &*self.dispatcher.inner.log;
        let skipped = skips.after(key, instance.position);
        self.steps
            .forget_skipped(log, key, &mut next, skipped)
            .await?;
        let is_changed = is_skipped || next.deadlines.len() < instance.deadlines.len();
        Ok(is_changed.then_some(next))
    }

    /// Records the events of deadlines that are due, and deletes instances some time after their end.
    async fn fire(
        &self,
        memory: &mut ProcessMemory,
        (handled, checkpoint): (Position, &mut HeldCheckpoint),
    ) -> Result<(), Interruption> {
        let now = self.now()?;
        let max = MAX_FIRING.saturating_sub(memory.firing);
        let keys = memory.timers.take_due(now, max);
        if keys.is_empty() {
            return Ok(());
        }
        self.load(memory, keys.iter().cloned().collect()).await?;
        let skips = self.skips(memory).await?;
        let mut changes = Changes::default();
        for key in keys.into_iter().filter(|key| !checkpoint.is_parked(key)) {
            let Some(instance) = memory.instances.peek(&key) else {
                continue;
            };
            // Otherwise, what it waits for sets the timer again.
            let is_expired = instance.expires.is_some_and(|time| time <= now);
            if is_expired && instance.is_over(handled) {
                changes.instances.insert(key.clone(), instance.clone());
                changes.deleted.insert(key);
                continue;
            }
            let mut due = instance.deadlines.clone();
            due.retain(|it| it.due <= now && !memory.held.is_waiting(it.id));
            if let Some(next) = self.without_deadlines(&skips, &key, instance).await? {
                changes.instances.insert(key, next);
                continue;
            }
            let after = HandledUpTo {
                position: instance.position.max(handled),
                incarnation: checkpoint.incarnation(),
            };
            if due.is_empty() && !is_expired {
                let next = memory.held.next_due(instance);
                memory.timers.set(&key, next);
            }
            for deadline in due {
                memory.firing += 1;
                let task = self.sender().fire(key.clone(), deadline, after);
                memory.tasks.spawn(task);
            }
        }
        self.commit_between(memory, changes, (handled, checkpoint))
            .await
    }
}

impl Upkeep for ProcessFollower {
    fn wait(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if self.is_stale.load(Ordering::SeqCst) {
                return;
            }
            let memory = self.memory.lock().await;
            // Otherwise the end of a task wakes it.
            let first = memory.timers.first().filter(|_| memory.firing < MAX_FIRING);
            let held = memory.held.next();
            drop(memory);
            let held_timer = async {
                match held {
                    // A newer program may come before.
                    Some(next) => sleep_until(next.min(Instant::now() + MAX_TIMER)).await,
                    None => pending().await,
                }
            };
            let timer = async {
                let now = self.now().unwrap_or(Timestamp::MIN);
                let left = first.and_then(|time| Duration::try_from(time.duration_since(now)).ok());
                match (first, left) {
                    (Some(_), Some(left)) if left <= MAX_TIMER => sleep(left).await,
                    (None, _) | (_, Some(_)) => pending().await,
                    // It is due.
                    (Some(_), None) => {}
                }
            };
            let _ = unless(held_timer, unless(timer, self.reports.wake.notified())).await;
        })
    }

    fn run<'a>(
        &'a self,
        handled: Position,
        checkpoint: &'a mut HeldCheckpoint,
    ) -> BoxFuture<'a, Result<(), Interruption>> {
        Box::pin(async move {
            let mut memory = self.current_memory().await;
            self.take_reports(&mut memory, (handled, &mut *checkpoint))
                .await?;
            if !self.is_draining() {
                self.try_held(&mut memory, checkpoint).await?;
                self.read_indexes(&mut memory, checkpoint).await?;
                self.send(&mut memory, (handled, &mut *checkpoint)).await?;
                self.fire(&mut memory, (handled, checkpoint)).await?;
            }
            self.note_work(&memory);
            Ok(())
        })
    }

    fn trouble(&self) -> Option<Trouble> {
        // Held by nobody while the worker is between two pages.
        let memory = self.memory.try_lock().ok()?;
        let patience = self.dispatcher.inner.limits.stuck_after;
        let held = memory.held.first().map(|work| work.error.clone());
        let outdated = held.map(Trouble::Outdated);
        outdated.or_else(|| memory.outbox.trouble(patience))
    }

    fn leave(&self) {
        self.note_busy(false);
        // The worker is not at a page.
        if let Ok(mut memory) = self.memory.try_lock() {
            memory.held.clear();
        }
    }

    fn finish(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut tasks = std::mem::take(&mut self.memory.lock().await.tasks);
            while tasks.join_next().await.is_some() {}
        })
    }
}
