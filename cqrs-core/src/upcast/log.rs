use std::sync::Arc;

use super::conversions::Conversions;
use crate::CommandId;
use crate::store::{
    Append, AppendError, Appended, BoxFuture, Capabilities, EventData, EventLog, EventPage,
    EventQuery, FoldReads, Heads, Position, ReadRange, Recorded, StateStore, StoreError,
    StoredCommand, TailReads,
};

/// A log whose events come out in their present form.
pub(super) struct UpcastLog {
    pub(super) log: Arc<dyn EventLog>,
    pub(super) conversions: Arc<Conversions>,
}

impl UpcastLog {
    /// Converts the events of a page. Its end stays where it is, even if events are left out.
    fn converted<E: PageEvent>(&self, mut page: EventPage<E>) -> EventPage<E> {
        let mut events = page.events.iter();
        if events.any(|event| self.conversions.concern(event.data())) {
            let converted = page.events.into_iter().filter_map(|event| {
                if self.conversions.concern(event.data()) {
                    let data = self.conversions.convert(event.data())?;
                    return Some(event.with(data));
                }
                Some(event)
            });
            page.events = converted.collect();
        }
        page
    }
}

/// An event of a page.
trait PageEvent {
    fn data(&self) -> &EventData;

    /// The event with these data in place of its own.
    fn with(self, data: EventData) -> Self;
}

impl PageEvent for Arc<Recorded> {
    fn data(&self) -> &EventData {
        &self.data
    }

    fn with(self, data: EventData) -> Self {
        Arc::new(Recorded {
            data,
            ..Self::unwrap_or_clone(self)
        })
    }
}

impl PageEvent for (Position, EventData) {
    fn data(&self) -> &EventData {
        &self.1
    }

    fn with(self, data: EventData) -> Self {
        (self.0, data)
    }
}

#[deny(clippy::missing_trait_methods)]
impl EventLog for UpcastLog {
    fn append(&self, mut append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        self.conversions.store(&mut append);
        self.log.append(append)
    }

    fn read(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<EventPage, StoreError>> {
        let expanded = self.conversions.expand_owned(query);
        Box::pin(async move { Ok(self.converted(self.log.read(expanded, range).await?)) })
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        self.log.command(id)
    }

    fn heads(&self) -> &Heads {
        self.log.heads()
    }

    fn capabilities(&self) -> Capabilities<'_> {
        let offered = self.log.capabilities();
        Capabilities {
            states: offered.states.map(|_| self as &dyn StateStore),
            fold_reads: offered.fold_reads.map(|_| self as &dyn FoldReads),
            tail: offered.tail.map(|_| self as &dyn TailReads),
            transactions: offered.transactions.map(|_| self as _),
            ..offered
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl FoldReads for UpcastLog {
    fn read_to_fold(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<EventPage<(Position, EventData)>, StoreError>> {
        let Some(reads) = self.log.capabilities().fold_reads else {
            return Box::pin(async { Err(not_offered()) });
        };
        let expanded = self.conversions.expand_owned(query);
        Box::pin(async move { Ok(self.converted(reads.read_to_fold(expanded, range).await?)) })
    }
}

#[deny(clippy::missing_trait_methods)]
impl TailReads for UpcastLog {
    fn tail(&self, query: &EventQuery, after: Position, limit: usize) -> Option<EventPage> {
        let tail = self.log.capabilities().tail?;
        let page = tail.tail(&self.conversions.expand(query), after, limit)?;
        Some(self.converted(page))
    }
}

/// Unreachable: the log offers the same in every call.
pub(super) fn not_offered() -> StoreError {
    StoreError::Unavailable {
        reason: "the log no longer offers this".into(),
    }
}
