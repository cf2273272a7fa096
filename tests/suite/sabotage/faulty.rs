//! A store in memory that breaks one promise.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use cqrs_conformance::StoreFixture;
use cqrs_core::store::{
    Append, AppendError, Appended, BoxFuture, EventQuery, EventStore, EventType, ModelSchema, Page,
    ReadRange, StateKey, StoreError, StoredCommand, StoredState, ViewBatch, ViewCommitError,
    ViewPage, ViewScan, ViewStore,
};
use cqrs_core::{CommandId, Memory, Position, Timestamp, Uuid};
use tokio::sync::watch;

/// The bodies of views.
type Views = Vec<Option<Vec<u8>>>;

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
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
    ShowsLate,
    AsOfRunsAhead,
    ForgetsIds,
    IgnoresBodies,
    LosesTheLastEvent,
    TakesAnyPosition,
    ConflictsByTypeAlone,
    ConflictsWhenStale,
    SpreadsPoison,
    MatchesAnyTag,
    CutsReadsShort,
    FillsPagesWithoutEnd,
    LooksBeforeTheTime,
    HasNoFence,
    MovesTheCheckpointFirst,
    SkipsNothing,
    CountsThePage,
    CountsLater,
    HandsOverGaps,
    LoadsFromBefore,
}

/// The data of a faulty store, shared by its handles.
pub struct Broken {
    data: Memory,
    fault: Fault,
    shared: Arc<Shared>,
    handles: Mutex<Weak<()>>,
}

#[derive(Default)]
struct Shared {
    poisoned: AtomicBool,
    /// The position of an event that a restart lost.
    lost: AtomicU64,
    /// The answer to the first load of each list of keys.
    loaded: Mutex<HashMap<Vec<String>, Views>>,
}

pub struct Faulty {
    data: Memory,
    fault: Fault,
    shared: Arc<Shared>,
    _handle: Arc<()>,
}

