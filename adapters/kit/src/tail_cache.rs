//! Recent events in memory, for followers of the log.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cqrs_core::Position;
use cqrs_core::store::{EventPage, EventQuery, Recorded, TailReads};

/// Events that this process appended recently, kept in memory so that followers of the log need not
/// read them back.
///
/// Holds every event in `(floor, head]`, without a gap. If another process appends between two appends
/// of this one, its events are missing, and the floor is raised above them.
#[derive(Debug)]
pub struct TailCache {
    events: usize,
    bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    head: Position,
    events: VecDeque<Arc<Recorded>>,
    bytes: usize,
}

impl TailCache {
    /// Creates an empty cache at the head of a log, with a maximum number of events and an
    /// approximate maximum size in bytes.
    pub fn new(head: Position, events: usize, bytes: usize) -> Self {
        let kept = Kept {
            head,
            events: VecDeque::new(),
            bytes: 0,
        };
        Self {
            events,
            bytes,
            kept: Mutex::new(kept),
        }
    }

    /// Adds events that were appended, in order. They must be durable: followers act on them.
    pub fn add(&self, events: impl IntoIterator<Item = Recorded>) {
        let mut kept = self.lock();
        for event in events {
            // A later append of this process arrived here first.
            if event.position <= kept.head {
                continue;
            }
            // Another process has appended in between.
            if event.position > kept.head.plus(1) {
                kept.forget();
            }
            kept.head = event.position;
            kept.bytes += event.size();
            kept.events.push_back(Arc::new(event));
            while kept.events.len() > self.events || kept.bytes > self.bytes {
                kept.forget_first();
            }
        }
    }

    /// Records that the log ends here. If it was longer before, as after a backup was restored,
    /// events in memory may no longer be part of it.
    pub fn confirm(&self, head: Position) {
        let mut kept = self.lock();
        if head < kept.head {
            kept.forget();
            kept.head = head;
        }
    }

    /// Clears the cache, to continue with a replaced log that ends here.
    pub fn restart(&self, head: Position) {
        let mut kept = self.lock();
        kept.forget();
        kept.head = head;
    }

    /// No other code runs while the lock is held, so a poisoned one still guards consistent data.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[deny(clippy::missing_trait_methods)]
impl TailReads for TailCache {
    fn tail(&self, query: &EventQuery, after: Position, limit: usize) -> Option<EventPage> {
        let kept = self.lock();
        let floor = kept.events.front()?.position.get() - 1;
        let known = usize::try_from(after.get().checked_sub(floor)?).ok()?;
        // A page without room for an event has no position at which the next one continues.
        if known >= kept.events.len() || limit == 0 {
            return None;
        }
        let mut matching = kept
            .events
            .iter()
            .skip(known)
            .filter(|event| query.matches_event(event));
        let events: Vec<_> = matching.by_ref().take(limit).cloned().collect();
        let more = events.len() == limit && matching.next().is_some();
        Some(EventPage {
            as_of: kept.head,
            next: events.last().filter(|_| more).map(|event| event.position),
            events,
        })
    }
}

impl Kept {
    fn forget_first(&mut self) {
        if let Some(event) = self.events.pop_front() {
            self.bytes -= event.size();
        }
    }

