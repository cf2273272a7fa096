use std::sync::Arc;

use super::manager::{
    CANCELED, DUE, DelayedCommand, MANAGER, MOVED, Moved, SCHEDULED, payload, tag_of,
};
use crate::dispatcher::Inner;
use crate::dispatcher::process::sent_id;
use crate::error::{Error, Failure, Result};
use crate::handler::Rejection;
use crate::store::{
    Boundary, EventQuery, EventQueryItem, EventType, Events, Position, ReadRange, Recorded, Tag,
};
use crate::{CommandId, ScheduleId, Timestamp};

/// A scheduled command, by its events.
pub(super) struct ScheduleHistory {
    tag: Tag,
    pub(super) command: DelayedCommand,
    /// The time at which it is, or was, due.
    pub(super) due: Timestamp,
    /// What ended its wait.
    pub(super) end: Option<WaitEnd>,
    /// The reason with which the command was rejected.
    pub(super) rejection: Option<String>,
    /// What the events were read up to.
    read: Boundary,
}

/// What ends the wait of a scheduled command.
pub(super) enum WaitEnd {
    Canceled,
    /// It was due. Its command has this id.
    Due(CommandId),
}

impl ScheduleHistory {
    /// Reads the events of a scheduled command. `None` if there are none.
    pub(super) async fn read(inner: &Inner, id: ScheduleId) -> Result<Option<Self>, Failure> {
        Self::read_tagged(inner, tag_of(id)).await
    }

    /// Those of which the command waits for its time, in the order in which they were scheduled.
    pub(super) async fn all_waiting(inner: &Inner) -> Result<Vec<Self>, Failure> {
        let range = ReadRange::after(Position::START);
        let mut scheduled = Events::read(&*inner.log, EventQuery::typed([SCHEDULED]), range);
        let mut waiting = Vec::new();
        while let Some(event) = scheduled.next().await? {
            let mut tags = event.data.tags.iter();
            let tag = tags.find(|tag| tag.name() == MANAGER.key).cloned();
            let Some(tag) = tag else {
                continue;
            };
            let history = Self::read_tagged(inner, tag).await?;
            waiting.extend(history.filter(|history| history.end.is_none()));
        }
        Ok(waiting)
    }

    async fn read_tagged(inner: &Inner, tag: Tag) -> Result<Option<Self>, Failure> {
        let query = EventQuery::Items(vec![EventQueryItem {
            types: vec![
                EventType::new(SCHEDULED),
                EventType::new(MOVED),
                EventType::new(CANCELED),
                EventType::new(DUE),
                EventType::from(MANAGER.rejection()),
            ],
            tags: vec![tag.clone()],
        }]);
        let incarnation = inner.log.heads().incarnation();
        let range = ReadRange::after(Position::START);
        let mut events = Events::read(&*inner.log, query.clone(), range);
        let mut history: Option<Self> = None;
        while let Some(event) = events.next().await? {
            if let Some(history) = &mut history {
                history.take(&event).map_err(unreadable)?;
                continue;
            }
            let read = Boundary::new(query.clone(), Position::START).incarnation(incarnation);
            history = Self::begin(&tag, &event, read).map_err(unreadable)?;
        }
        let as_of = events.as_of().unwrap_or_default();
        Ok(history.map(|history| history.read_up_to(as_of)))
    }

    /// The position up to which its events were read.
    pub(super) fn as_of(&self) -> Position {
        self.read.after
    }

    /// The condition that nothing has happened to it since.
    pub(super) fn boundary(&self) -> Boundary {
        self.read.clone()
    }

    fn begin(tag: &Tag, event: &Arc<Recorded>, read: Boundary) -> Result<Option<Self>> {
        if event.data.event_type.as_str() != SCHEDULED {
            return Ok(None);
        }
        let command: DelayedCommand = payload(event)?;
        Ok(Some(Self {
            tag: tag.clone(),
            due: command.due.time(event.meta.time),
            command,
            end: None,
            rejection: None,
            read,
        }))
    }

    fn take(&mut self, event: &Recorded) -> Result<()> {
        match event.data.event_type.as_str() {
            MOVED => {
                let Moved { due } = payload(event)?;
                self.due = due.time(event.meta.time);
            }
            CANCELED => self.end = Some(WaitEnd::Canceled),
            DUE => {
                let sent = sent_id(&MANAGER.subscription(), &self.tag, event, 0);
                self.end = Some(WaitEnd::Due(sent));
            }
            SCHEDULED => {}
            _ => self.rejection = Some(Rejection::read(event)?.text),
        }
        Ok(())
    }

    fn read_up_to(mut self, position: Position) -> Self {
        self.read.after = position;
        self
    }
}

fn unreadable(error: Error) -> Failure {
    Failure::handler(MANAGER.name, error)
}
