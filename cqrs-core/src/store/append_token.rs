use std::collections::VecDeque;
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
///
/// In ascending order of the tokens. Appends complete nearly in the order in which their tokens
/// were made, so that most are added at the end.
#[derive(Debug, Default)]
pub struct CompletedAppends(VecDeque<(AppendToken, Position)>);

impl CompletedAppends {
    /// Records the last position of an append.
    pub fn record(&mut self, token: AppendToken, last: Position) {
        match self.place(token) {
            Ok(place) => self.0[place].1 = last,
            Err(place) if place == self.0.len() => self.0.push_back((token, last)),
            Err(place) => self.0.insert(place, (token, last)),
        }
        if self.0.len() > MAX_REMEMBERED {
            self.0.pop_front();
        }
    }

    /// The last position of an append, if it was recorded recently.
    pub fn of(&self, token: AppendToken) -> Option<Position> {
        let place = self.place(token).ok()?;
        self.0.get(place).map(|(_, last)| *last)
    }

    /// Removes an append.
    pub fn remove(&mut self, token: AppendToken) {
        if let Ok(place) = self.place(token) {
            self.0.remove(place);
        }
    }

    /// Removes appends after `head`, which were not written.
    pub fn truncate(&mut self, head: Position) {
        self.0.retain(|(_, last)| *last <= head);
    }

    /// The place of a token, or the place where it belongs.
    fn place(&self, token: AppendToken) -> Result<usize, usize> {
        // The newest token is searched for most often.
        match self.0.back() {
            Some((newest, _)) if *newest < token => Err(self.0.len()),
            _ => self.0.binary_search_by_key(&token, |(token, _)| *token),
        }
    }
}
