//! The store in memory: every contract of a store, each a few lines that answer from one locked value. Apart from
//! each other, they would share all of its private data, so the file is over 500 lines.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::RangeBounds;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

use super::conflict_window::ConflictWindow;
use super::decider::{Decider, Question};
use super::shard_table::ShardTable;
use super::{
    Append, AppendError, Appended, Attendance, BoxFuture, Capabilities, Checkpoint, Claim,
    Division, Epoch, EventLog, EventPage, EventQuery, EventQueryItem, EventType, Halt, Heads,
    Incarnation, IndexRange, KeyRelease, Limits, ModelSchema, ParkedKey, Position,
    ProjectionVersion, ReadRange, Recorded, Relocation, Replacement, ReplacementOutcome, Roster,
    Shard, ShardState, ShardStore, SkippedEvent, SortKey, StateKey, StateStore, StoreError,
    StoredCommand, StoredState, Tag, TypeCounts, VersionChange, VersionRemoval, VersionStore,
    ViewBatch, ViewCapabilities, ViewCommitError, ViewPage, ViewScan, ViewStore, WorkerId,
};
use crate::CommandId;

/// An in-memory event log and view store, for tests and for data that may be lost with the process.
/// Keeps every promise except durability. Clones share the same data.
#[derive(Clone)]
pub struct Memory {
    data: Arc<Mutex<Data>>,
    heads: Heads,
    limits: Limits,
}

#[derive(Default)]
struct Data {
    events: Vec<Arc<Recorded>>,
    tagged: HashMap<Tag, Vec<Position>>,
    commands: CommandRecords,
    states: HashMap<StateKey, StoredState>,
    /// Tracks the appends that others may follow. Holds no events, since the log itself is in
    /// memory.
    window: ConflictWindow,
    views: HashMap<String, BTreeMap<String, IndexedView>>,
    shards: ShardTable,
    /// The versions of projections, by the name.
    versions: HashMap<String, Vec<ProjectionVersion>>,
}

/// The records of commands. Most ids were assigned by a dispatcher for their very call and are never
/// looked up, so their records enter the index with the next lookup.
#[derive(Default)]
struct CommandRecords {
    index: HashMap<CommandId, StoredCommand>,
    unindexed: Vec<(CommandId, StoredCommand)>,
}

struct IndexedView {
    body: Vec<u8>,
    sort_keys: Vec<SortKey>,
}

impl IndexedView {
    fn is_within(&self, range: &IndexRange) -> bool {
        let bounds = (range.from.as_ref(), range.to.as_ref());
        let key = self.sort_keys.get(range.index);
        key.is_some_and(|key| bounds.contains(key))
    }

    /// Whether the view comes after the place at which the result of a scan begins.
    fn is_after(&self, key: &String, scan: &ViewScan) -> bool {
        let Some(after) = &scan.after else {
            return true;
        };
        let sort_key = scan.order.and_then(|order| self.sort_keys.get(order));
        match (sort_key, key).cmp(&(after.sort_key.as_ref(), &after.key)) {
            Ordering::Less => scan.descending,
            Ordering::Equal => false,
            Ordering::Greater => !scan.descending,
        }
    }
}

impl Memory {
    /// Creates an empty store.
    pub fn new() -> Self {
        Self {
            data: Arc::default(),
            heads: Heads::new(Position::START),
            limits: Limits::default(),
        }
    }

    /// Maximum size in bytes of the events and states of one command. Defaults to 64 MiB.
    #[must_use]
    pub fn max_append(mut self, bytes: usize) -> Self {
        self.limits.append = bytes;
        self
    }

