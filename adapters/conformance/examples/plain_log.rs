//! A log that a third party might write: the four required methods, and no capability. It takes one
//! condition per append, stores no states, and its positions have gaps.

use std::collections::HashMap;
use std::error::Error;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cqrs_core::store::{
    Append, AppendError, Appended, BoxFuture, EventData, EventLog, EventLogExt, EventPage,
    EventQuery, EventType, Heads, ReadRange, StoreError, StoredCommand, Tag,
};
use cqrs_core::{CommandId, Position, Recorded};

/// Distance between two positions. A log need not use every number.
const STEP: u64 = 10;

/// Clones share the data.
#[derive(Clone)]
struct PlainLog {
    data: Arc<Mutex<Data>>,
    heads: Heads,
}

#[derive(Default)]
struct Data {
    events: Vec<Arc<Recorded>>,
    commands: HashMap<CommandId, StoredCommand>,
}

impl PlainLog {
    fn new() -> Self {
        Self {
            data: Arc::default(),
            heads: Heads::new(Position::START),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventLog for PlainLog {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        let appended = self.lock().append(append);
        if let Ok(appended) = &appended {
            self.heads.advance(appended.last);
        }
        Box::pin(ready(appended))
    }

    fn read(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<EventPage, StoreError>> {
        let page = self.lock().read(&query, range);
        Box::pin(ready(Ok(page)))
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        let command = self.lock().commands.get(&id).copied();
        Box::pin(ready(Ok(command)))
    }

    fn heads(&self) -> &Heads {
        &self.heads
    }
}

impl Data {
    fn head(&self) -> Position {
        let last = self.events.last();
        last.map_or(Position::START, |last| last.position)
    }

    /// The caller holds the lock, so no other append comes between the conditions and the events
    /// (I2).
    fn append(&mut self, append: Append) -> Result<Appended, AppendError> {
        if let Some(stored) = self.commands.get(&append.command) {
            return stored.replay(append.command, append.fingerprint);
        }
        let asks_for_more = append.token.is_some() || !append.states.is_empty();
        if asks_for_more || append.boundaries.len() > 1 {
            // The framework does not use capabilities that a log does not offer.
            return Err(AppendError::Invalid {
                reason: "this log has no capabilities".to_owned(),
            });
        }
        let head = self.head();
        for boundary in &append.boundaries {
            let seen = boundary.after;
            if seen > head {
                return Err(StoreError::Rewound { head, seen }.into());
            }
            let later = self.events.iter().rev();
            let mut later = later.take_while(|event| event.position > seen);
            if let Some(event) = later.find(|event| boundary.fail_if.matches_event(event)) {
                return Err(AppendError::Conflict { at: event.position });
            }
        }

        let count = append.events.len() as u64;
        let appended = Appended {
            first: head.plus(STEP * count.min(1)),
            last: head.plus(STEP * count),
            count,
            time: Some(append.time),
            replayed: false,
        };
        let stored = StoredCommand {
            fingerprint: append.fingerprint,
            first: appended.first,
            last: appended.last,
            count,
        };
        self.commands.insert(append.command, stored);
        let time = append.time;
        for (mut event, number) in append.record(head, time).zip(1..) {
            event.position = head.plus(STEP * number);
            self.events.push(Arc::new(event));
        }
        Ok(appended)
    }

    fn read(&self, query: &EventQuery, range: ReadRange) -> EventPage {
        let as_of = range.up_to.unwrap_or(Position::new(u64::MAX));
        let mut page = EventPage {
            events: Vec::new(),
            as_of: as_of.min(self.head()),
            next: None,
        };
        let mut room = range.room();
        for event in &self.events {
            let is_within = event.position > range.after && event.position <= page.as_of;
            if !is_within || !query.matches_event(event) {
                continue;
            }
            if room.is_full() {
                page.next = page.events.last().map(|last: &Arc<Recorded>| last.position);
                break;
            }
            room.take(event.size());
            page.events.push(event.clone());
        }
        page
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let log = PlainLog::new();
    let event = EventData {
        event_type: EventType::new("product-created"),
        version: 1,
        tags: [Tag::new("product", "P1")].into_iter().collect(),
        payload: b"{}".to_vec(),
    };
    let append = Append::new(CommandId::new(), vec![event]);
    log.append(append).await?;
    println!("the log ends at {}", log.head().await?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use cqrs_conformance::{LogFixture, Outcome, log};

    use super::PlainLog;

    impl LogFixture for PlainLog {
        type Log = Self;

        async fn open_log(&self) -> Self {
            self.clone()
        }
    }

    cqrs_conformance::log_conformance_tests!(PlainLog::new());

    #[tokio::test]
    async fn promises_that_are_not_claimed_are_not_tested() {
        let plain = PlainLog::new();
        let outcome = log::i2_appends_follow_each_other(&plain).await;
        assert_eq!(outcome, Outcome::NotClaimed("pipelining"));
        let outcome = log::states_are_written_with_events(&plain).await;
        assert_eq!(outcome, Outcome::NotClaimed("states"));
        let outcome = log::i3_positions_are_contiguous(&plain).await;
        assert_eq!(outcome, Outcome::NotClaimed("contiguous positions"));
    }
}
