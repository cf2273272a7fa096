//! The reads of a log that subscriptions share, with the pages and members that one lock guards, and their tests: so
//! the file is over 500 lines.

use std::collections::HashMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Mutex as AsyncMutex;
use tokio::task::yield_now;

use super::{
    BoxFuture, EventLog, EventPage, EventQuery, Incarnation, Position, ReadRange, StoreError,
};

/// Maximum size of the pages that are kept for other subscriptions, in bytes.
const MAX_KEPT_BYTES: usize = 16 << 20;

/// Distance between two positions up to which subscriptions share their reads.
const NEAR: u64 = 32_768;

/// Maximum number of events of a page, and its size in bytes.
const PAGE_EVENTS: usize = 4_096;
const PAGE_BYTES: usize = 4 << 20;

/// The reads of a log, shared by the subscriptions of a dispatcher.
///
/// A page is read for all subscriptions that are near its start: of the events that any of them
/// selects. Each takes its own from it. A subscription that is far from the others reads for itself, with
/// its own query.
///
/// A page is the answer of [`EventLog::read`], so it says the same to whoever takes it, and whenever:
/// which events there are up to its end. What it does not say is whether more has been appended since,
/// so a subscription that has come to its end reads on.
#[derive(Clone, Default)]
pub(crate) struct SharedReads(Arc<Mutex<Sharing>>);

#[derive(Default)]
struct Sharing {
    members: HashMap<u64, Sharer>,
    joined: u64,
    /// In the order in which they were begun.
    pages: Vec<Arc<SharedPage>>,
}

/// A subscription.
struct Sharer {
    query: Arc<EventQuery>,
    /// It needs no event up to here.
    position: Position,
    /// Whether the log had more, when it was read last.
    is_behind: bool,
}

/// A page that was read, or is being read.
struct SharedPage {
    after: Position,
    incarnation: Incarnation,
    /// The queries that it was read for.
    queries: Vec<Arc<EventQuery>>,
    /// Whoever waits for the page polls the read. If that one stops, the next one goes on with it.
    read: AsyncMutex<BoxFuture<'static, Result<EventPage, StoreError>>>,
    done: OnceLock<DonePage>,
}

struct DonePage {
    page: Result<EventPage, StoreError>,
    /// Everything up to here is in the page.
    end: Position,
    bytes: usize,
}

/// The part of one subscription in the reads, until it is dropped.
pub(super) struct Membership {
    reads: SharedReads,
    id: u64,
}

impl SharedReads {
    /// Adds a subscription with this query, which begins after a position.
    pub(super) fn join(&self, query: &EventQuery, position: Position) -> Membership {
        let mut readers = self.lock();
        readers.joined += 1;
        let id = readers.joined;
        // Equal queries are one, so that comparing them is cheap.
        let mut known = readers.members.values().map(|member| &member.query);
        let query = known
            .find(|known| known.as_ref() == query)
            .map_or_else(|| Arc::new(query.clone()), Arc::clone);
        readers.members.insert(
            id,
            Sharer {
                query,
                position,
                is_behind: true,
            },
        );
        Membership {
            reads: self.clone(),
            id,
        }
    }

    /// No other code runs while the lock is held, so a poisoned one still guards consistent data.
    fn lock(&self) -> MutexGuard<'_, Sharing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Membership {
    /// Records that the subscription needs no event up to this position, and whether the log has more.
    pub(super) fn moved(&self, position: Position, is_behind: bool) {
        let mut readers = self.reads.lock();
        if let Some(member) = readers.members.get_mut(&self.id) {
            member.position = member.position.max(position);
            member.is_behind = is_behind;
        }
        readers.drop_unneeded();
    }

