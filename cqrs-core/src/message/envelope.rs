use std::any::Any;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Event;
use super::event::decode;
use crate::error::Error;
use crate::panic::panic_message;
use crate::store::{EventData, Position, Recorded};

/// An event to be folded, with what is known about it: a fold of a decision has no record yet.
pub struct Envelope<'a> {
    data: &'a EventData,
    position: Option<Position>,
    recorded: Option<&'a Recorded>,
    decoded: Option<&'a (dyn Any + Send + Sync)>,
}

/// The payload of an [`Envelope`].
pub enum Decoded<'a, E> {
    /// It was known.
    Known(&'a E),
    /// It was decoded now.
    New(E),
}

/// The events of a decision as they are read back from their JSON, in order.
#[derive(Debug, Default)]
pub(crate) struct ReadBack(Vec<Box<dyn Any + Send + Sync>>);

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

    /// Adds the record that the event will have at the earliest.
    pub(crate) fn provisional(self, recorded: &'a Recorded) -> Self {
        Self {
            recorded: Some(recorded),
            ..self
        }
    }

    /// The position of an event of the log.
    pub(crate) fn position(&self) -> Option<Position> {
        self.position
    }

    /// The event with its metadata.
    ///
    /// # Errors
    /// If it was read without. Aggregates with
    /// [`READS_RECORDED`](super::Aggregate::READS_RECORDED) are given events with metadata.
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
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn push<E: Event>(&mut self, event: E) {
        self.0.push(Box::new(event));
    }

    /// The event at this place, with its payload.
    pub(crate) fn envelope<'a>(&'a self, place: usize, data: &'a EventData) -> Envelope<'a> {
        Envelope {
            data,
            position: None,
            recorded: None,
            decoded: self.0.get(place).map(|event| &**event),
        }
    }

    /// Drops the events. Returns the place of one whose `Drop` panicked, and the panic's message.
    pub(crate) fn discard(&mut self) -> Option<(usize, String)> {
        let mut panicked = None;
        // Each for itself: a panic while another one is under way would end the process.
        for (place, event) in self.0.drain(..).enumerate() {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(event))) {
                panicked.get_or_insert_with(|| (place, panic_message(&*panic)));
            }
        }
        panicked
    }
}

impl Drop for ReadBack {
    /// Contains a panic in the `Drop` of an event that is not recorded.
    fn drop(&mut self) {
        self.discard();
    }
}
