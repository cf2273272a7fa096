//! A log in memory that breaks one promise.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use cqrs_conformance::LogFixture;
use cqrs_core::store::{
    Append, AppendError, Appended, Boundary, BoxFuture, Capabilities, CustomMetadata, EventData,
    EventLog, EventPage, EventQuery, EventType, FoldReads, Heads, ReadRange, StoreError,
    StoredCommand, TailReads, TypeCounts,
};
use cqrs_core::{CommandId, Memory, Position, Timestamp};

/// The promise that a log breaks, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LogFault {
    UsesUpIds,
    LosesStates,
    IndexesOneTag,
    IgnoresBoundaries,
    ChecksOneBoundary,
    IgnoresTickets,
    FollowsBlindly,
    ChecksOneItem,
    ChecksTooEarly,
    ForgetsOldEvents,
    LeavesGaps,
    SkipsPositions,
    ShowsLate,
    AsOfRunsAhead,
    ForgetsIds,
    IgnoresBodies,
    ComparesHalfOfBodies,
    ForgetsOldIds,
    RemembersUnknownIds,
    LosesCauses,
    LosesCustomMetadata,
    MixesCustomMetadata,
    DropsEqualEvents,
    ChecksFewTypes,
    ChecksFewTags,
    ChecksFewBoundaries,
    LosesTheLastEvent,
    TakesAnyPosition,
    ConflictsByTypeAlone,
    ConflictsWhenStale,
    KnowsOnlyItself,
    KeepsTextOnly,
    SpreadsPoison,
    MatchesAnyTag,
    CutsReadsShort,
    FillsPagesWithoutEnd,
    HandsOverGaps,
    FoldsTooLittle,
    KeepsSentTimes,
    LeavesOutRareTypes,
}

/// The data of a faulty log, shared by its handles.
pub struct BrokenLog {
    data: Memory,
    fault: LogFault,
    shared: Arc<Shared>,
    handles: Mutex<Weak<()>>,
}

#[derive(Default)]
struct Shared {
    poisoned: AtomicBool,
    /// The position of an event that a restart lost.
    lost: AtomicU64,
    /// Ids that were asked for in vain.
    unknown: Mutex<HashSet<CommandId>>,
    /// The times of appends, by the position of their last event.
    sent: Mutex<BTreeMap<Position, Timestamp>>,
    /// That of the last append.
    metadata: Mutex<CustomMetadata>,
}

pub struct FaultyLog {
    data: Memory,
    fault: LogFault,
    shared: Arc<Shared>,
    /// The last position that this handle wrote.
    known: AtomicU64,
    _handle: Arc<()>,
}

impl BrokenLog {
    pub fn new(fault: LogFault) -> Self {
        let (data, shared) = (Memory::new(), Arc::default());
        Self {
            data,
            fault,
            shared,
            handles: Mutex::default(),
        }
    }

    /// A handle, and whether it is the first one since a restart.
    fn handle(&self) -> (Arc<()>, bool) {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = handles.upgrade() {
            return (handle, false);
        }
        let handle = Arc::new(());
        *handles = Arc::downgrade(&handle);
        (handle, true)
    }
}

impl LogFixture for BrokenLog {
    type Log = FaultyLog;

    async fn open_log(&self) -> FaultyLog {
        let (handle, restarted) = self.handle();
        if restarted && self.fault == LogFault::LosesTheLastEvent {
            self.shared
                .lost
                .store(self.data.heads().position().get(), Ordering::Relaxed);
        }
        let (data, shared) = (self.data.clone(), self.shared.clone());
        FaultyLog {
            data,
            fault: self.fault,
            shared,
            known: AtomicU64::default(),
            _handle: handle,
        }
    }
}

/// The type of events that only take up a position.
const GAP: EventType = EventType::new("gap");

impl FaultyLog {
    fn head(&self) -> Position {
        self.data.heads().position()
    }

    fn metadata(&self) -> MutexGuard<'_, CustomMetadata> {
        let metadata = &self.shared.metadata;
        metadata.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> Position {
        Position::new(self.known.load(Ordering::Relaxed))
    }