    /// No user code runs while the lock is held, so a poisoned lock still guards consistent data.
    fn lock(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl EventLog for Memory {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        let result = self.lock().append(append);
        // Outside of the lock, since it wakes followers. Two appends may come here in either order:
        // the head is only raised.
        if let Ok(appended) = &result {
            self.heads.advance(appended.last);
        }
        Box::pin(std::future::ready(result))
    }

    fn read(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<EventPage, StoreError>> {
        let page = self.lock().read(&query, range);
        Box::pin(std::future::ready(Ok(page)))
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        let command = self.lock().commands.find(id);
        Box::pin(std::future::ready(Ok(command)))
    }

    fn heads(&self) -> &Heads {
        &self.heads
    }

    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities::default()
            .states(self)
            .pipelining()
            .several_boundaries()
            .contiguous()
            .ordered_times()
            .type_counts(self)
            .limits(self.limits)
    }
}

impl StateStore for Memory {
    fn states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StoredState>>, StoreError>> {
        let data = self.lock();
        let states = keys
            .iter()
            .map(|key| data.states.get(key).cloned())
            .collect();
        Box::pin(std::future::ready(Ok(states)))
    }
}

impl TypeCounts for Memory {
    fn other_types(
        &self,
        known: Vec<&'static str>,
        limit: u64,
    ) -> BoxFuture<'_, Result<Vec<(EventType, u64)>, StoreError>> {
        let mut counts = BTreeMap::new();
        for event in &self.lock().events {
            let event_type = &event.data.event_type;
            if !known.contains(&event_type.as_str()) {
                let count: &mut u64 = counts.entry(event_type.clone()).or_default();
                *count = limit.min(*count + 1);
            }
        }
        Box::pin(std::future::ready(Ok(counts.into_iter().collect())))
    }
}

impl ViewStore for Memory {
    fn prepare(&self, models: Vec<ModelSchema>) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut data = self.lock();
        for model in models {
            data.views.entry(model.table).or_default();
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn checkpoint(&self, shard: &Shard) -> BoxFuture<'_, Result<Option<Checkpoint>, StoreError>> {
        let checkpoint = self.lock().shards.checkpoint(shard);
        Box::pin(std::future::ready(Ok(checkpoint)))
    }

    fn commit(&self, batch: ViewBatch) -> BoxFuture<'_, Result<(), ViewCommitError>> {
        let result = self.lock().commit(batch);
        Box::pin(std::future::ready(result))
    }

    fn load(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        let data = self.lock();
        let views = data.views.get(&model.table);
        let bodies = keys
            .iter()
            .map(|key| Some(views?.get(key)?.body.clone()))
            .collect();
        Box::pin(std::future::ready(Ok(bodies)))
    }

    fn scan(&self, scan: ViewScan) -> BoxFuture<'_, Result<ViewPage, StoreError>> {
        let page = self.lock().scan(&scan);
        Box::pin(std::future::ready(Ok(page)))
    }

    fn view_capabilities(&self) -> ViewCapabilities<'_> {
        let is_private = Arc::strong_count(&self.data) == 1;
        ViewCapabilities::default()
            .shards(self)
            .versions(self)
            .private(is_private)
    }
}

impl ShardStore for Memory {
    fn attend(&self, attendance: Attendance) -> BoxFuture<'_, Result<Roster, StoreError>> {
        let roster = self.lock().shards.attend(attendance);
        Box::pin(std::future::ready(Ok(roster)))
    }

    fn claim(
        &self,
        worker: WorkerId,
        claims: Vec<Claim>,
    ) -> BoxFuture<'_, Result<Vec<Option<Epoch>>, StoreError>> {
        let shards = &mut self.lock().shards;
        let claimed = claims.into_iter().map(|claim| shards.claim(worker, claim));
        let epochs = claimed.collect();
        Box::pin(std::future::ready(Ok(epochs)))
    }

    fn release(
        &self,
        worker: WorkerId,
        shards: Vec<Shard>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.lock().shards.release(worker, &shards);
        Box::pin(std::future::ready(Ok(())))
    }

    fn leave(&self, worker: WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        self.lock().shards.leave(worker);
        Box::pin(std::future::ready(Ok(())))
    }

    fn shards(&self, subscription: String) -> BoxFuture<'_, Result<Vec<ShardState>, StoreError>> {
        let states = self.lock().shards.shards_of(&subscription);
        Box::pin(std::future::ready(Ok(states)))
    }

    fn halt(
        &self,
        shard: Shard,
        halt: Halt,
        epoch: Option<Epoch>,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        let is_halted = self.lock().shards.halt(&shard, halt, epoch);
        Box::pin(std::future::ready(Ok(is_halted)))
    }

    fn resume(&self, shard: Shard, from_pause: bool) -> BoxFuture<'_, Result<bool, StoreError>> {
        let is_resumed = self.lock().shards.resume(&shard, from_pause);
        Box::pin(std::future::ready(Ok(is_resumed)))
    }

    fn relocate(&self, relocation: Relocation) -> BoxFuture<'_, Result<bool, StoreError>> {
        let moved = self.lock().shards.relocate(relocation);
        Box::pin(std::future::ready(Ok(moved)))
    }

    fn seize(
        &self,
        worker: WorkerId,
        subscription: String,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        let is_any_seized = self.lock().shards.seize(worker, &subscription);
        Box::pin(std::future::ready(Ok(is_any_seized)))
    }

    fn divide(&self, division: Division) -> BoxFuture<'_, Result<bool, StoreError>> {
        let is_divided = self.lock().shards.divide(&division);
        Box::pin(std::future::ready(Ok(is_divided)))
    }

    fn skipped(
        &self,
        subscription: String,
    ) -> BoxFuture<'_, Result<Vec<SkippedEvent>, StoreError>> {
        let skipped = self.lock().shards.skipped(&subscription);
        Box::pin(std::future::ready(Ok(skipped)))
    }

    fn parked(&self, shard: Shard) -> BoxFuture<'_, Result<Vec<ParkedKey>, StoreError>> {
        let parked = self.lock().shards.parked(&shard);
        Box::pin(std::future::ready(Ok(parked)))
    }

    fn release_keys(&self, release: KeyRelease) -> BoxFuture<'_, Result<u64, StoreError>> {
        let released = self.lock().shards.release_keys(release);
        Box::pin(std::future::ready(Ok(released)))
    }
}