    /// Reads a page of the events after a position. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn page(
        &self,
        log: &Arc<dyn EventLog>,
        incarnation: Incarnation,
        after: Position,
    ) -> Result<EventPage, StoreError> {
        // With a store in memory, no read ever waits. One subscription would then run to the end of the
        // log, and leave nothing behind for those that begin with it.
        if self.is_behind() {
            yield_now().await;
        }
        loop {
            let (shared, query) = self.find_or_begin(log, incarnation, after);
            shared.begin();
            let done = shared.finish().await;
            let page = match &done.page {
                Ok(page) => page,
                Err(error) => {
                    self.reads.lock().forget(&shared);
                    return Err(error.clone());
                }
            };
            // It was being read for others, and has turned out to end before. One from exactly here
            // is an answer, also if it is empty.
            if done.end <= after && shared.after != after {
                continue;
            }
            let all = page.events.iter();
            let own = all.filter(|event| {
                event.position > after && (shared.is_of_one() || query.matches_event(event))
            });
            let events = own.cloned().collect();
            self.read_ahead(log, &shared, done);
            return Ok(EventPage { events, ..*page });
        }
    }

    fn is_behind(&self) -> bool {
        let readers = self.reads.lock();
        let member = readers.members.get(&self.id);
        member.is_some_and(|member| member.is_behind)
    }

    /// A page that has the events after this position, or will have them.
    fn find_or_begin(
        &self,
        log: &Arc<dyn EventLog>,
        incarnation: Incarnation,
        after: Position,
    ) -> (Arc<SharedPage>, Arc<EventQuery>) {
        let mut readers = self.reads.lock();
        let query = match readers.members.get_mut(&self.id) {
            Some(member) => {
                member.position = member.position.max(after);
                member.query.clone()
            }
            // A member leaves when it is dropped.
            None => Arc::new(EventQuery::All),
        };
        readers.drop_unneeded();
        let found = readers.page(incarnation, after, &query).cloned();
        let page = found.unwrap_or_else(|| readers.begin(log, incarnation, after, &query));
        (page, query)
    }

    /// Records that the subscription has taken a page. Begins to read the next one, which is needed when
    /// this one is handled.
    fn read_ahead(&self, log: &Arc<dyn EventLog>, shared: &Arc<SharedPage>, done: &DonePage) {
        let mut readers = self.reads.lock();
        let Some(member) = readers.members.get_mut(&self.id) else {
            return;
        };
        member.position = member.position.max(done.end);
        let query = member.query.clone();
        readers.drop_unneeded();
        let Ok(EventPage {
            next: Some(next), ..
        }) = done.page
        else {
            return;
        };
        let is_known = readers.page(shared.incarnation, next, &query).is_some();
        if is_known || readers.kept_bytes() >= MAX_KEPT_BYTES {
            return;
        }
        let page = readers.begin(log, shared.incarnation, next, &query);
        drop(readers);
        page.begin();
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut readers = self.reads.lock();
        readers.members.remove(&self.id);
        readers.drop_unneeded();
    }
}

impl Sharing {
    /// A page that has the events of a query after this position, or else one that may turn out to have
    /// them.
    fn page(
        &self,
        incarnation: Incarnation,
        after: Position,
        query: &Arc<EventQuery>,
    ) -> Option<&Arc<SharedPage>> {
        let pages = self.pages.iter().filter(|page| {
            page.incarnation == incarnation && page.is_for(query) && page.may_follow(after)
        });
        pages.max_by_key(|page| (page.done.get().is_some(), page.after))
    }

    /// A page after this position, for this query and those of all subscriptions near it. Nothing is
    /// read yet.
    fn begin(
        &mut self,
        log: &Arc<dyn EventLog>,
        incarnation: Incarnation,
        after: Position,
        query: &Arc<EventQuery>,
    ) -> Arc<SharedPage> {
        let mut queries = vec![query.clone()];
        for member in self.members.values() {
            let is_new = !queries
                .iter()
                .any(|known| Arc::ptr_eq(known, &member.query));
            if is_new && is_near(member.position, after) {
                queries.push(member.query.clone());
            }
        }
        let range = ReadRange {
            limit: PAGE_EVENTS,
            bytes: PAGE_BYTES,
            ..ReadRange::after(after)
        };
        let (log, all) = (
            log.clone(),
            EventQuery::any_of(queries.iter().map(|it| &**it)),
        );
        let mut read: BoxFuture<'static, _> = Box::pin(async move { log.read(all, range).await });
        // A panic is an error of all that wait. A read that has panicked must not be polled again.
        let guarded = poll_fn(move |context| {
            let polled = catch_unwind(AssertUnwindSafe(|| read.as_mut().poll(context)));
            polled.unwrap_or_else(|_| Poll::Ready(Err(panicked())))
        });
        let page = Arc::new(SharedPage {
            after,
            incarnation,
            queries,
            read: AsyncMutex::new(Box::pin(guarded)),
            done: OnceLock::new(),
        });
        self.pages.push(page.clone());
        page
    }