    async fn append_badly(&self, mut append: Append) -> Result<Appended, AppendError> {
        let head = self.head();
        match self.fault {
            LogFault::LosesStates => append.states.clear(),
            LogFault::IndexesOneTag => {
                for event in &mut append.events {
                    event.tags = event.tags.into_iter().take(1).cloned().collect();
                }
            }
            LogFault::IgnoresBoundaries => append.boundaries.clear(),
            LogFault::ChecksOneBoundary => append.boundaries.truncate(1),
            LogFault::IgnoresTickets => append.token = None,
            LogFault::FollowsBlindly => append.boundaries.retain(|it| it.after_append.is_none()),
            LogFault::ForgetsIds => append.command = CommandId::new(),
            LogFault::IgnoresBodies => append.fingerprint = 0,
            LogFault::ComparesHalfOfBodies => append.fingerprint &= u64::from(u32::MAX),
            LogFault::ForgetsOldIds => {
                let stored = self.data.command(append.command).await?;
                if stored.is_some_and(|it| head.since(it.last) > 1000) {
                    append.command = CommandId::new();
                }
            }
            LogFault::LosesCauses => {
                append.correlation = append.command.as_uuid();
                append.causation = append.command.as_uuid();
            }
            LogFault::LosesCustomMetadata => append.metadata = CustomMetadata::default(),
            LogFault::MixesCustomMetadata => {
                std::mem::swap(&mut *self.metadata(), &mut append.metadata);
            }
            LogFault::DropsEqualEvents => append.events.dedup_by(|a, b| a == b),
            LogFault::ChecksFewBoundaries => append.boundaries.truncate(4),
            LogFault::KeepsTextOnly => {
                for event in &mut append.events {
                    let text = String::from_utf8_lossy(&event.payload);
                    event.payload = text.into_owned().into_bytes();
                }
            }
            _ => {}
        }
        append.boundaries = self.kept_boundaries(append.boundaries, head).await?;
        if self.shared.poisoned.load(Ordering::Relaxed) {
            return Err(AppendError::Invalid {
                reason: "another command's fault".to_owned(),
            });
        }
        let time = append.time;
        let mut copy = append.clone();
        if self.fault == LogFault::SkipsPositions && head.get() % 5 == 4 {
            self.leave_gap(copy.clone()).await?;
        }
        let outcome = self.data.append(append).await;
        if let Ok(appended) = &outcome {
            self.known.store(appended.last.get(), Ordering::Relaxed);
            self.sent().insert(appended.last, time);
        }
        match (&outcome, self.fault) {
            (Err(AppendError::Conflict { .. }), LogFault::SpreadsPoison) => {
                self.shared.poisoned.store(true, Ordering::Relaxed);
            }
            (Err(AppendError::Conflict { .. }), LogFault::UsesUpIds) => {
                (copy.boundaries, copy.events, copy.states) = (Vec::new(), Vec::new(), Vec::new());
                self.data.append(copy).await?;
            }
            (Err(AppendError::Conflict { .. }), LogFault::LeavesGaps) => {
                self.leave_gap(copy).await?;
            }
            _ => {}
        }
        outcome
    }

    /// The boundaries that the log checks.
    async fn kept_boundaries(
        &self,
        boundaries: Vec<Boundary>,
        head: Position,
    ) -> Result<Vec<Boundary>, AppendError> {
        let mut kept = Vec::new();
        for mut boundary in boundaries {
            match (self.fault, Arc::make_mut(&mut boundary.fail_if)) {
                (LogFault::ChecksOneItem, EventQuery::Items(items)) => items.truncate(1),
                (LogFault::ChecksFewTypes, EventQuery::Items(items)) => {
                    for item in items {
                        item.types.truncate(4);
                    }
                }
                (LogFault::ChecksFewTags, EventQuery::Items(items)) => {
                    for item in items {
                        item.tags.truncate(4);
                    }
                }
                (LogFault::ConflictsByTypeAlone, EventQuery::Items(items)) => {
                    for item in items.iter_mut().filter(|item| !item.types.is_empty()) {
                        item.tags.clear();
                    }
                }
                (LogFault::KnowsOnlyItself, _) if boundary.after > self.known() => {
                    let (head, seen) = (self.known(), boundary.after);
                    return Err(StoreError::Rewound { head, seen }.into());
                }
                (LogFault::ConflictsWhenStale, _) if head.since(boundary.after) > 64 => {
                    return Err(AppendError::Conflict { at: head });
                }
                (LogFault::ForgetsOldEvents, _) if head.since(boundary.after) > 64 => continue,
                (LogFault::TakesAnyPosition, _) => boundary.after = boundary.after.min(head),
                (LogFault::ChecksTooEarly, query) => {
                    let range = ReadRange::after(boundary.after);
                    let later = self.data.read(query.clone(), range).await;
                    let later = later.expect("memory can be read").events;
                    if let Some(event) = later.first() {
                        return Err(AppendError::Conflict { at: event.position });
                    }
                    super::a_while().await;
                    continue;
                }
                _ => {}
            }
            kept.push(boundary);
        }
        Ok(kept)
    }

    fn sent(&self) -> MutexGuard<'_, BTreeMap<Position, Timestamp>> {
        let sent = self.shared.sent.lock();
        sent.unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up a position with an event that no read returns.
    async fn leave_gap(&self, mut append: Append) -> Result<Appended, AppendError> {
        append.command = CommandId::new();
        append.boundaries.clear();
        append.states.clear();
        append.events.truncate(1);
        for event in &mut append.events {
            event.event_type = GAP;
            event.tags = [].into_iter().collect();
        }
        self.data.append(append).await
    }

