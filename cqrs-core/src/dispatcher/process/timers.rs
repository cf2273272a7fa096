use std::collections::{BTreeSet, HashMap};

use crate::Timestamp;

/// Maximum number of instances whose next deadlines are in memory.
const MAX_TIMERS: usize = 10_000;

/// The instances whose deadlines are due next, in the order of time. The others are in the index alone.
#[derive(Default)]
pub(super) struct Timers {
    next: BTreeSet<(Timestamp, String)>,
    of_keys: HashMap<String, Timestamp>,
    known: IndexRead,
}

/// Up to where the index was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum IndexRead {
    #[default]
    Nothing,
    /// In the order of times and keys.
    UpTo(Timestamp, String),
    All,
}

impl Timers {
    /// Sets the time at which an instance is to be looked at. `None` if there is none.
    pub(super) fn set(&mut self, key: &str, time: Option<Timestamp>) {
        if let Some(earlier) = self.of_keys.remove(key) {
            self.next.remove(&(earlier, key.to_owned()));
        }
        let Some(time) = time.filter(|time| self.is_known(*time, key)) else {
            return;
        };
        self.of_keys.insert(key.to_owned(), time);
        self.next.insert((time, key.to_owned()));
        if self.next.len() > MAX_TIMERS
            && let Some((_, last)) = self.next.pop_last()
        {
            self.of_keys.remove(&last);
            if let Some((time, key)) = self.next.last() {
                self.known = IndexRead::UpTo(*time, key.clone());
            }
        }
    }

    /// Adds what was read from the index, up to a place.
    pub(super) fn extend(
        &mut self,
        read: impl IntoIterator<Item = (String, Timestamp)>,
        known: IndexRead,
    ) {
        self.known = known;
        for (key, time) in read {
            self.set(&key, Some(time));
        }
    }

    /// Takes the keys that are due, at most this many.
    pub(super) fn take_due(&mut self, now: Timestamp, max: usize) -> Vec<String> {
        let mut due = Vec::new();
        while due.len() < max
            && self.next.first().is_some_and(|(time, _)| *time <= now)
            && let Some((_, key)) = self.next.pop_first()
        {
            self.of_keys.remove(&key);
            due.push(key);
        }
        due
    }

    /// The time of the first one.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.next.first().map(|(time, _)| *time)
    }

    /// The place from which the index has to be read before anything else can be due.
    pub(super) fn to_read(&self) -> Option<&IndexRead> {
        (self.next.is_empty() && self.known != IndexRead::All).then_some(&self.known)
    }

    fn is_known(&self, time: Timestamp, key: &str) -> bool {
        match &self.known {
            IndexRead::Nothing => false,
            IndexRead::UpTo(last, last_key) => (time, key) <= (*last, last_key.as_str()),
            IndexRead::All => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn what_is_due_comes_in_the_order_of_time() {
        let mut timers = Timers::default();
        timers.set("early", Some(second(0)));
        assert_eq!(timers.first(), None, "nothing was read from the index");
        timers.extend(
            [("b".to_owned(), second(2)), ("a".to_owned(), second(3))],
            IndexRead::All,
        );
        timers.set("c", Some(second(1)));
        timers.set("a", Some(second(4)));
        timers.set("b", None);
        assert_eq!(timers.take_due(second(3), 9), ["c"]);
        assert_eq!(timers.take_due(second(4), 9), ["a"]);
        assert_eq!(timers.to_read(), None);
    }

    #[test]
    fn what_is_after_the_place_that_was_read_stays_in_the_index() {
        let mut timers = Timers::default();
        let read = (0..3).map(|place| (format!("{place}"), second(place)));
        timers.extend(read, IndexRead::UpTo(second(2), "2".to_owned()));
        timers.set("later", Some(second(3)));
        assert_eq!(timers.take_due(second(9), 2), ["0", "1"]);
        assert_eq!(timers.to_read(), None, "one is left");
        assert_eq!(timers.take_due(second(9), 2), ["2"]);
        assert!(matches!(timers.to_read(), Some(IndexRead::UpTo(..))));
    }

    #[test]
    fn the_number_in_memory_is_bounded() {
        let mut timers = Timers::default();
        timers.extend([], IndexRead::All);
        for (place, time) in (0..MAX_TIMERS + 5).zip(0..) {
            timers.set(&place.to_string(), Some(second(time)));
        }
        assert_eq!(timers.next.len(), MAX_TIMERS);
        assert_eq!(timers.next.len(), timers.of_keys.len());
        assert!(matches!(timers.known, IndexRead::UpTo(..)));
    }
}