    /// Drops the oldest pages beyond the maximum size. When all subscriptions have come to the end of the
    /// log, drops all that were taken by all. Before that, another subscription may begin, as shards do one
    /// after the other.
    fn drop_unneeded(&mut self) {
        let members = &self.members;
        let is_busy = members.values().any(|member| member.is_behind);
        self.pages.retain(|page| {
            is_busy && page.may_be_taken() || members.values().any(|it| page.is_needed_by(it))
        });
        let mut bytes = self.kept_bytes();
        self.pages.retain(|page| {
            let size = page.done.get().map_or(0, |done| done.bytes);
            let is_kept = bytes <= MAX_KEPT_BYTES || size == 0;
            if !is_kept {
                bytes -= size;
            }
            is_kept
        });
    }

    fn forget(&mut self, shared: &Arc<SharedPage>) {
        self.pages.retain(|page| !Arc::ptr_eq(page, shared));
    }

    fn kept_bytes(&self) -> usize {
        let done = self.pages.iter().filter_map(|page| page.done.get());
        done.map(|done| done.bytes).sum()
    }
}

impl SharedPage {
    /// Begins the read. The first poll makes a store send its request.
    fn begin(&self) {
        // Otherwise somebody polls it already.
        if self.done.get().is_none()
            && let Ok(mut read) = self.read.try_lock()
        {
            // No task has to be woken: `finish` polls again.
            let mut context = Context::from_waker(Waker::noop());
            if self.done.get().is_none()
                && let Poll::Ready(page) = read.as_mut().poll(&mut context)
            {
                self.record(page);
            }
        }
    }

    async fn finish(&self) -> &DonePage {
        if let Some(done) = self.done.get() {
            return done;
        }
        let mut read = self.read.lock().await;
        if let Some(done) = self.done.get() {
            return done;
        }
        let page = read.as_mut().await;
        self.record(page)
    }

    fn record(&self, page: Result<EventPage, StoreError>) -> &DonePage {
        self.done.get_or_init(|| DonePage {
            end: page
                .as_ref()
                .map_or(self.after, |page| page.next.unwrap_or(page.as_of)),
            bytes: page.as_ref().map_or(0, |page| {
                let sizes = page.events.iter().map(|event| event.size());
                sizes.sum()
            }),
            page,
        })
    }

    /// Whether the page has all events that this query selects.
    fn is_for(&self, query: &Arc<EventQuery>) -> bool {
        self.queries.iter().any(|known| Arc::ptr_eq(known, query))
    }

    /// Whether every event of the page is for all that take it.
    fn is_of_one(&self) -> bool {
        self.queries.len() == 1
    }

    /// Whether the page says which event is the next after this position, as far as that is known.
    fn may_follow(&self, position: Position) -> bool {
        match self.done.get() {
            Some(done) => done.page.is_ok() && self.after <= position && position < done.end,
            None => self.after <= position && is_near(self.after, position),
        }
    }

    fn may_be_taken(&self) -> bool {
        let done = self.done.get();
        done.is_none_or(|done| done.page.is_ok() && done.end > self.after)
    }

    fn is_needed_by(&self, member: &Sharer) -> bool {
        if !self.is_for(&member.query) || !is_near(member.position, self.after) {
            return false;
        }
        self.done
            .get()
            .is_none_or(|done| done.page.is_ok() && member.position < done.end)
    }
}

fn is_near(position: Position, other: Position) -> bool {
    position.get().abs_diff(other.get()) <= NEAR
}

