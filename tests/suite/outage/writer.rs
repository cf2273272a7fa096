//! A task that sends commands, one after another, and believes what it is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cqrs_core::store::{
    Append, AppendError, Appended, EventData, EventLog, EventPage, EventQuery, EventType,
    ReadRange, StoreError, Tag,
};
use cqrs_core::{CommandId, Position};
use fastrand::Rng;
use tokio::time::sleep;

use super::history::{Outcome, Sent};
use super::load::Shared;

/// Few enough that writers meet, many enough that most succeed.
const ACCOUNTS: usize = 6;

/// How long a command may stay unsettled.
const PATIENCE: Duration = Duration::from_secs(12);

pub fn account(number: usize) -> Tag {
    Tag::new("account", number)
}

/// An append with events of one account.
pub fn append(account: &Tag, events: usize, after: Option<Position>) -> Append {
    let command = CommandId::new();
    let event = |index| EventData {
        event_type: EventType::new("booked"),
        version: 1,
        tags: [account.clone()].into_iter().collect(),
        payload: format!("\"{command}-{index}\"").into_bytes(),
    };
    let append = Append::new(command, (0..events).map(event).collect())
        .fingerprint(command.as_uuid().as_u64_pair().1);
    match after {
        Some(after) => append.unless(EventQuery::tagged(account.clone()), after),
        None => append,
    }
}

pub struct Writer {
    store: Arc<dyn EventLog>,
    shared: Arc<Shared>,
    random: Rng,
    /// Up to where each account was read.
    known: [Position; ACCOUNTS],
}

impl Writer {
    pub fn new(store: Arc<dyn EventLog>, shared: Arc<Shared>, random: Rng) -> Self {
        Self {
            store,
            shared,
            random,
            known: [Position::START; ACCOUNTS],
        }
    }

    /// Writes until it is told to stop.
    pub async fn write(mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        while !*self.shared.stop.borrow() {
            let number = self.random.usize(..ACCOUNTS);
            let known = self.known[number];
            let after = match self.random.u8(..10) {
                0 => None,
                // On what it has read of another account: too old, or newer than it thinks.
                1 => Some(self.known[self.random.usize(..ACCOUNTS)]),
                _ => Some(known),
            };
            let append = append(&account(number), self.random.usize(..4), after);
            let floor = *self.shared.floor.borrow();
            let (outcome, was_unknown) = self.send(&append, floor, number).await;
            sent.push(Sent {
                append,
                floor,
                outcome,
                was_unknown,
            });
        }
        sent
    }

    /// Sends a command, mostly again and again until it is known what became of it, and says
    /// whether it was unknown meanwhile.
    async fn send(&mut self, append: &Append, floor: Position, number: usize) -> (Outcome, bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut unknown = false;
        loop {
            match self.store.append(append.clone()).await {
                Ok(appended) => {
                    self.acknowledged(append, appended, floor);
                    self.known[number] = self.known[number].max(appended.last);
                    return (Outcome::Done(appended), unknown);
                }
                Err(AppendError::Conflict { at }) => {
                    self.known[number] = self.look(append, at).await;
                    return (Outcome::Conflict, unknown);
                }
                Err(AppendError::Indeterminate { .. }) => {
                    unknown = true;
                    if self.random.u8(..4) == 0 {
                        return (Outcome::Unknown, unknown);
                    }
                }
                // Says that this sending had no effect, and nothing about an earlier one.
                Err(
                    AppendError::Store(StoreError::Unavailable { .. })
                    | AppendError::Overloaded { .. },
                ) => {
                    if !unknown && self.random.bool() {
                        return (Outcome::Refused, unknown);
                    }
                    // Nothing tells when the store has room.
                    sleep(Duration::from_millis(1)).await;
                }
                Err(error) => panic!("{}: {error}", append.command),
            }
            assert!(Instant::now() < deadline, "{} settles", append.command);
        }
    }

    fn acknowledged(&self, append: &Append, appended: Appended, floor: Position) {
        let id = append.command;
        let count = append.events.len() as u64;
        assert_eq!(appended.count, count, "events of {id}");
        if count > 0 {
            assert_eq!(appended.last.since(appended.first), count - 1);
            assert!(appended.first > floor, "{id} is after what was known");
        }
        self.shared.floor.send_if_modified(|floor| {
            *floor = appended.last.max(*floor);
            true
        });
        self.shared.done.send_modify(|done| *done += 1);
    }

    /// I10: what the store says is in the way is there, and is in the way. Returns up to where
    /// the account is known now, which is at least what was acknowledged.
    async fn look(&self, append: &Append, at: Position) -> Position {
        let boundary = append.boundaries.first().expect("I10: without a boundary");
        assert!(at > boundary.after, "I10: {at} is not in the way");
        let floor = *self.shared.floor.borrow();
        let range = ReadRange {
            limit: 1,
            ..ReadRange::after(at.before())
        };
        let page = self.read(&boundary.fail_if, range).await;
        let found = page.events.first().map(|event| event.position);
        assert_eq!(found, Some(at), "I10: no match at {at}");
        assert!(page.as_of >= floor, "{floor} was acknowledged");
        page.as_of
    }

    async fn read(&self, query: &EventQuery, range: ReadRange) -> EventPage {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.store.read(query.clone(), range).await {
                Ok(page) => return page,
                Err(StoreError::Unavailable { reason }) => {
                    assert!(Instant::now() < deadline, "it can be read: {reason}");
                    // Nothing tells when the database is back.
                    sleep(Duration::from_millis(5)).await;
                }
                Err(error) => panic!("a read: {error}"),
            }
        }
    }
}
