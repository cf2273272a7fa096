//! An append, with all work done that needs neither the log nor a lock.

use std::mem::take;

use crate::decider::ConflictWindow;
use cqrs_core::store::{
    Append, AppendError, AppendToken, AppendWrites, Appended, Boundary, Recorded, StateWrite,
    StoredCommand, Tag, Tags,
};
use cqrs_core::{CommandId, Position, Timestamp};

/// An append on its way through a writer. Each attempt to write it gives its events new positions, so
/// the append can be attempted again after a batch has failed.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Id of the command.
    pub command: CommandId,
    /// Whether the caller has set that id.
    pub has_given_id: bool,
    /// Whether the command gets a record of its own in any case. Defaults to `false`.
    pub is_recorded: bool,
    /// Hash of the command's name and body.
    pub fingerprint: u64,
    /// Number of earlier attempts of the command.
    pub conflicts: u32,
    /// Conditions, all of which must hold.
    pub boundaries: Vec<Boundary>,
    /// States to write with the events.
    pub states: Vec<StateWrite>,
    /// Statements to execute in the transaction of the events.
    pub writes: Option<AppendWrites>,
    /// The events, each with its tags as a JSON array if it has several. [`place`](Prepared::place) sets
    /// positions and time.
    pub events: Vec<(Recorded, Option<String>)>,
    /// Total size of payloads, states and statements, in bytes.
    pub bytes: usize,
    time: Timestamp,
    token: Option<AppendToken>,
    /// The result if the log were empty, from which the result at any head follows.
    appended: Appended,
}

/// The last event of the log has a time that no clock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the last event of the log has an impossible time: {0} microseconds after 1970")]
pub struct ImpossibleTime(pub i64);

impl Prepared {
    /// Prepares an append.
    ///
    /// # Errors
    /// [`AppendError::Invalid`] if its tags have no JSON.
    pub fn new(mut append: Append) -> Result<Self, AppendError> {
        let boundaries = take(&mut append.boundaries);
        let states = take(&mut append.states);
        let mut prepared = Self {
            command: append.command,
            has_given_id: append.has_given_id,
            is_recorded: false,
            fingerprint: append.fingerprint,
            conflicts: append.conflicts,
            bytes: append.bytes() + states.iter().map(|state| state.body.len()).sum::<usize>(),
            time: append.time,
            token: append.token,
            appended: append.appended(Position::START, append.time),
            writes: append.writes.take(),
            boundaries,
            states,
            events: Vec::with_capacity(append.events.len()),
        };
        let time = append.time;
        for event in append.record(Position::START, time) {
            let has_several_tags = event.data.tags.iter().nth(1).is_some();
            let all_tags = has_several_tags.then(|| tags_json(&event.data.tags));
            prepared.events.push((event, all_tags.transpose()?));
        }
        Ok(prepared)
    }

    /// Gives the events the positions after `head`, and their time: that of the append, or the time of
    /// the last event of the log, `last` in microseconds since 1970, if that is later. So recorded times
    /// never decrease along the log. Returns the result of the append if it is written there.
    ///
    /// # Errors
    /// [`ImpossibleTime`].
    pub fn place(&mut self, head: Position, last: i64) -> Result<Appended, ImpossibleTime> {
        let micros = self.time.as_microsecond().max(last);
        let time = Timestamp::from_microsecond(micros).map_err(|_| ImpossibleTime(micros))?;
        for (number, (event, _)) in (1..).zip(&mut self.events) {
            event.position = head.plus(number);
            event.meta.time = time;
        }
        Ok(Appended {
            first: head.plus(self.appended.first.get()),
            last: head.plus(self.appended.last.get()),
            time: self.appended.time.map(|_| time),
            ..self.appended
        })
    }

    /// Adds the events to a window that ends before them, and records the append's token.
    pub fn add_to(&self, window: &mut ConflictWindow) {
        for (event, _) in &self.events {
            window.push(event);
        }
        if let Some(token) = self.token {
            window.record(token, window.head());
        }
    }

    /// Withdraws the append's token from a window, after it was not written. Its events are removed by
    /// [`truncate`](ConflictWindow::truncate).
    pub fn withdraw_from(&self, window: &mut ConflictWindow) {
        if let Some(token) = self.token {
            window.forget(token);
        }
    }

    /// The token by which later appends can follow this one.
    pub fn token(&self) -> Option<AppendToken> {
        self.token
    }