impl VersionStore for Memory {
    fn versions(
        &self,
        projection: String,
    ) -> BoxFuture<'_, Result<Vec<ProjectionVersion>, StoreError>> {
        let versions = self.lock().versions.get(&projection).cloned();
        Box::pin(std::future::ready(Ok(versions.unwrap_or_default())))
    }

    fn change_versions(
        &self,
        change: VersionChange,
    ) -> BoxFuture<'_, Result<Vec<ProjectionVersion>, StoreError>> {
        let mut data = self.lock();
        let versions = data.versions.entry(change.projection.clone()).or_default();
        if let Some(changed) = change.apply(versions) {
            *versions = changed;
        }
        Box::pin(std::future::ready(Ok(versions.clone())))
    }

    fn remove_version(&self, removal: VersionRemoval) -> BoxFuture<'_, Result<bool, StoreError>> {
        let is_removed = self.lock().remove_version(&removal);
        Box::pin(std::future::ready(Ok(is_removed)))
    }

    fn replace_views(
        &self,
        replacement: Replacement,
    ) -> BoxFuture<'_, Result<ReplacementOutcome, StoreError>> {
        let outcome = self.lock().replace_views(&replacement);
        Box::pin(std::future::ready(Ok(outcome)))
    }
}

impl Data {
    fn remove_version(&mut self, removal: &VersionRemoval) -> bool {
        let mut subscriptions = removal.subscriptions.iter();
        if subscriptions.any(|it| self.shards.is_attended(it)) {
            return false;
        }
        let Some(versions) = self.versions.get_mut(&removal.projection) else {
            return false;
        };
        let Some(left) = removal.apply(versions) else {
            return false;
        };
        *versions = left;
        for subscription in &removal.subscriptions {
            self.shards.forget(subscription);
        }
        for table in &removal.tables {
            self.views.remove(table);
        }
        true
    }

    fn replace_views(&mut self, replacement: &Replacement) -> ReplacementOutcome {
        if !self.shards.replace(replacement) {
            return ReplacementOutcome::Refused;
        }
        for (model, rebuilt) in &replacement.models {
            let views = self.views.remove(rebuilt).unwrap_or_default();
            self.views.insert(model.table.clone(), views);
        }
        ReplacementOutcome::Replaced
    }

    fn head(&self) -> Position {
        Position::new(self.events.len() as u64)
    }

    fn append(&mut self, mut append: Append) -> Result<Appended, AppendError> {
        // Before the boundaries (I6): the events that now conflict may be this command's own.
        if let Some(stored) = self.commands.repeated_by(&append) {
            return stored.replay(append.command, append.fingerprint);
        }
        self.decide(&append)?;
        // Nothing fails from here on, and the caller holds the lock, so the append is all or
        // nothing (I1).
        let head = self.head();
        // Recorded times never decrease along the log, even if the clocks of callers differ.
        let time = self
            .events
            .last()
            .map_or(append.time, |last| last.meta.time.max(append.time));
        let appended = append.appended(head, time);
        if let Some(token) = append.token {
            self.window.record(token, appended.last);
        }
        // An append without events records its id, too, so that a repeated one has the same effect:
        // none.
        let stored = StoredCommand::new(append.fingerprint, appended.first, appended.count);
        self.commands.add(&append, stored);
        for write in std::mem::take(&mut append.states) {
            let state = StoredState {
                body: write.body,
                position: appended.last,
            };
            self.states.insert(write.key, state);
        }
        for event in append.record(head, time) {
            for tag in &event.data.tags {
                match self.tagged.get_mut(tag) {
                    Some(positions) => positions.push(event.position),
                    None => {
                        self.tagged.insert(tag.clone(), vec![event.position]);
                    }
                }
            }
            self.events.push(Arc::new(event));
        }
        // The window has no events, so each boundary before the head becomes a question for
        // `latest`.
        self.window.skip_to(appended.last);
        Ok(appended)
    }

