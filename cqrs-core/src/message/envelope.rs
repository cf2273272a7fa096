use std::any::Any;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Event;
use crate::error::Error;
use crate::panic::panic_message;
use crate::store::Recorded;

/// An event to be folded: as recorded, with its decoded payload if it is known.
pub struct Envelope<'a> {
    recorded: &'a Recorded,
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
    /// Of an event whose payload is not known.
    pub(crate) fn new(recorded: &'a Recorded) -> Self {
        let decoded = None;
        Self { recorded, decoded }
    }

    /// The payload as an `E`.
    ///
    /// # Errors
    /// As [`Recorded::decode`].
    pub fn decode<E: Event>(&self) -> Result<Decoded<'a, E>, Error> {
        match self.decoded.and_then(|event| event.downcast_ref()) {
            Some(event) => Ok(Decoded::Known(event)),
            None => self.recorded.decode().map(Decoded::New),
        }
    }
}

impl Deref for Envelope<'_> {
    type Target = Recorded;

    fn deref(&self) -> &Recorded {
        self.recorded
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
    pub(crate) fn envelope<'a>(&'a self, place: usize, recorded: &'a Recorded) -> Envelope<'a> {
        let decoded = self.0.get(place).map(|event| &**event);
        Envelope { recorded, decoded }
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
    /// A panic in the `Drop` of an event that is not recorded harms nobody.
    fn drop(&mut self) {
        self.discard();
    }
}