    /// Whether it was decided on a log that is longer than this. Then the writer has to catch up first,
    /// or would refuse it as [`Rewound`](cqrs_core::store::StoreError::Rewound).
    pub fn is_ahead_of(&self, head: Position) -> bool {
        self.boundaries.iter().any(|boundary| boundary.after > head)
    }

    /// Whether the command gets a record of its own. Without one, its record is in the rows of its events.
    pub fn has_record(&self) -> bool {
        self.is_recorded || self.has_given_id || self.events.is_empty()
    }

    /// Whether only the command's own record tells other processes that an assigned id was sent again: there
    /// are no events that would.
    pub fn is_resent_without_events(&self) -> bool {
        self.has_given_id && self.command.is_assigned() && self.events.is_empty()
    }

    /// The fingerprint in the rows of the events: that of a command without a given id.
    pub fn event_fingerprint(&self) -> Option<i64> {
        (!self.has_given_id).then(|| self.fingerprint.cast_signed())
    }

    /// The result of an append whose command was recorded before: the result of the first append.
    ///
    /// # Errors
    /// [`AppendError::CommandMismatch`].
    pub fn replay(&self, stored: StoredCommand) -> Result<Appended, AppendError> {
        stored.replay(self.command, self.fingerprint)
    }

    /// Takes the events, after they were written.
    pub fn take_events(&mut self) -> impl Iterator<Item = Recorded> + use<> {
        take(&mut self.events).into_iter().map(|(event, _)| event)
    }
}

fn tags_json(tags: &Tags) -> Result<String, AppendError> {
    let texts: Vec<&str> = tags.iter().map(Tag::as_str).collect();
    serde_json::to_string(&texts).map_err(|error| AppendError::Invalid {
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use crate::decider::BoundaryCheck::{Conflict, Holds};
    use cqrs_core::store::{EventData, EventQuery, EventType};

    use super::*;

    fn append(events: usize) -> Append {
        let event = EventData {
            event_type: EventType::new("noted"),
            version: 1,
            tags: Tags::from(Tag::from("a:1")),
            payload: b"{}".to_vec(),
        };
        let time = Timestamp::from_microsecond(1000).unwrap();
        Append::new(CommandId::new(), vec![event; events]).at(time)
    }

    fn positions(prepared: &Prepared) -> Vec<u64> {
        let events = prepared.events.iter();
        events.map(|(event, _)| event.position.get()).collect()
    }

    #[test]
    fn each_attempt_gives_events_new_positions() {
        let mut prepared = Prepared::new(append(2)).unwrap();
        for head in [7, 3] {
            let appended = prepared.place(Position::new(head), i64::MIN).unwrap();
            assert_eq!(positions(&prepared), [head + 1, head + 2]);
            assert_eq!(appended.first.get(), head + 1);
            assert_eq!(appended.last.get(), head + 2);
        }
    }

    #[test]
    fn an_append_without_events_is_at_the_head_and_has_no_time() {
        let mut prepared = Prepared::new(append(0)).unwrap();
        let appended = prepared.place(Position::new(7), 2000).unwrap();
        assert_eq!((appended.first.get(), appended.last.get()), (7, 7));
        assert_eq!(appended.time, None);
    }

    #[test]
    fn times_never_decrease() {
        for (last, expected) in [(i64::MIN, 1000), (999, 1000), (2000, 2000)] {
            let mut prepared = Prepared::new(append(1)).unwrap();
            let appended = prepared.place(Position::START, last).unwrap();
            let time = Timestamp::from_microsecond(expected).unwrap();
            assert_eq!(appended.time, Some(time));
            assert_eq!(prepared.events[0].0.meta.time, time);
        }
        let mut prepared = Prepared::new(append(1)).unwrap();
        let error = prepared.place(Position::START, i64::MAX).unwrap_err();
        assert_eq!(error, ImpossibleTime(i64::MAX));
    }

    #[test]
    fn what_is_placed_can_be_decided_about_and_followed() {
        let token = AppendToken::new();
        let mut prepared = Prepared::new(append(1).token(token)).unwrap();
        let head = Position::new(7);
        let mut window = ConflictWindow::new(head, 10);
        prepared.place(head, i64::MIN).unwrap();
        prepared.add_to(&mut window);
        assert_eq!(window.head().get(), 8);
        let boundary = Boundary::new(EventQuery::tagged(Tag::from("a:1")), head);
        let follows = boundary.clone().after_append(token);
        assert_eq!(window.decide(&boundary), Conflict(Position::new(8)));
        assert_eq!(window.decide(&follows), Holds);
        prepared.withdraw_from(&mut window);
        assert_eq!(window.decide(&follows), Conflict(Position::new(8)));
    }
}