fn panicked() -> StoreError {
    StoreError::Unavailable {
        reason: "a read of the log panicked".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CommandId;
    use crate::store::{Append, EventData, EventType, Memory, Tags};

    /// A log of this many events, of two types in turn, each with a payload of this size.
    async fn log(events: usize, bytes: usize) -> Arc<dyn EventLog> {
        let memory = Memory::new();
        for first in (0..events).step_by(1_000) {
            let numbers = first..events.min(first + 1_000);
            let events = numbers.map(|number| EventData {
                event_type: EventType::new(if number % 2 == 0 { "even" } else { "odd" }),
                version: 1,
                tags: Tags::default(),
                payload: vec![b' '; bytes],
            });
            let append = Append::new(CommandId::new(), events.collect());
            memory.append(append).await.expect("is appended");
        }
        Arc::new(memory)
    }

    async fn page(member: &Membership, log: &Arc<dyn EventLog>, after: u64) -> EventPage {
        let incarnation = log.heads().incarnation();
        let page = member.page(log, incarnation, Position::new(after));
        page.await.expect("is read")
    }

    fn positions(page: &EventPage) -> Vec<u64> {
        let events = page.events.iter();
        events.map(|event| event.position.get()).collect()
    }

    #[tokio::test]
    async fn each_takes_its_own_events_from_a_page_that_was_read_once() {
        let log = log(10, 1).await;
        let reads = SharedReads::default();
        let odd = reads.join(&EventQuery::typed(["odd"]), Position::START);
        let even = reads.join(&EventQuery::typed(["even"]), Position::START);
        assert_eq!(positions(&page(&odd, &log, 0).await), [2, 4, 6, 8, 10]);
        odd.moved(Position::new(10), false);
        assert_eq!(reads.lock().pages.len(), 1, "the other one needs it");
        assert_eq!(positions(&page(&even, &log, 4).await), [5, 7, 9]);
        even.moved(Position::new(10), false);
        assert!(reads.lock().pages.is_empty(), "all have taken it");
    }

    #[tokio::test]
    async fn who_is_far_from_the_others_reads_alone() {
        let log = log(10, 1).await;
        let reads = SharedReads::default();
        let far = reads.join(&EventQuery::typed(["odd"]), Position::new(NEAR + 9));
        let member = reads.join(&EventQuery::typed(["even"]), Position::START);
        assert_eq!(positions(&page(&member, &log, 0).await), [1, 3, 5, 7, 9]);
        assert!(reads.lock().pages.iter().all(|page| page.is_of_one()));
        drop((far, member));
        assert!(reads.lock().pages.is_empty());
    }

    #[tokio::test]
    async fn the_end_of_the_log_is_an_empty_page_and_later_events_are_seen() {
        let log = log(10, 1).await;
        let reads = SharedReads::default();
        let [first, second] = [(); 2].map(|()| reads.join(&EventQuery::All, Position::new(10)));
        for member in [&first, &second] {
            let page = page(member, &log, 10).await;
            assert!(page.events.is_empty() && page.as_of == Position::new(10));
        }
        let event = EventData {
            event_type: EventType::new("odd"),
            version: 1,
            tags: Tags::default(),
            payload: Vec::new(),
        };
        let append = Append::new(CommandId::new(), vec![event]);
        log.append(append).await.expect("is appended");
        for member in [&first, &second] {
            assert_eq!(positions(&page(member, &log, 10).await), [11]);
        }
    }

    #[tokio::test]
    async fn a_slow_reader_costs_no_more_memory_than_the_maximum_and_misses_nothing() {
        const EVENTS: u64 = 6_000;
        let log = log(6_000, 8 << 10).await;
        let reads = SharedReads::default();
        let slow = reads.join(&EventQuery::All, Position::START);
        let quick = reads.join(&EventQuery::All, Position::START);
        for member in [&quick, &slow] {
            let mut next = 0;
            while next < EVENTS {
                let page = page(member, &log, next).await;
                let seen = positions(&page);
                assert_eq!(
                    seen,
                    (next + 1..=next + seen.len() as u64).collect::<Vec<_>>()
                );
                next = page.next.unwrap_or(page.as_of).get();
                assert!(reads.lock().kept_bytes() <= MAX_KEPT_BYTES + PAGE_BYTES);
            }
        }
    }

    #[tokio::test]
    async fn a_read_goes_on_when_the_one_that_began_it_is_gone() {
        let log = log(10, 1).await;
        let reads = SharedReads::default();
        let [first, second] = [(); 2].map(|()| reads.join(&EventQuery::All, Position::START));
        let incarnation = log.heads().incarnation();
        let (shared, _) = first.find_or_begin(&log, incarnation, Position::START);
        drop(first);
        let (found, _) = second.find_or_begin(&log, incarnation, Position::START);
        assert!(Arc::ptr_eq(&shared, &found));
        assert_eq!(page(&second, &log, 0).await.events.len(), 10);
    }
}