    fn decide(&self, append: &Append) -> Result<(), AppendError> {
        let decider = Decider {
            // The log lives and ends with the process, so it is never replaced.
            incarnation: Incarnation::default(),
            head: self.head(),
            window: &self.window,
        };
        for boundary in &append.boundaries {
            if let Some(question) = decider.check_boundary(boundary)? {
                self.settle(question)?;
            }
        }
        let mut states = append.states.iter().map(Question::State);
        states.try_for_each(|question| self.settle(question))
    }

    fn settle(&self, question: Question<'_>) -> Result<(), AppendError> {
        let answer = match question {
            Question::Match { fail_if, after, .. } => self.latest(fail_if, after),
            Question::State(write) => self.states.get(&write.key).map(|state| state.position),
        };
        question.settle(answer)
    }

    /// The position of a matching event after `after`, if there is one.
    fn latest(&self, query: &EventQuery, after: Position) -> Option<Position> {
        // The head itself is an event, unless the log is empty, and then nothing is after `after`.
        let any = Some(self.head()).filter(|head| *head > after);
        let EventQuery::Items(items) = query else {
            return any;
        };
        items.iter().find_map(|item| self.latest_of(item, after))
    }

    /// The position of the latest event after `after` that the item matches. Searches from the head
    /// back: the events that conflict are recent.
    fn latest_of(&self, item: &EventQueryItem, after: Position) -> Option<Position> {
        let Some(tag) = item.tags.first() else {
            let mut events = self.slice(after, self.head()).iter().rev();
            let found = events.find(|event| item.matches_event(event));
            return found.map(|event| event.position);
        };
        // An event that matches has all tags of the item, so it is among those with the first.
        let positions = self.tagged.get(tag)?.iter().rev().copied();
        positions
            .take_while(|position| *position > after)
            .find(|position| {
                let event = self.event(*position);
                event.is_some_and(|event| item.matches_event(event))
            })
    }

    fn read(&self, query: &EventQuery, range: ReadRange) -> EventPage {
        let head = self.head();
        let as_of = range.up_to.map_or(head, |up_to| up_to.min(head));
        let mut events = match query {
            EventQuery::All => {
                // One more than the limit tells whether there is another page.
                let events = self.slice(range.after, as_of).iter();
                let limit = range.limit.max(1).saturating_add(1);
                events.take(limit).cloned().collect()
            }
            EventQuery::Items(items) => self.matching(items, range, as_of),
        };
        // The event that exceeds the size in bytes is still part of the page, so that a page is
        // never empty because of a large event.
        let mut room = range.room();
        let fits = events.iter().take_while(|event| {
            let fits = !room.is_full();
            room.take(event.size());
            fits
        });
        let count = fits.count();
        let more = events.len() > count;
        events.truncate(count);
        let next = events.last().filter(|_| more).map(|event| event.position);
        EventPage {
            events,
            as_of,
            next,
        }
    }

    /// The events in `(after, up_to]`.
    fn slice(&self, after: Position, up_to: Position) -> &[Arc<Recorded>] {
        // Position 1 is at index 0, so a position is the index of the event after it.
        let place = |position: Position| usize::try_from(position.get()).unwrap_or(usize::MAX);
        let range = place(after)..place(up_to);
        self.events.get(range).unwrap_or_default()
    }