impl Broken {
    pub fn new(fault: Fault) -> Self {
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

impl StoreFixture for Broken {
    type Store = Faulty;

    async fn open(&self) -> Faulty {
        let (handle, restarted) = self.handle();
        if restarted && self.fault == Fault::LosesTheLastEvent {
            self.shared
                .lost
                .store(self.data.watch().borrow().get(), Ordering::Relaxed);
        }
        let (data, shared) = (self.data.clone(), self.shared.clone());
        Faulty {
            data,
            fault: self.fault,
            shared,
            _handle: handle,
        }
    }
}

/// The type of events that only take up a position.
const GAP: EventType = EventType::new("gap");

/// Long enough for others to come between.
async fn a_while() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

impl Faulty {
    fn head(&self) -> Position {
        *self.data.watch().borrow()
    }

    async fn append_badly(&self, mut append: Append) -> Result<Appended, AppendError> {
        let head = self.head();
        match self.fault {
            Fault::LosesStates => append.states.clear(),
            Fault::IndexesOneTag => {
                for event in &mut append.events {
                    event.tags = event.tags.into_iter().take(1).cloned().collect();
                }
            }
            Fault::IgnoresBoundaries => append.boundaries.clear(),
            Fault::ChecksOneBoundary => append.boundaries.truncate(1),
            Fault::IgnoresTickets => append.token = None,
            Fault::FollowsBlindly => append.boundaries.retain(|it| it.after_append.is_none()),
            Fault::ForgetsIds => append.command = CommandId::new(),
            Fault::IgnoresBodies => append.fingerprint = 0,
            _ => {}
        }
        let mut kept = Vec::new();
        for mut boundary in std::mem::take(&mut append.boundaries) {
            match (self.fault, &mut boundary.fail_if) {
                (Fault::ChecksOneItem, EventQuery::Items(items)) => items.truncate(1),
                (Fault::ConflictsByTypeAlone, EventQuery::Items(items)) => {
                    items
                        .iter_mut()
                        .filter(|item| !item.types.is_empty())
                        .for_each(|item| {
                            item.tags.clear();
                        });
                }
                (Fault::ConflictsWhenStale, _) if head.since(boundary.after) > 64 => {
                    return Err(AppendError::Conflict { at: head });
                }
                (Fault::ForgetsOldEvents, _) if head.since(boundary.after) > 64 => continue,
                (Fault::TakesAnyPosition, _) => boundary.after = boundary.after.min(head),
                (Fault::ChecksTooEarly, query) => {
                    let range = ReadRange::after(boundary.after);
                    let later = self.data.read(query.clone(), range).await;
                    let later = later.expect("memory can be read").events;
                    if let Some(event) = later.first() {
                        return Err(AppendError::Conflict { at: event.position });
                    }
                    a_while().await;
                    continue;
                }
                _ => {}
            }
            kept.push(boundary);
        }
        append.boundaries = kept;
        if self.shared.poisoned.load(Ordering::Relaxed) {
            return Err(AppendError::Invalid {
                reason: "another command's fault".to_owned(),
            });
        }
        let mut copy = append.clone();
        let outcome = self.data.append(append).await;
        match (&outcome, self.fault) {
            (Err(AppendError::Invalid { .. }), Fault::SpreadsPoison) => {
                self.shared.poisoned.store(true, Ordering::Relaxed);
            }
            (Err(AppendError::Conflict { .. }), Fault::UsesUpIds) => {
                (copy.boundaries, copy.events, copy.states) = (Vec::new(), Vec::new(), Vec::new());
                self.data.append(copy).await?;
            }
            (Err(AppendError::Conflict { .. }), Fault::LeavesGaps) => {
                (copy.boundaries, copy.states) = (Vec::new(), Vec::new());
                copy.command = CommandId::new();
                copy.events.truncate(1);
                for event in &mut copy.events {
                    (event.event_type, event.tags) = (GAP, [].into_iter().collect());
                }
                self.data.append(copy).await?;
            }
            _ => {}
        }
        outcome
    }

    async fn read_badly(
        &self,
        mut query: EventQuery,
        mut range: ReadRange,
    ) -> Result<Page, StoreError> {
        if let (Fault::MatchesAnyTag, EventQuery::Items(items)) = (self.fault, &mut query) {
            for item in items {
                item.tags.truncate(1);
            }
        }
        if self.fault == Fault::FillsPagesWithoutEnd {
            range.bytes = usize::MAX;
        }
        let mut page = self.data.read(query, range).await?;
        let lost = Position::new(self.shared.lost.load(Ordering::Relaxed));
        page.events
            .retain(|event| event.data.event_type != GAP && event.position != lost);
        match self.fault {
            // As with a sequence: the position is taken, the event not yet committed.
            Fault::ShowsLate if range.up_to.is_none() => {
                let late = page.as_of == self.head();
                page.events
                    .retain(|event| !late || event.position != page.as_of);
            }
            Fault::AsOfRunsAhead if range.up_to.is_none() => {
                a_while().await;
                page.as_of = self.head();
            }
            Fault::CutsReadsShort => page.next = None,
            _ => {}
        }
        Ok(page)
    }

    async fn commit_badly(&self, mut batch: ViewBatch) -> Result<(), ViewCommitError> {
        match self.fault {
            Fault::HasNoFence => batch.from = self.data.checkpoint(&batch.subscription).await?,
            Fault::MovesTheCheckpointFirst => {
                let changes = std::mem::take(&mut batch.changes);
                let to = batch.to;
                self.data.commit(batch.clone()).await?;
                a_while().await;
                batch = ViewBatch {
                    from: Some(to),
                    changes,
                    ..batch
                };
            }
            _ => {}
        }
        self.data.commit(batch).await
    }
}

impl EventStore for Faulty {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(self.append_badly(append))
    }

    fn read(&self, query: EventQuery, range: ReadRange) -> BoxFuture<'_, Result<Page, StoreError>> {
        Box::pin(self.read_badly(query, range))
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, StoreError>> {
        self.data.head()
    }

    fn position_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, StoreError>> {
        let early = self.fault == Fault::LooksBeforeTheTime && time > Timestamp::MIN;
        let micros = time.as_microsecond() - i64::from(early);
        self.data
            .position_at(Timestamp::from_microsecond(micros).unwrap_or(time))
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        self.data.command(id)
    }

    fn states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StoredState>>, StoreError>> {
        self.data.states(keys)
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.data.watch()
    }

    /// Only the second half of what follows, as if another process had written the first.
    fn recent(&self, query: &EventQuery, after: Position, limit: usize) -> Option<Page> {
        let head = self.head();
        if self.fault != Fault::HandsOverGaps || head <= after || limit == 0 {
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

    fn store_id(&self) -> Uuid {
        self.data.store_id()
    }
}

impl ViewStore for Faulty {
    fn prepare(&self, models: Vec<ModelSchema>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.data.prepare(models)
    }

    fn checkpoint(
        &self,
        subscription: &str,
    ) -> BoxFuture<'_, Result<Option<Position>, StoreError>> {
        self.data.checkpoint(subscription)
    }

    fn commit(&self, batch: ViewBatch) -> BoxFuture<'_, Result<(), ViewCommitError>> {
        Box::pin(self.commit_badly(batch))
    }

    fn load(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        if self.fault != Fault::LoadsFromBefore {
            return self.data.load(model, keys);
        }
        Box::pin(async move {
            let views = self.data.load(model, keys.clone()).await?;
            let loaded = &self.shared.loaded;
            let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(loaded.entry(keys).or_insert(views).clone())
        })
    }

    fn scan(&self, mut scan: ViewScan) -> BoxFuture<'_, Result<ViewPage, StoreError>> {
        if self.fault == Fault::SkipsNothing {
            scan.skip = 0;
        }
        Box::pin(async move {
            let mut page = self.data.scan(scan.clone()).await?;
            match self.fault {
                Fault::CountsThePage => {
                    page.total = page.total.map(|_| page.rows.len() as u64);
                }
                Fault::CountsLater => {
                    tokio::task::yield_now().await;
                    page.total = self.data.scan(scan).await?.total;
                }
                _ => {}
            }
            Ok(page)
        })
    }
}
