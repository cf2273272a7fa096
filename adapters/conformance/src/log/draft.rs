use cqrs_core::store::{
    Append, AppendToken, Boundary, EventData, EventLog, EventQuery, EventQueryItem, EventType,
    Position, Recorded, StateKey, StateWrite, Tag, Tags,
};
use cqrs_core::{CommandId, Timestamp};

/// A command to append.
#[derive(Clone, Debug)]
pub(super) struct Draft(pub(super) Append);

impl Draft {
    /// A command with a fresh id and no events.
    pub(super) fn new() -> Self {
        Self::with_id(CommandId::new())
    }

    /// A command with this id and no events.
    pub(super) fn with_id(command: CommandId) -> Self {
        Self(Append::new(command, Vec::new()).fingerprint(1))
    }

    /// A command with 60 events of the types `even` and `odd` in turn, under the tag `book:B`. One
    /// of them is 50 times as large as the others.
    pub(super) fn of_uneven_sizes() -> Self {
        (0..60).fold(Self::new(), |draft, number| {
            let size = if number == 30 { 500_000 } else { 10_000 };
            let event_type = if number % 2 == 0 { "even" } else { "odd" };
            draft.payload(event_type, &["book:B"], text(size))
        })
    }

    /// A command without a given id, and no events.
    pub(super) fn assigned() -> Self {
        let Self(append) = Self::with_id(CommandId::assigned(Timestamp::now()));
        Self(append.given_id(false))
    }

    /// The same, sent by a caller that sets the id.
    pub(super) fn given(self) -> Self {
        Self(self.0.given_id(true))
    }

    /// Adds an event with a payload that no other event has. The versions are 1 and 2 in turn.
    pub(super) fn event(self, event_type: &'static str, tags: &[&str]) -> Self {
        let index = self.0.events.len();
        let payload = format!(r#"{{"of":"{}","at":{index}}}"#, self.0.command);
        let mut draft = self.payload(event_type, tags, payload.into_bytes());
        draft.0.events[index].version = if index.is_multiple_of(2) { 1 } else { 2 };
        draft
    }

    /// Adds an event of version 1.
    pub(super) fn payload(
        mut self,
        event_type: impl Into<String>,
        tags: &[impl AsRef<str>],
        payload: Vec<u8>,
    ) -> Self {
        let event_type = EventType::from(event_type.into());
        let tags = tags
            .iter()
            .map(|tag| Tag::from(tag.as_ref()))
            .collect::<Tags>();
        self.0.events.push(EventData {
            event_type,
            version: 1,
            tags,
            payload,
        });
        self
    }

    /// Sets the fingerprint.
    pub(super) fn fingerprint(mut self, fingerprint: u64) -> Self {
        self.0.fingerprint = fingerprint;
        self
    }

    /// Adds a condition: no matching event after this position.
    pub(super) fn unless(mut self, fail_if: EventQuery, after: Position) -> Self {
        self.0.boundaries.push(Boundary::new(fail_if, after));
        self
    }

    /// Sets a new token.
    pub(super) fn token(mut self) -> (Self, AppendToken) {
        let token = AppendToken::new();
        self.0.token = Some(token);
        (self, token)
    }

    /// Lets all boundaries follow the append with this token.
    pub(super) fn follows(mut self, token: AppendToken) -> Self {
        for boundary in &mut self.0.boundaries {
            boundary.after_append = Some(token);
        }
        self
    }

    /// Adds a state to write.
    pub(super) fn state(
        mut self,
        aggregate: &'static str,
        id: &str,
        body: &str,
        based_on: Option<Position>,
    ) -> Self {
        let (key, body) = (state_key(aggregate, id), body.as_bytes().to_vec());
        self.0.states.push(StateWrite {
            key,
            body,
            based_on,
        });
        self
    }

    /// Sets the time.
    pub(super) fn at(mut self, time: Timestamp) -> Self {
        self.0.time = time;
        self
    }

    /// Removes the states, if the log does not claim stored states.
    pub(super) fn claimed_by(mut self, log: &impl EventLog) -> Self {
        if log.capabilities().states.is_none() {
            self.0.states.clear();
        }
        self
    }

    /// Whether this is the command's event with this index, unchanged except for its position and
    /// time.
    pub(super) fn is_recorded_as(&self, index: usize, event: &Recorded) -> bool {
        let append = self.0.clone();
        let sent = append.record(Position::START, event.meta.time).nth(index);
        sent.is_some_and(|sent| sent.data == event.data && sent.meta == event.meta)
    }

    /// The command's id.
    pub(super) fn id(&self) -> CommandId {
        self.0.command
    }
}

/// A time in microseconds since 1970.
pub(super) fn micros(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).expect("a time within jiff's range")
}

/// JSON of this size.
pub(super) fn text(size: usize) -> Vec<u8> {
    format!("\"{}\"", "x".repeat(size - 2)).into_bytes()
}

/// The key of a stored state.
pub(super) fn state_key(aggregate: &'static str, id: &str) -> StateKey {
    StateKey {
        aggregate,
        id: id.to_owned(),
    }
}

/// Selects events with this tag.
pub(super) fn tagged(tag: &str) -> EventQuery {
    EventQuery::tagged(Tag::from(tag))
}

/// Matches events of any of these types with all of these tags.
pub(super) fn item(types: &[&'static str], tags: &[&str]) -> EventQueryItem {
    EventQueryItem {
        types: types.iter().copied().map(EventType::new).collect(),
        tags: tags.iter().map(|tag| Tag::from(*tag)).collect(),
    }
}

/// Selects events of any of these types with all of these tags.
pub(super) fn only(types: &[&'static str], tags: &[&str]) -> EventQuery {
    EventQuery::Items(vec![item(types, tags)])
}
