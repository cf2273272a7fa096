use std::sync::Arc;

use crate::message::Envelope;
use crate::store::{
    EventData, EventLog, EventQuery, Events, Position, ReadRange, Recorded, StoreError,
};

/// The events of a read for a fold. Without metadata if no fold takes `&Recorded` and the log has
/// cheaper reads for that.
pub(super) enum EventsToFold<'s> {
    Recorded(Events<'s>),
    Data(Events<'s, (Position, EventData)>),
}

/// An event of such a read.
pub(super) enum EventToFold {
    Recorded(Arc<Recorded>),
    Data(Position, EventData),
}

impl<'s> EventsToFold<'s> {
    pub(super) fn read(
        log: &'s dyn EventLog,
        query: EventQuery,
        range: ReadRange,
        reads_recorded: bool,
    ) -> Self {
        match log.capabilities().fold_reads {
            Some(reads) if !reads_recorded => Self::Data(Events::read_to_fold(reads, query, range)),
            _ => Self::Recorded(Events::read(log, query, range)),
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<EventToFold>, StoreError> {
        Ok(match self {
            Self::Recorded(events) => events.next().await?.map(EventToFold::Recorded),
            Self::Data(events) => {
                let event = events.next().await?;
                event.map(|(position, data)| EventToFold::Data(position, data))
            }
        })
    }

    /// The head that the read saw. `None` before the first call of `next`.
    pub(super) fn as_of(&self) -> Option<Position> {
        match self {
            Self::Recorded(events) => events.as_of(),
            Self::Data(events) => events.as_of(),
        }
    }
}

impl EventToFold {
    pub(super) fn envelope(&self) -> Envelope<'_> {
        match self {
            Self::Recorded(event) => Envelope::recorded(event),
            Self::Data(position, data) => Envelope::stored(*position, data),
        }
    }
}
