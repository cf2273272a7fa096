use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Position;

/// How many appends are remembered. One that is followed is under way, or was a moment ago.
const KEEP: usize = 4096;

/// Names one call of [`EventStore::append`](super::EventStore::append) in this process, so that
/// another one can follow it before it is answered; see [`Boundary::follows`](super::Boundary).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

impl Ticket {
    /// One that no other append has.
    #[expect(
        clippy::new_without_default,
        reason = "a default is the same every time"
    )]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Where the last appends ended that have a ticket.
#[derive(Debug, Default)]
pub(super) struct Endings(BTreeMap<Ticket, Position>);

impl Endings {
    pub(super) fn note(&mut self, ticket: Ticket, last: Position) {
        self.0.insert(ticket, last);
        if self.0.len() > KEEP {
            self.0.pop_first();
        }
    }

    pub(super) fn of(&self, ticket: Ticket) -> Option<Position> {
        self.0.get(&ticket).copied()
    }

    /// Forgets those after `head`, which did not happen.
    pub(super) fn truncate(&mut self, head: Position) {
        self.0.retain(|_, last| *last <= head);
    }
}
