use uuid::Uuid;

use super::{
    AppendError, AppendToken, AppendWrites, Boundary, CustomMetadata, EventData, EventQuery,
    Metadata, Position, Recorded, StateWrite,
};
use crate::clock::Clock;
use crate::{CommandId, EventId, Timestamp};

/// The events of one command and the conditions under which they are recorded.
///
/// ```
/// use cqrs_core::store::{Append, EventData, EventQuery, EventType, Tag, Tags};
/// use cqrs_core::{CommandId, Position};
///
/// let product = Tag::new("product", "P001");
/// let event = EventData {
///     event_type: EventType::new("product-created"),
///     version: 1,
///     tags: Tags::from(product.clone()),
///     payload: br#"{"id":"P001"}"#.to_vec(),
/// };
/// let append = Append::new(CommandId::new(), vec![event])
///     .unless(EventQuery::tagged(product), Position::START)
///     .by("alice");
/// # let _ = append;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Append {
    /// Id of the command. An append with the id of a recorded command has no effect.
    pub command: CommandId,
    /// Whether the caller has set the id, so that the command may have been recorded before. Defaults to
    /// `true`. A command whose id was made for this very call is new, and a store need not look for it.
    pub has_given_id: bool,
    /// Hash of the command's name and body. Distinguishes a repeated command from a different one.
    pub fingerprint: u64,
    /// The events, in order.
    pub events: Vec<EventData>,
    /// Conditions, all of which must hold.
    pub boundaries: Vec<Boundary>,
    /// States to write with the events.
    pub states: Vec<StateWrite>,
    /// Statements to execute in the transaction of the events. Only for a log that
    /// [offers](super::Capabilities::writes) that.
    pub writes: Option<AppendWrites>,
    /// Time of the decision. A log with [`ordered_times`](super::Capabilities::ordered_times)
    /// raises it to the time of its last event.
    pub time: Timestamp,
    /// Actor that issued the command.
    pub actor: Option<String>,
    /// Correlation id.
    pub correlation: Uuid,
    /// Id of the cause.
    pub causation: Uuid,
    /// Custom metadata, which each of the events gets.
    pub metadata: CustomMetadata,
    /// Identifies this append, so that a later append can follow it before it is answered.
    pub token: Option<AppendToken>,
    /// Number of earlier attempts of the command. A log that several processes write may let a command
    /// that has lost several times go first. Defaults to 0.
    pub conflicts: u32,
}

/// The result of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Position of the first event; the head if there was none.
    pub first: Position,
    /// Position of the last event; the head if there was none.
    pub last: Position,
    /// Number of events.
    pub count: u64,
    /// Recorded time of the events. `None` if this call appended none, or if the log does not
    /// report the time.
    pub time: Option<Timestamp>,
    /// Whether the command was already recorded: by an earlier sending, or by this one, if the
    /// store lost the answer of its database and repeated the append.
    pub replayed: bool,
}

/// The record of a processed command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredCommand {
    /// See [`Append::fingerprint`].
    pub fingerprint: u64,
    /// See [`Appended::first`].
    pub first: Position,
    /// See [`Appended::last`].
    pub last: Position,
    /// See [`Appended::count`].
    pub count: u64,
}

impl Append {
    /// Creates an append at the current time, without conditions, actor and states. Correlation and
    /// causation default to the command's id, the fingerprint to 0.
    pub fn new(command: CommandId, events: Vec<EventData>) -> Self {
        Self::at_time(command, events, Clock::default().now())
    }

    /// Creates an append at this time.
    pub(crate) fn at_time(command: CommandId, events: Vec<EventData>, time: Timestamp) -> Self {
        Self {
            command,
            has_given_id: true,
            fingerprint: 0,
            events,
            boundaries: Vec::new(),
            states: Vec::new(),
            writes: None,
            time,
            actor: None,
            correlation: command.as_uuid(),
            causation: command.as_uuid(),
            metadata: CustomMetadata::default(),
            token: None,
            conflicts: 0,
        }
    }

    /// Sets the fingerprint.
    #[must_use]
    pub fn fingerprint(mut self, fingerprint: u64) -> Self {
        self.fingerprint = fingerprint;
        self
    }