    async fn read_badly(
        &self,
        mut query: EventQuery,
        mut range: ReadRange,
    ) -> Result<EventPage, StoreError> {
        if let (LogFault::MatchesAnyTag, EventQuery::Items(items)) = (self.fault, &mut query) {
            for item in items {
                item.tags.truncate(1);
            }
        }
        if self.fault == LogFault::FillsPagesWithoutEnd {
            range.bytes = usize::MAX;
        }
        let mut page = self.data.read(query, range).await?;
        let lost = Position::new(self.shared.lost.load(Ordering::Relaxed));
        page.events
            .retain(|event| event.data.event_type != GAP && event.position != lost);
        match self.fault {
            // As with a sequence: the position is taken, the event not yet committed.
            LogFault::ShowsLate if range.up_to.is_none() => {
                let late = page.as_of == self.head();
                page.events
                    .retain(|event| !late || event.position != page.as_of);
            }
            LogFault::AsOfRunsAhead if range.up_to.is_none() => {
                super::a_while().await;
                page.as_of = self.head();
            }
            LogFault::CutsReadsShort => page.next = None,
            LogFault::KeepsSentTimes => {
                let sent = self.sent();
                for event in &mut page.events {
                    let (_, time) = sent.range(event.position..).next().expect("it was sent");
                    Arc::make_mut(event).meta.time = *time;
                }
            }
            _ => {}
        }
        Ok(page)
    }
}

#[deny(clippy::missing_trait_methods)]
impl EventLog for FaultyLog {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(self.append_badly(append))
    }

    fn read(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<EventPage, StoreError>> {
        Box::pin(self.read_badly(query, range))
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        Box::pin(async move {
            let found = self.data.command(id).await?;
            if self.fault != LogFault::RemembersUnknownIds {
                return Ok(found);
            }
            let unknown = self.shared.unknown.lock();
            let mut unknown = unknown.unwrap_or_else(PoisonError::into_inner);
            if found.is_none() {
                unknown.insert(id);
            }
            Ok(found.filter(|_| !unknown.contains(&id)))
        })
    }

    fn heads(&self) -> &Heads {
        self.data.heads()
    }

    fn capabilities(&self) -> Capabilities<'_> {
        let capabilities = self.data.capabilities();
        capabilities.tail(self).fold_reads(self).type_counts(self)
    }
}

#[deny(clippy::missing_trait_methods)]
impl TypeCounts for FaultyLog {
    /// Perhaps without the types of a single event.
    fn other_types(
        &self,
        known: Vec<&'static str>,
        limit: u64,
    ) -> BoxFuture<'_, Result<Vec<(EventType, u64)>, StoreError>> {
        Box::pin(async move {
            let counts = self.data.capabilities().type_counts.expect("it counts");
            let mut found = counts.other_types(known, limit).await?;
            if self.fault == LogFault::LeavesOutRareTypes {
                found.retain(|(_, count)| *count > 1);
            }
            Ok(found)
        })
    }
}

#[deny(clippy::missing_trait_methods)]
impl FoldReads for FaultyLog {
    /// All matching events, but for those with a position that can be divided by 7.
    fn read_to_fold(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<EventPage<(Position, EventData)>, StoreError>> {
        Box::pin(async move {
            let page = self.read_badly(query, range).await?;
            let events = page.events.iter();
            let is_left_out = |position: Position| {
                self.fault == LogFault::FoldsTooLittle && position.get().is_multiple_of(7)
            };
            Ok(EventPage {
                events: events
                    .filter(|event| !is_left_out(event.position))
                    .map(|event| (event.position, event.data.clone()))
                    .collect(),
                as_of: page.as_of,
                next: page.next,
            })
        })
    }
}

#[deny(clippy::missing_trait_methods)]
impl TailReads for FaultyLog {
    /// Only the second half of what follows, as if another process had written the first.
    fn tail(&self, query: &EventQuery, after: Position, limit: usize) -> Option<EventPage> {
        let head = self.head();
        if self.fault != LogFault::HandsOverGaps || head <= after || limit == 0 {
            return None;
        }
        let range = ReadRange {
            limit,
            ..ReadRange::after(after.plus(head.since(after) / 2))
        };
        let mut context = Context::from_waker(Waker::noop());
        match self
            .data
            .read(query.clone(), range)
            .as_mut()
            .poll(&mut context)
        {
            Poll::Ready(page) => page.ok(),
            Poll::Pending => unreachable!("memory answers at once"),
        }
    }
}