    /// The events in the range that any item matches, up to one more than the limit, which tells
    /// whether there is another page.
    fn matching(
        &self,
        items: &[EventQueryItem],
        range: ReadRange,
        as_of: Position,
    ) -> Vec<Arc<Recorded>> {
        let limit = range.limit.max(1).saturating_add(1);
        let mut found = Vec::new();
        for item in items {
            let candidates = self.candidates(item, range.after, as_of);
            let matching = candidates.filter(|event| item.matches_event(event));
            // The first `limit` of all items together are among the first `limit` of each.
            found.extend(matching.take(limit).cloned());
        }
        // An event that several items match is found several times.
        found.sort_unstable_by_key(|event| event.position);
        found.dedup_by_key(|event| event.position);
        found.truncate(limit);
        found
    }

    /// A superset of the events in `(after, up_to]` that the item matches, in order.
    fn candidates(
        &self,
        item: &EventQueryItem,
        after: Position,
        up_to: Position,
    ) -> impl Iterator<Item = &Arc<Recorded>> {
        // An event that matches has all tags of the item, so it is among those with the first.
        let tagged = item.tags.first().map(|tag| {
            let all = self.tagged.get(tag).map_or(&[][..], Vec::as_slice);
            all.get(count_up_to(all, after)..count_up_to(all, up_to))
                .unwrap_or_default()
        });
        let untagged = tagged.is_none().then(|| self.slice(after, up_to));
        tagged
            .into_iter()
            .flatten()
            .filter_map(|position| self.event(*position))
            .chain(untagged.into_iter().flatten())
    }

    fn event(&self, position: Position) -> Option<&Arc<Recorded>> {
        self.events
            .get(usize::try_from(position.get()).ok()?.checked_sub(1)?)
    }

    fn commit(&mut self, batch: ViewBatch) -> Result<(), ViewCommitError> {
        // The fence (V2): of two workers at one checkpoint, only the first one writes, and of two
        // owners of a shard only the last one.
        self.shards.commit(&batch)?;
        for change in batch.changes {
            let views = self.views.entry(change.model.table.clone()).or_default();
            match change.view {
                Some((body, sort_keys)) => {
                    views.insert(change.key, IndexedView { body, sort_keys });
                }
                None => {
                    views.remove(&change.key);
                }
            }
        }
        Ok(())
    }

    /// The views within all ranges, in the order of their keys.
    fn within<'a>(
        &'a self,
        scan: &'a ViewScan,
    ) -> impl Iterator<Item = (&'a String, &'a IndexedView)> {
        let views = self.views.get(&scan.model.table).into_iter().flatten();
        views.filter(|(key, view)| {
            let is_inside = scan.ranges.iter().all(|range| view.is_within(range));
            is_inside && view.is_after(key, scan)
        })
    }

    fn scan(&self, scan: &ViewScan) -> ViewPage {
        let mut found: Vec<_> = self.within(scan).collect();
        let total = scan.with_total.then_some(found.len() as u64);
        // The views come in the order of keys, and the sort is stable, so that ties stay in that
        // order. A descending scan reverses them as well.
        if let Some(order) = scan.order {
            found.sort_by(|(_, a), (_, b)| a.sort_keys.get(order).cmp(&b.sort_keys.get(order)));
        }
        if scan.descending {
            found.reverse();
        }
        let skip = usize::try_from(scan.skip).unwrap_or(usize::MAX);
        let take = usize::try_from(scan.take).unwrap_or(usize::MAX);
        let page = found.into_iter().skip(skip).take(take);
        ViewPage {
            rows: page
                .map(|(key, view)| (key.clone(), view.body.clone()))
                .collect(),
            total,
        }
    }
}

impl CommandRecords {
    fn add(&mut self, append: &Append, command: StoredCommand) {
        if append.has_given_id {
            self.index.insert(append.command, command);
        } else {
            self.unindexed.push((append.command, command));
        }
    }

    /// The record of the command that this append repeats, if there is one.
    fn repeated_by(&mut self, append: &Append) -> Option<StoredCommand> {
        if append.has_given_id {
            return self.find(append.command);
        }
        // An id that was assigned for this call was recorded only if a repetition, whose id is
        // given, has overtaken the call. Such a record is in the index.
        self.index.get(&append.command).copied()
    }

    fn find(&mut self, id: CommandId) -> Option<StoredCommand> {
        self.index.extend(self.unindexed.drain(..));
        self.index.get(&id).copied()
    }
}

/// The number of positions up to and including `limit`, in a list in ascending order.
fn count_up_to(positions: &[Position], limit: Position) -> usize {
    match positions.last() {
        // Most searches are about the newest events, so the end is compared first.
        Some(last) if *last > limit => positions.partition_point(|position| *position <= limit),
        _ => positions.len(),
    }
}
