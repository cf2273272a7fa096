use std::collections::VecDeque;

use super::append_token::CompletedAppends;
use super::tag_chains::TagChains;
use super::{
    AppendToken, Boundary, EventQuery, EventQueryItem, EventType, Position, Recorded, Tags,
};

/// The recent end of the log in memory: type and tags of every event in `(floor, head]`, so that
/// a boundary can be decided without reading the log. The default is at the start of a log and has
/// no room for events.
#[derive(Debug, Default)]
pub struct ConflictWindow {
    floor: Position,
    events: VecDeque<(EventType, Tags)>,
    /// The tags of these events.
    tags: TagChains,
    completed: CompletedAppends,
    /// Maximum number of events.
    capacity: usize,
}

/// The decision of a [`ConflictWindow`] about a boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundaryCheck {
    /// No matching event came later.
    Holds,
    /// A matching event is at this position. If the append that the boundary follows is unknown,
    /// the position is the head.
    Conflict(Position),
    /// The boundary begins after this position, which is before the window. The log has to be
    /// asked.
    Unknown(Position),
}

impl ConflictWindow {
    /// Creates an empty window at the head of a log, for at most `capacity` events.
    pub fn new(head: Position, capacity: usize) -> Self {
        Self {
            floor: head,
            capacity,
            ..Self::default()
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

    /// Adds the event that follows [`head`](ConflictWindow::head).
    pub fn push(&mut self, event: &Recorded) {
        debug_assert_eq!(
            event.position,
            self.head().plus(1),
            "events are pushed in order"
        );
        self.add(event.data.event_type.clone(), event.data.tags.clone());
    }

    /// Adds the event that follows [`head`](ConflictWindow::head), by its type and tags.
    pub fn add(&mut self, event_type: EventType, tags: Tags) {
        let position = self.head().plus(1);
        for tag in &tags {
            self.tags.push(tag, position);
        }
        self.events.push_back((event_type, tags));
        // With a capacity of 0, the event itself leaves, and the window is empty at the new head.
        while self.events.len() > self.capacity {
            self.drop_first();
        }
    }

    /// Records the last position of an append whose events were added.
    pub fn record(&mut self, token: AppendToken, last: Position) {
        self.completed.record(token, last);
    }

    /// Forgets a recorded append that was not written, so that none can follow it. If it has events,
    /// [`truncate`](ConflictWindow::truncate) does that as well; without events, its position is that
    /// of an append that was written.
    pub fn forget(&mut self, token: AppendToken) {
        self.completed.remove(token);
    }

    /// Removes everything after `head`, when added events were not written. Recorded appends without
    /// events stay until they are [forgotten](ConflictWindow::forget).
    pub fn truncate(&mut self, head: Position) {
        // A boundary must not follow an append that did not happen.
        if self.head() > head {
            self.completed.truncate(head);
        }
        while self.head() > head {
            let Some((_, tags)) = self.events.pop_back() else {
                // The added events exceeded the capacity and evicted everything before them.
                self.floor = head;
                break;
            };
            tags.iter().for_each(|_| self.tags.pop_last());
        }
    }

    /// Prepares the window for a log that ends at `head`. If events are missing, returns the
    /// position after which they have to be read and added.
    ///
    /// The window starts over at `head` if the log is shorter than it was, if more than `max`
    /// events are missing, or if more are missing than the window can hold.
    pub fn follow(&mut self, head: Position, max: usize) -> Option<Position> {
        let known = self.head();
        // Reading more than the window can hold would evict what was read first.
        let missing = usize::try_from(head.since(known)).unwrap_or(usize::MAX);
        if head < known || missing > max.min(self.capacity) {
            self.reset(head);
            return None;
        }
        (missing > 0).then_some(known)
    }

    /// Moves the window to `head` without the events before it. Keeps the appends recorded with
    /// [`record`](ConflictWindow::record).
    pub fn skip_to(&mut self, head: Position) {
        self.events.clear();
        self.tags.clear();
        self.floor = head;
    }

    /// Empties the window, to continue at another head.
    pub fn reset(&mut self, head: Position) {
        *self = Self::new(head, self.capacity);
    }

    /// Decides a boundary.
    pub fn decide(&self, boundary: &Boundary) -> BoundaryCheck {
        let after = match boundary.after_append {
            None => boundary.after,
            Some(token) => match self.completed.of(token) {
                Some(last) => last,
                // The append failed, or was recorded too long ago. Either way, the decision was
                // based on events that the window cannot vouch for, so it has to be made again.
                None => return BoundaryCheck::Conflict(self.head()),
            },
        };
        self.decide_after(&boundary.fail_if, after)
    }

    /// Decides whether a matching event is after a position.
    pub fn decide_after(&self, fail_if: &EventQuery, after: Position) -> BoundaryCheck {
        // Before the comparison with the floor: an empty window can tell this, too.
        if after >= self.head() {
            return BoundaryCheck::Holds;
        }
        if after < self.floor {
            return BoundaryCheck::Unknown(after);
        }
        let conflict = match fail_if {
            EventQuery::All => Some(self.head()),
            EventQuery::Items(items) => items.iter().find_map(|item| self.latest(item, after)),
        };
        conflict.map_or(BoundaryCheck::Holds, BoundaryCheck::Conflict)
    }

    /// The position of the latest event after `after` that the item matches.
    fn latest(&self, item: &EventQueryItem, after: Position) -> Option<Position> {
        let matches = |position: Position| {
            let index = usize::try_from(position.since(self.floor) - 1).ok()?;
            let (event_type, tags) = self.events.get(index)?;
            item.matches(event_type, tags).then_some(position)
        };
        // An event that matches has all tags of the item, so it is among those with the first. From
        // the latest one back, the search ends at the boundary, which is usually close.
        if let Some(first) = item.tags.first() {
            return self
                .tags
                .candidates(first)
                .take_while(|at| *at > after)
                .find_map(matches);
        }
        (after.get() + 1..=self.head().get())
            .rev()
            .map(Position::new)
            .find_map(matches)
    }

    fn drop_first(&mut self) {
        if let Some((_, tags)) = self.events.pop_front() {
            tags.iter().for_each(|_| self.tags.pop_first());
            self.floor = self.floor.plus(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Tag;

    /// A window of `capacity` on the log after position 10, with one event per list of tags.
    fn window(capacity: usize, events: &[&[&str]]) -> ConflictWindow {
        let mut window = ConflictWindow::new(Position::new(10), capacity);
        push(&mut window, events);
        window
    }

    fn push(window: &mut ConflictWindow, events: &[&[&str]]) {
        for tags in events {
            let tags = tags.iter().map(|tag| Tag::from(*tag)).collect();
            window.add(EventType::new("noted"), tags);
        }
    }

    fn decide(window: &ConflictWindow, tags: &[&str], after: u64) -> BoundaryCheck {
        let item = EventQueryItem {
            types: vec![EventType::new("noted")],
            tags: tags.iter().map(|tag| Tag::from(*tag)).collect(),
        };
        let fail_if = EventQuery::Items(vec![item]);
        window.decide(&Boundary::new(fail_if, Position::new(after)))
    }

    fn unknown(after: u64) -> BoundaryCheck {
        BoundaryCheck::Unknown(Position::new(after))
    }

    fn follow(window: &ConflictWindow, tag: &str, token: AppendToken) -> BoundaryCheck {
        let fail_if = EventQuery::tagged(Tag::from(tag));
        window.decide(&Boundary::new(fail_if, Position::new(10)).after_append(token))
    }

    #[test]
    fn only_a_matching_event_after_the_boundary_is_a_conflict() {
        let window = window(10, &[&["a:1"], &["a:1", "b:2"], &["b:2"]]);
        assert_eq!(
            decide(&window, &["a:1"], 11),
            BoundaryCheck::Conflict(Position::new(12))
        );
        assert_eq!(decide(&window, &["a:1"], 12), BoundaryCheck::Holds);
        assert_eq!(decide(&window, &["b:2", "a:1"], 12), BoundaryCheck::Holds);
        assert_eq!(
            decide(&window, &[], 10),
            BoundaryCheck::Conflict(Position::new(13))
        );
        assert_eq!(decide(&window, &["c:3"], 10), BoundaryCheck::Holds);
    }

    #[test]
    fn what_was_before_the_window_is_not_known() {
        let window = window(2, &[&["a:1"], &["b:2"], &["b:2"]]);
        assert_eq!(
            (window.floor(), window.head()),
            (Position::new(11), Position::new(13))
        );
        assert_eq!(decide(&window, &["a:1"], 10), unknown(10));
        assert_eq!(decide(&window, &["a:1"], 11), BoundaryCheck::Holds);
        assert_eq!(decide(&window, &["a:1"], 99), BoundaryCheck::Holds);
    }

    #[test]
    fn a_truncated_window_is_as_if_nothing_had_been_pushed() {
        let mut window = window(10, &[&["a:1"]]);
        push(&mut window, &[&["a:1"], &["b:2"]]);
        window.truncate(Position::new(11));
        assert_eq!(window.head(), Position::new(11));
        assert_eq!(
            decide(&window, &["a:1"], 10),
            BoundaryCheck::Conflict(Position::new(11))
        );
        assert_eq!(decide(&window, &["b:2"], 10), BoundaryCheck::Holds);
    }

    #[test]
    fn a_window_is_truncated_below_what_it_still_knew() {
        let mut window = window(2, &[&["a:1"]]);
        push(&mut window, &[&["b:2"], &["b:2"], &["b:2"], &["b:2"]]);
        window.truncate(Position::new(11));
        assert_eq!(
            (window.floor(), window.head()),
            (Position::new(11), Position::new(11))
        );
        assert_eq!(decide(&window, &["a:1"], 10), unknown(10));
        push(&mut window, &[&["c:3"]]);
        assert_eq!(
            decide(&window, &["c:3"], 11),
            BoundaryCheck::Conflict(Position::new(12))
        );
    }

    #[test]
    fn a_window_without_room_knows_nothing_but_its_head() {
        let window = window(0, &[&["a:1"]]);
        assert_eq!(decide(&window, &["a:1"], 10), unknown(10));
        assert_eq!(decide(&window, &["a:1"], 11), BoundaryCheck::Holds);
    }

    #[test]
    fn a_boundary_that_follows_an_append_begins_after_it() {
        let mut window = window(10, &[&["a:1"]]);
        let token = AppendToken::new();
        assert_eq!(
            follow(&window, "a:1", token),
            BoundaryCheck::Conflict(Position::new(11)),
            "it is not there"
        );
        window.record(token, Position::new(11));
        push(&mut window, &[&["b:2"]]);
        assert_eq!(follow(&window, "a:1", token), BoundaryCheck::Holds);
        assert_eq!(
            follow(&window, "b:2", token),
            BoundaryCheck::Conflict(Position::new(12))
        );
        push(&mut window, &[&["b:2"][..]; 10]);
        assert_eq!(follow(&window, "a:1", token), unknown(11));
    }

    #[test]
    fn what_is_truncated_cannot_be_followed() {
        let mut window = window(10, &[&["a:1"]]);
        let [first, second] = [AppendToken::new(), AppendToken::new()];
        window.record(first, Position::new(11));
        push(&mut window, &[&["a:1"]]);
        window.record(second, Position::new(12));
        window.truncate(Position::new(11));
        assert_eq!(follow(&window, "a:1", first), BoundaryCheck::Holds);
        assert_eq!(
            follow(&window, "a:1", second),
            BoundaryCheck::Conflict(Position::new(11))
        );
    }

    #[test]
    fn what_is_forgotten_cannot_be_followed() {
        let mut window = window(10, &[&["a:1"]]);
        let [written, not_written] = [AppendToken::new(), AppendToken::new()];
        window.record(written, Position::new(11));
        // Without events, it is at the same position.
        window.record(not_written, Position::new(11));
        window.forget(not_written);
        assert_eq!(follow(&window, "a:1", written), BoundaryCheck::Holds);
        assert_eq!(
            follow(&window, "a:1", not_written),
            BoundaryCheck::Conflict(Position::new(11))
        );
    }

    #[test]
    fn a_window_follows_a_log_that_others_write() {
        let mut window = window(3, &[&["a:1"]]);
        assert_eq!(window.follow(Position::new(11), 3), None);
        assert_eq!(window.follow(Position::new(13), 3), Some(Position::new(11)));
        push(&mut window, &[&["b:2"], &["b:2"]]);
        assert_eq!(window.floor(), Position::new(10), "it has all it had");
        assert_eq!(window.follow(Position::new(16), 2), None, "too many");
        assert_eq!(window.floor(), Position::new(16));
        assert_eq!(window.follow(Position::new(20), 9), None, "no room");
        assert_eq!(window.floor(), Position::new(20));
        assert_eq!(window.follow(Position::new(19), 3), None, "it is shorter");
        assert_eq!(window.head(), Position::new(19));
    }

    #[test]
    fn what_is_skipped_can_be_followed() {
        let mut window = window(10, &[&["a:1"]]);
        let token = AppendToken::new();
        window.record(token, Position::new(12));
        window.skip_to(Position::new(12));
        assert_eq!(decide(&window, &["a:1"], 10), unknown(10));
        assert_eq!(follow(&window, "a:1", token), BoundaryCheck::Holds);
    }
}