    /// Sets whether the caller has set the id.
    #[must_use]
    pub fn given_id(mut self, has_given_id: bool) -> Self {
        self.has_given_id = has_given_id;
        self
    }

    /// Sets the time of the decision.
    #[must_use]
    pub fn at(mut self, time: Timestamp) -> Self {
        self.time = time;
        self
    }

    /// Adds a condition: no matching event after this position.
    #[must_use]
    pub fn unless(self, fail_if: EventQuery, after: Position) -> Self {
        self.boundary(Boundary::new(fail_if, after))
    }

    /// Adds a condition.
    #[must_use]
    pub fn boundary(mut self, boundary: Boundary) -> Self {
        self.boundaries.push(boundary);
        self
    }

    /// Sets the number of earlier attempts.
    #[must_use]
    pub fn after_conflicts(mut self, conflicts: u32) -> Self {
        self.conflicts = conflicts;
        self
    }

    /// Sets the actor.
    #[must_use]
    pub fn by(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Sets the correlation id.
    #[must_use]
    pub fn correlation(mut self, correlation: Uuid) -> Self {
        self.correlation = correlation;
        self
    }

    /// Sets the id of the cause.
    #[must_use]
    pub fn caused_by(mut self, causation: Uuid) -> Self {
        self.causation = causation;
        self
    }

    /// Sets the custom metadata.
    #[must_use]
    pub fn metadata(mut self, metadata: CustomMetadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// Adds a state to write.
    #[must_use]
    pub fn state(mut self, write: StateWrite) -> Self {
        self.states.push(write);
        self
    }

    /// Sets the statements to execute.
    #[must_use]
    pub fn writes(mut self, writes: impl Into<AppendWrites>) -> Self {
        self.writes = Some(writes.into());
        self
    }

    /// Sets the token by which a later append may follow this one.
    #[must_use]
    pub fn token(mut self, token: AppendToken) -> Self {
        self.token = Some(token);
        self
    }

    /// Total size of payloads, states and statements, in bytes.
    pub fn bytes(&self) -> usize {
        let events = self.events.iter().map(|event| event.payload.len());
        let states = self.states.iter().map(|state| state.body.len());
        let writes = self.writes.iter().map(AppendWrites::bytes);
        events.chain(states).chain(writes).sum()
    }

    /// The recorded events, with their ids and metadata, for a log with contiguous positions that
    /// ends at `head`. A log with gaps sets their positions.
    pub fn record(self, head: Position, time: Timestamp) -> impl Iterator<Item = Recorded> {
        let Self {
            command,
            events,
            actor,
            correlation,
            causation,
            metadata,
            ..
        } = self;
        let events = events.into_iter().enumerate();
        events.map(move |(index, data)| Recorded {
            position: head.plus(index as u64 + 1),
            data,
            meta: Metadata {
                id: EventId::of(command, index),
                time,
                actor: actor.clone(),
                command,
                correlation,
                causation,
                custom: metadata.clone(),
            },
        })
    }

    /// The result of the append, for a log with contiguous positions that ends at `head`.
    pub fn appended(&self, head: Position, time: Timestamp) -> Appended {
        let count = self.events.len() as u64;
        Appended {
            first: head.plus(count.min(1)),
            last: head.plus(count),
            count,
            time: (count > 0).then_some(time),
            replayed: false,
        }
    }
}

impl StoredCommand {
    /// The record of an append, on a log with contiguous positions.
    pub fn new(fingerprint: u64, first: Position, count: u64) -> Self {
        Self {
            fingerprint,
            first,
            last: first.plus(count.saturating_sub(1)),
            count,
        }
    }

    /// The result of a repeated append: that of the first one.
    ///
    /// # Errors
    /// [`AppendError::CommandMismatch`] if the fingerprints differ.
    pub fn replay(&self, id: CommandId, fingerprint: u64) -> Result<Appended, AppendError> {
        if self.fingerprint != fingerprint {
            return Err(AppendError::CommandMismatch { command: id });
        }
        Ok(Appended {
            first: self.first,
            last: self.last,
            count: self.count,
            time: None,
            replayed: true,
        })
    }
}
