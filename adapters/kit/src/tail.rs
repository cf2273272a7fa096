//! The end of a log, as followers in the same process see it.

use std::sync::Arc;

use cqrs_core::store::{Heads, Incarnation, Recorded};
use cqrs_core::{Position, Uuid};

use crate::tail_cache::TailCache;

/// Maximum number and total size of the events in memory. More than a busy process appends while a
/// projection commits a page, so a projection that keeps up reads no event back from the database.
const MAX_EVENTS: usize = 8192;
const MAX_BYTES: usize = 8 << 20;

/// The head of a log, and the events that this process appended last. A follower is woken by the
/// head, takes the events from memory as far as they are there, and reads the log for the others.
/// Clones share both.
///
/// The events are added before the head is raised, so a follower that is woken by an append of its
/// own process finds it in memory. The reverse order would lose nothing, but cost a read of the log.
#[derive(Clone, Debug)]
pub struct LogTail {
    heads: Heads,
    recent: Arc<TailCache>,
}

impl LogTail {
    /// The end of the log with this id. `window` is the maximum number of events that the store may
    /// keep in memory; of these, the tail uses up to 8,192, and up to 8 MiB.
    pub fn new(log: Uuid, head: Position, window: usize) -> Self {
        let recent = TailCache::new(head, window.min(MAX_EVENTS), MAX_BYTES);
        Self {
            heads: Heads::new(head).of_log(log),
            recent: Arc::new(recent),
        }
    }

    /// The last known head, and the id of the log.
    pub fn heads(&self) -> &Heads {
        &self.heads
    }

    /// The events in memory.
    pub fn recent(&self) -> &TailCache {
        &self.recent
    }

    /// Publishes events that this process appended, once they are durable. Without a follower, they
    /// are not taken out of the iterator.
    pub fn on_appended(&self, head: Position, events: impl IntoIterator<Item = Recorded>) {
        if self.heads.is_watched() {
            self.recent.add(events);
        }
        self.heads.advance(head);
    }

    /// Publishes the head that a statement found, and so the appends of other processes. Where the
    /// log has become shorter, as after a backup was restored, the events in memory are dropped.
    pub fn on_head_observed(&self, head: Position) {
        self.recent.confirm(head);
        self.heads.advance(head);
    }

    /// Continues with another log, which ends here. Wakes all followers, which notice the change by
    /// the new incarnation.
    pub fn replace(&self, log: Uuid, head: Position) -> Incarnation {
        // Events of the old log must be gone before anyone asks for events of the new one.
        self.recent.restart(head);
        self.heads.replace(log, head)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use cqrs_core::store::{Append, EventData, EventQuery, EventType, Tags, TailReads};
    use cqrs_core::{CommandId, Timestamp};

    use super::*;

    fn tail(window: usize) -> LogTail {
        LogTail::new(Uuid::nil(), Position::START, window)
    }

    /// Appends this many events at the head.
    fn append(tail: &LogTail, events: usize) {
        let event = EventData {
            event_type: EventType::new("noted"),
            version: 1,
            tags: Tags::default(),
            payload: b"{}".to_vec(),
        };
        let append = Append::new(CommandId::new(), vec![event; events]);
        let before = tail.heads().position();
        let events: Vec<_> = append.record(before, Timestamp::UNIX_EPOCH).collect();
        tail.on_appended(before.plus(events.len() as u64), events);
    }

    /// The number of events after this position in memory, if it has all of them.
    fn in_memory(tail: &LogTail, after: u64) -> Option<usize> {
        let page = tail
            .recent()
            .tail(&EventQuery::All, Position::new(after), 100);
        page.map(|page| page.events.len())
    }

    /// Runs this while a follower waits for a head that the log does not reach.
    fn while_followed(tail: &LogTail, run: impl FnOnce()) {
        let mut follower = pin!(tail.heads().reached(Position::new(u64::MAX)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(follower.as_mut().poll(&mut context).is_pending());
        run();
    }

    #[test]
    fn a_follower_finds_the_events_of_its_process_in_memory() {
        let tail = tail(100);
        while_followed(&tail, || append(&tail, 2));
        assert_eq!(tail.heads().position(), Position::new(2));
        assert_eq!(in_memory(&tail, 0), Some(2));
    }

    #[test]
    fn without_a_follower_nothing_is_kept() {
        let tail = tail(100);
        append(&tail, 2);
        assert_eq!(tail.heads().position(), Position::new(2));
        assert_eq!(in_memory(&tail, 0), None);
    }

    #[test]
    fn no_more_events_are_kept_than_the_window_allows() {
        let tail = tail(3);
        while_followed(&tail, || append(&tail, 5));
        assert_eq!(in_memory(&tail, 1), None);
        assert_eq!(in_memory(&tail, 2), Some(3));
    }

    #[test]
    fn a_log_that_became_shorter_has_no_events_in_memory() {
        let tail = tail(100);
        while_followed(&tail, || append(&tail, 5));
        tail.on_head_observed(Position::new(5));
        assert_eq!(in_memory(&tail, 0), Some(5));
        tail.on_head_observed(Position::new(4));
        assert_eq!(in_memory(&tail, 0), None);
    }

    #[test]
    fn another_log_begins_without_events_and_with_a_new_incarnation() {
        let tail = tail(100);
        while_followed(&tail, || append(&tail, 5));
        let incarnation = tail.replace(Uuid::max(), Position::new(3));
        assert_eq!(in_memory(&tail, 2), None);
        assert_eq!(tail.heads().incarnation(), incarnation);
        assert_ne!(incarnation, Incarnation::default());
        assert_eq!(tail.heads().position(), Position::new(3));
        assert_eq!(tail.heads().log_id(), Uuid::max());
    }
}
