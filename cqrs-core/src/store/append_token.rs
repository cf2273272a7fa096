use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Position;

/// Maximum number of appends that are remembered. An append that another one follows is in
/// progress, or was a moment ago.
const MAX_REMEMBERED: usize = 4096;

/// Identifies an append of this process, so that a later append can follow it before it is
/// answered. See [`Boundary::after_append`](super::Boundary::after_append).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppendToken(u64);

impl AppendToken {
    /// Creates a token that is unique in this process.
    #[expect(
        clippy::new_without_default,
        reason = "a default is the same every time"
    )]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The last positions of recent appends with a token, for a log that offers pipelining.
#[derive(Debug, Default)]
pub struct CompletedAppends(BTreeMap<AppendToken, Position>);

impl CompletedAppends {
    /// Records the last position of an append.
    pub fn record(&mut self, token: AppendToken, last: Position) {
        self.0.insert(token, last);
        if self.0.len() > MAX_REMEMBERED {
            self.0.pop_first();
        }
    }

    /// The last position of an append, if it was recorded recently.
    pub fn of(&self, token: AppendToken) -> Option<Position> {
        self.0.get(&token).copied()
    }

    /// Removes appends after `head`, which were not written.
    pub fn truncate(&mut self, head: Position) {
        self.0.retain(|_, last| *last <= head);
    }
}
