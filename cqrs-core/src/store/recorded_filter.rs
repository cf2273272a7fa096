use super::{EventLog, EventLogExt as _, EventPage, Position, ReadRange, Recorded, StoreError};
use crate::Timestamp;

/// A selection of events by who recorded them and when, which no log has an index of: it is made of what was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordedFilter {
    pub(crate) actor: Option<String>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

/// The positions between which all events of a time are, if the log is ordered by time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimeBounds {
    after: Position,
    up_to: Option<Position>,
}

impl RecordedFilter {
    pub(crate) fn includes(&self, event: &Recorded) -> bool {
        let meta = &event.meta;
        let actor = self.actor.as_deref();
        actor.is_none_or(|actor| meta.actor.as_deref() == Some(actor))
            && self.since.is_none_or(|since| meta.time >= since)
            && self.until.is_none_or(|until| meta.time <= until)
    }

    /// Takes out what does not belong to it.
    pub(crate) fn retain(&self, page: &mut EventPage) {
        page.events.retain(|event| self.includes(event));
    }

    /// The positions of its times, for which the log is searched.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) async fn time_bounds<L: EventLog + ?Sized>(
        &self,
        log: &L,
    ) -> Result<TimeBounds, StoreError> {
        let mut bounds = TimeBounds::default();
        if !log.capabilities().ordered_times {
            return Ok(bounds);
        }
        // Times are recorded to the microsecond.
        let before = self
            .since
            .and_then(|since| Timestamp::from_microsecond(since.as_microsecond() - 1).ok());
        if let Some(before) = before {
            bounds.after = log.position_at(before).await?;
        }
        if let Some(until) = self.until {
            bounds.up_to = Some(log.position_at(until).await?);
        }
        Ok(bounds)
    }
}

impl TimeBounds {
    /// The part of the range that is between them.
    pub(crate) fn narrow(self, range: ReadRange) -> ReadRange {
        let after = range.after.max(self.after);
        let ends = [range.up_to, self.up_to].into_iter().flatten();
        ReadRange {
            after,
            up_to: ends.min().map(|end| end.max(after)),
            ..range
        }
    }
}