    fn forget(&mut self) {
        self.events.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use cqrs_core::store::{Append, EventData, EventType, Tags};
    use cqrs_core::{CommandId, Timestamp, Uuid};

    use super::*;

    fn event(position: u64, payload: usize) -> Recorded {
        let odd = position % 2 == 1;
        let command = CommandId::from(Uuid::nil());
        let data = EventData {
            event_type: EventType::new(if odd { "odd" } else { "even" }),
            version: 1,
            tags: Tags::new(),
            payload: vec![b' '; payload],
        };
        let head = Position::new(position.saturating_sub(1));
        let mut events = Append::new(command, vec![data]).record(head, Timestamp::UNIX_EPOCH);
        events.next().unwrap()
    }

    fn recent(events: usize, bytes: usize) -> TailCache {
        TailCache::new(Position::new(10), events, bytes)
    }

    fn add(recent: &TailCache, positions: impl IntoIterator<Item = u64>) {
        recent.add(positions.into_iter().map(|position| event(position, 0)));
    }

    /// Positions of the events, the position up to which they are complete, and the position to
    /// continue from.
    type Seen = (Vec<u64>, u64, Option<u64>);

    fn page(recent: &TailCache, query: &EventQuery, after: u64, limit: usize) -> Option<Seen> {
        let page = recent.tail(query, Position::new(after), limit)?;
        let events = page.events.iter().map(|event| event.position.get());
        Some((
            events.collect(),
            page.as_of.get(),
            page.next.map(Position::get),
        ))
    }

    fn all(recent: &TailCache, after: u64) -> Option<Seen> {
        page(recent, &EventQuery::All, after, 100)
    }

    #[test]
    fn it_answers_for_what_it_has_and_for_nothing_else() {
        let recent = recent(100, usize::MAX);
        assert_eq!(all(&recent, 10), None, "nothing was added");
        add(&recent, [11, 12]);
        add(&recent, [13]);
        assert_eq!(all(&recent, 10), Some((vec![11, 12, 13], 13, None)));
        assert_eq!(all(&recent, 12), Some((vec![13], 13, None)));
        for unknown in [9, 13, 14, u64::MAX] {
            assert_eq!(all(&recent, unknown), None, "after {unknown}");
        }
    }

    #[test]
    fn pages_are_cut_at_their_limit() {
        let recent = recent(100, usize::MAX);
        add(&recent, 11..=17);
        let odd = EventQuery::typed(["odd"]);
        assert_eq!(
            page(&recent, &odd, 10, 2),
            Some((vec![11, 13], 17, Some(13)))
        );
        assert_eq!(page(&recent, &odd, 13, 2), Some((vec![15, 17], 17, None)));
        let none = EventQuery::typed(["other"]);
        assert_eq!(page(&recent, &none, 10, 2), Some((vec![], 17, None)));
    }

    #[test]
    fn what_others_wrote_between_is_not_skipped() {
        let recent = recent(100, usize::MAX);
        add(&recent, [11, 12]);
        add(&recent, [15, 16]);
        for unknown in [10, 12, 13] {
            assert_eq!(all(&recent, unknown), None, "after {unknown}");
        }
        assert_eq!(all(&recent, 14), Some((vec![15, 16], 16, None)));
        add(&recent, [13, 14]);
        assert_eq!(all(&recent, 12), None, "what comes late is left out");
        assert_eq!(all(&recent, 14), Some((vec![15, 16], 16, None)));
    }

    #[test]
    fn it_is_bounded_by_events_and_by_bytes() {
        let few = recent(3, usize::MAX);
        add(&few, 11..=20);
        assert_eq!(all(&few, 16), None);
        assert_eq!(all(&few, 17), Some((vec![18, 19, 20], 20, None)));

        let one = event(0, 100).size();
        let small = recent(100, 2 * one);
        small.add((11..=20).map(|position| event(position, 100)));
        assert_eq!(all(&small, 18), Some((vec![19, 20], 20, None)));
        small.add([event(21, 1000)]);
        assert_eq!(all(&small, 20), None, "it has no room for this one");
        small.add([event(22, 0)]);
        assert_eq!(all(&small, 21), Some((vec![22], 22, None)));
        let kept = small.lock();
        assert_eq!(kept.bytes, event(0, 0).size(), "nothing is counted twice");
    }

    #[test]
    fn a_log_that_became_shorter_is_not_answered_for() {
        let recent = recent(100, usize::MAX);
        add(&recent, 11..=13);
        recent.confirm(Position::new(13));
        assert_eq!(all(&recent, 12), Some((vec![13], 13, None)));
        recent.confirm(Position::new(12));
        assert_eq!(all(&recent, 10), None);
        add(&recent, [13]);
        assert_eq!(all(&recent, 12), Some((vec![13], 13, None)));
    }
}
