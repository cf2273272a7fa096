use std::collections::{HashMap, VecDeque};

use super::{Boundary, EventQuery, EventQueryItem, EventType, Position, Recorded, Tag, Tags};

/// The recent end of the log in memory: type and tags of every event in `(floor, head]`, so that
/// a boundary can be decided without reading the log.
#[derive(Debug)]
pub struct Window {
    floor: Position,
    events: VecDeque<(EventType, Tags)>,
    tagged: HashMap<Tag, VecDeque<Position>>,
    capacity: usize,
}

/// What the window knows about a boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No matching event came later.
    Holds,
    /// This one did.
    Conflict(Position),
    /// The boundary starts before the window does: ask the log.
    Unknown,
}

impl Window {
    /// An empty window at the head of a log, which will keep `capacity` events.
    pub fn new(head: Position, capacity: usize) -> Self {
        Self {
            floor: head,
            events: VecDeque::new(),
            tagged: HashMap::new(),
            capacity,
        }
    }

    /// The position of the last event in the window.
    pub fn head(&self) -> Position {
        self.floor.plus(self.events.len() as u64)
    }

    /// The position before the first event in the window.
    pub fn floor(&self) -> Position {
        self.floor
    }

    /// Adds the event that follows [`head`](Window::head).
    pub fn push(&mut self, event: &Recorded) {
        debug_assert_eq!(
            event.position,
            self.head().plus(1),
            "events are pushed in order"
        );
        for tag in &event.tags {
            self.tagged
                .entry(tag.clone())
                .or_default()
                .push_back(event.position);
        }
        self.events
            .push_back((event.event_type.clone(), event.tags.clone()));
        while self.events.len() > self.capacity {
            self.forget_first();
        }
    }

    /// Forgets everything after `head`, when an append that was pushed did not happen.
    pub fn truncate(&mut self, head: Position) {
        while self.head() > head {
            let Some((_, tags)) = self.events.pop_back() else {
                break;
            };
            self.forget(&tags, VecDeque::pop_back);
        }
    }

    /// Decides a boundary.
    pub fn decide(&self, boundary: &Boundary) -> Verdict {
        if boundary.after >= self.head() {
            return Verdict::Holds;
        }
        if boundary.after < self.floor {
            return Verdict::Unknown;
        }
        let conflict = match &boundary.fail_if {
            EventQuery::All => Some(self.head()),
            EventQuery::Items(items) => items
                .iter()
                .find_map(|item| self.latest(item, boundary.after)),
        };
        conflict.map_or(Verdict::Holds, Verdict::Conflict)
    }

    /// The latest event after `after` that the item matches.
    fn latest(&self, item: &EventQueryItem, after: Position) -> Option<Position> {
        let matches = |position: &Position| {
            let index = usize::try_from(position.since(self.floor) - 1).ok()?;
            let (event_type, tags) = self.events.get(index)?;
            item.matches(event_type, tags).then_some(*position)
        };
        if let Some(first) = item.tags.first() {
            let positions = self.tagged.get(first)?;
            return positions
                .iter()
                .rev()
                .take_while(|at| **at > after)
                .find_map(matches);
        }
        (after.get() + 1..=self.head().get())
            .rev()
            .map(Position::new)
            .find_map(|at| matches(&at))
    }

    fn forget_first(&mut self) {
        if let Some((_, tags)) = self.events.pop_front() {
            self.forget(&tags, VecDeque::pop_front);
            self.floor = self.floor.plus(1);
        }
    }

    fn forget(&mut self, tags: &Tags, pop: fn(&mut VecDeque<Position>) -> Option<Position>) {
        for tag in tags {
            if let Some(positions) = self.tagged.get_mut(tag) {
                pop(positions);
                if positions.is_empty() {
                    self.tagged.remove(tag);
                }
            }
        }
    }
}
