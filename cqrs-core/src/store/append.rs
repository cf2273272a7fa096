use uuid::Uuid;

use super::{
    AppendError, EventQuery, EventType, Incarnation, Position, Recorded, StateWrite, Tags, Ticket,
};
use crate::{CommandId, EventId, Timestamp};

/// What one command appends.
#[derive(Clone, Debug)]
pub struct Append {
    /// The command's id; an append under an id that is there already has no effect.
    pub command: CommandId,
    /// Of the command's name and body, to tell a repeated sending from another command.
    pub fingerprint: u64,
    /// The events, in order.
    pub events: Vec<NewEvent>,
    /// What must not have happened meanwhile: all of them must hold.
    pub boundaries: Vec<Boundary>,
    /// States to write with the events.
    pub states: Vec<StateWrite>,
    /// When; the store raises it to the last event's time if that is later.
    pub time: Timestamp,
    /// Who.
    pub actor: Option<String>,
    /// The conversation.
    pub correlation: Uuid,
    /// What caused the command.
    pub causation: Uuid,
    /// By which a later append may follow this one.
    pub ticket: Option<Ticket>,
}

/// An event before it has a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Its wire name.
    pub event_type: EventType,
    /// The version of its wire format.
    pub version: u32,
    /// What it concerns.
    pub tags: Tags,
    /// The event as JSON.
    pub payload: Vec<u8>,
}

/// What a decision read, and up to where: the append fails if a matching event came later. A
/// decision that read several things up to different positions has several.
#[derive(Clone, Debug)]
pub struct Boundary {
    /// What was read.
    pub fail_if: EventQuery,
    /// Up to where.
    pub after: Position,
    /// The incarnation of the log that was read. If it is not the store's current one, the append
    /// fails with [`AppendError::Rewound`].
    pub incarnation: Incarnation,
    /// An append that was begun before on the same store and has no answer yet, perhaps: the
    /// decision was made as if it had happened. Then the boundary begins after its events instead
    /// of `after`, and is broken if the store has not lately recorded that very append.
    pub follows: Option<Ticket>,
}

impl Boundary {
    /// Of what was read up to a position in the first incarnation of the log.
    pub fn new(fail_if: EventQuery, after: Position) -> Self {
        Self {
            fail_if,
            after,
            incarnation: Incarnation::default(),
            follows: None,
        }
    }
}

/// Where a command's events are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Position of the first event; the head if there was none.
    pub first: Position,
    /// Position of the last event; the head if there was none.
    pub last: Position,
    /// How many events.
    pub count: u64,
    /// Whether the command was found to be processed, and nothing was appended now: by an earlier
    /// sending, or by this one, if the store lost the answer of its database on the way.
    pub replayed: bool,
}

/// What is recorded of a processed command.
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

impl StoredCommand {
    /// The answer to a repeated append: the first one's, or a mismatch.
    ///
    /// # Errors
    /// [`AppendError::CommandMismatch`] when the fingerprints differ.
    pub fn replay(&self, id: CommandId, fingerprint: u64) -> Result<Appended, AppendError> {
        if self.fingerprint != fingerprint {
            return Err(AppendError::CommandMismatch { command: id });
        }
        Ok(Appended {
            first: self.first,
            last: self.last,
            count: self.count,
            replayed: true,
        })
    }
}

impl Append {
    /// The events as they will be stored, numbered on from `head`, recorded at `time`.
    pub fn record(self, head: Position, time: Timestamp) -> impl Iterator<Item = Recorded> {
        let Self {
            command,
            events,
            actor,
            correlation,
            causation,
            ..
        } = self;
        let events = events.into_iter().enumerate();
        events.map(move |(index, event)| Recorded {
            position: head.plus(index as u64 + 1),
            id: EventId::of(command, index),
            event_type: event.event_type,
            version: event.version,
            tags: event.tags,
            time,
            actor: actor.clone(),
            command,
            correlation,
            causation,
            payload: event.payload,
        })
    }

    /// Where the events are once they are numbered on from `head`.
    pub fn appended(&self, head: Position) -> Appended {
        let count = self.events.len() as u64;
        let first = head.plus(count.min(1));
        Appended {
            first,
            last: head.plus(count),
            count,
            replayed: false,
        }
    }

    /// How many bytes the payloads have.
    pub fn bytes(&self) -> usize {
        let states: usize = self.states.iter().map(|state| state.body.len()).sum();
        self.events
            .iter()
            .map(|event| event.payload.len())
            .sum::<usize>()
            + states
    }
}

/// The largest append that a store takes. Every store checks before it does anything else.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Events of one command.
    pub events: usize,
    /// Bytes of one payload, or of one state.
    pub payload: usize,
    /// Tags of one event.
    pub tags: usize,
    /// Bytes of one tag, event type, actor or id of a state. None of them may have U+0000, which
    /// some databases cannot keep in a text.
    pub name: usize,
    /// Bytes of all payloads and states of one append.
    pub append: usize,
}

impl Default for Limits {
    /// 10,000 events of 1 MiB with 64 tags of 512 bytes, together 64 MiB.
    fn default() -> Self {
        Self {
            events: 10_000,
            payload: 1 << 20,
            tags: 64,
            name: 512,
            append: 64 << 20,
        }
    }
}

impl Limits {
    /// Checks an append.
    ///
    /// # Errors
    /// [`AppendError::Invalid`] that names the limit and what broke it.
    pub fn check(&self, append: &Append) -> Result<(), AppendError> {
        let within = |what: &str, size: usize, limit: usize| {
            if size <= limit {
                return Ok(());
            }
            Err(AppendError::Invalid {
                reason: format!("{what}: {size}, at most {limit}"),
            })
        };
        let name = |what: &str, text: &str| {
            let problem = if text.contains('\0') {
                "has U+0000".to_owned()
            } else if text.len() > self.name {
                format!("has {} bytes, at most {}", text.len(), self.name)
            } else {
                return Ok(());
            };
            Err(AppendError::Invalid {
                reason: format!("{what} {problem}: {:?}", shortened(text)),
            })
        };
        within("events of one command", append.events.len(), self.events)?;
        if let Some(actor) = &append.actor {
            name("the actor", actor)?;
        }
        within(
            "bytes of one append, of all its events and states",
            append.bytes(),
            self.append,
        )?;
        for StateWrite { key, body, .. } in &append.states {
            if body.len() > self.payload {
                return Err(AppendError::Invalid {
                    reason: format!(
                        "the state of `{}:{}` is {} bytes of JSON, at most {}: keep less in it, or \
                         let it be folded from its events, without `storage = \"state\"`",
                        key.aggregate,
                        key.id,
                        body.len(),
                        self.payload
                    ),
                });
            }
            name("the id of a stored state", &key.id)?;
        }
        for event in &append.events {
            within(
                "bytes of an event's payload",
                event.payload.len(),
                self.payload,
            )?;
            name("an event's type", event.event_type.as_str())?;
            within("tags of an event", event.tags.as_slice().len(), self.tags)?;
            for tag in &event.tags {
                name("a tag", tag.as_str())?;
            }
        }
        Ok(())
    }
}

/// As much of a name as a person can read.
fn shortened(name: &str) -> String {
    name.chars().take(80).collect()
}
