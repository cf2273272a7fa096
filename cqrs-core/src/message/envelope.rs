use std::any::Any;
use std::mem;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Event;
use super::event::decode;
use crate::error::Error;
use crate::panic::panic_message;
use crate::store::{EventData, Position, Recorded};

/// An event to fold, with its metadata as far as they are known. An event that is folded for a
/// decision is not recorded yet.
pub struct Envelope<'a> {
    data: &'a EventData,
    position: Option<Position>,
    recorded: Option<&'a Recorded>,
    decoded: Option<&'a (dyn Any + Send + Sync)>,
}

/// The payload of an [`Envelope`].
pub enum Decoded<'a, E> {
    /// Decoded earlier, for the decision.
    Known(&'a E),
    /// Decoded for this fold.
    New(E),
}

/// The events of a decision, decoded from their own JSON, in order.
#[derive(Debug, Default)]
pub(crate) struct ReadBack {
    /// Apart, since most decisions have one event.
    first: Option<AnyEvent>,
    others: Vec<AnyEvent>,
}

type AnyEvent = Box<dyn Any + Send + Sync>;

impl<'a> Envelope<'a> {
    /// An event of the log.
    pub(crate) fn recorded(recorded: &'a Recorded) -> Self {
        Self {
            recorded: Some(recorded),
            ..Self::stored(recorded.position, &recorded.data)
        }
    }

    /// An event of the log that was read for a fold.
    pub(crate) fn stored(position: Position, data: &'a EventData) -> Self {
        Self {
            data,
            position: Some(position),
            recorded: None,
            decoded: None,
        }
    }

    /// Adds a provisional record, with the lowest position and time that the event can get.
    pub(crate) fn provisional(self, recorded: &'a Recorded) -> Self {
        Self {
            recorded: Some(recorded),
            ..self
        }
    }

    /// The position, if the event is recorded.
    pub(crate) fn position(&self) -> Option<Position> {
        self.position
    }

    /// The event with its metadata.
    ///
    /// # Errors
    /// If the event was read without metadata. Aggregates with
    /// [`READS_RECORDED`](super::Aggregate::READS_RECORDED) get events with metadata.
    pub fn record(&self) -> Result<&'a Recorded, Error> {
        self.recorded.ok_or_else(|| {
            let event_type = &self.data.event_type;
            Error::message(format!(
                "event `{event_type}` was read without its metadata"
            ))
        })
    }

    /// The payload as an `E`.
    ///
    /// # Errors
    /// As [`Recorded::decode`].
    pub fn decode<E: Event>(&self) -> Result<Decoded<'a, E>, Error> {
        match self.decoded.and_then(|event| event.downcast_ref()) {
            Some(event) => Ok(Decoded::Known(event)),
            None => decode(self.data, self.position).map(Decoded::New),
        }
    }
}

impl Deref for Envelope<'_> {
    type Target = EventData;

    fn deref(&self) -> &EventData {
        self.data
    }
}

impl<E> Deref for Decoded<'_, E> {
    type Target = E;

    fn deref(&self) -> &E {
        match self {
            Self::Known(event) => event,
            Self::New(event) => event,
        }
    }
}

impl ReadBack {
    pub(crate) const fn new() -> Self {
        Self {
            first: None,
            others: Vec::new(),
        }
    }

    pub(super) fn push<E: Event>(&mut self, event: E) {
        if self.first.is_none() {
            self.first = Some(Box::new(event));
        } else {
            self.others.push(Box::new(event));
        }
    }

    /// The event at this place, with its payload.
    pub(crate) fn envelope<'a>(&'a self, place: usize, data: &'a EventData) -> Envelope<'a> {
        let event = match place.checked_sub(1) {
            None => self.first.as_ref(),
            Some(place) => self.others.get(place),
        };
        Envelope {
            data,
            position: None,
            recorded: None,
            decoded: event.map(|event| &**event),
        }
    }

    /// Drops the events. Returns the place of one whose `Drop` panicked, and the panic's message.
    pub(crate) fn discard(&mut self) -> Option<(usize, String)> {
        // One by one: a second panic during the first one would abort the process.
        let mut panicked = drop_event(self.first.take()?).map(|message| (0, message));
        if self.others.is_empty() {
            return panicked;
        }
        for (place, event) in mem::take(&mut self.others).into_iter().enumerate() {
            if let Some(message) = drop_event(event) {
                panicked.get_or_insert((place + 1, message));
            }
        }
        panicked
    }
}

/// Drops an event. Returns the message of a panic in its `Drop`.
fn drop_event(event: AnyEvent) -> Option<String> {
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(event)));
    dropped.err().map(|panic| panic_message(&*panic))
}

impl Drop for ReadBack {
    /// Catches a panic in the `Drop` of an event.
    fn drop(&mut self) {
        self.discard();
    }
}
