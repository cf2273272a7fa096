use std::mem::take;

use cqrs_core::store::{
    Append, AppendError, AppendToken, Appended, Boundary, BoundaryCheck, Recorded, StateWrite, Tag,
    Tags,
};
use cqrs_core::{CommandId, Position, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;

use super::task::{Log, Reply, Task};
use crate::fault::Fault;
use crate::{read, row, sql};

/// An append on its way through the writing thread, with all made ready that needs no
/// transaction.
pub(crate) struct AppendTask {
    command: CommandId,
    fingerprint: u64,
    boundaries: Vec<Boundary>,
    states: Vec<StateWrite>,
    /// The events, numbered and dated by the last run, and their tags as JSON.
    events: Vec<(Recorded, String)>,
    /// The answer as if the log were empty.
    appended: Appended,
    time: i64,
    bytes: usize,
    token: Option<AppendToken>,
    reply: Reply<Result<Appended, AppendError>>,
}

impl AppendTask {
    pub(crate) fn new(
        mut append: Append,
    ) -> Result<(Self, oneshot::Receiver<Result<Appended, AppendError>>), AppendError> {
        let (reply, answer) = Reply::new();
        let with_tags = |event: Recorded| {
            let tags = json(&event.data.tags)?;
            Ok::<_, AppendError>((event, tags))
        };
        let task = Self {
            command: append.command,
            fingerprint: append.fingerprint,
            appended: append.appended(Position::START, append.time),
            time: append.time.as_microsecond(),
            bytes: append.bytes(),
            token: append.token,
            boundaries: take(&mut append.boundaries),
            states: take(&mut append.states),
            events: {
                let time = append.time;
                let events = append.record(Position::START, time).map(with_tags);
                events.collect::<Result<_, _>>()?
            },
            reply,
        };
        Ok((task, answer))
    }

    /// What the last run appended, unless it found the command to be processed already.
    fn appended_now(&self) -> Option<&Appended> {
        let appended = self.reply.decided()?.as_ref().ok()?;
        (!appended.replayed).then_some(appended)
    }

    /// What speaks against the append, if anything does.
    fn refusal(&self, log: &Log<'_>) -> Result<Option<AppendError>, Fault> {
        for boundary in &self.boundaries {
            if boundary.after > log.head {
                return Ok(Some(AppendError::Rewound {
                    head: log.head,
                    seen: boundary.after,
                }));
            }
            let conflict = match log.window.decide(boundary) {
                BoundaryCheck::Holds => None,
                BoundaryCheck::Conflict(at) => Some(at),
                BoundaryCheck::Unknown(after) => {
                    read::first_match(log.conn, &boundary.fail_if, after)?
                }
            };
            if let Some(at) = conflict {
                return Ok(Some(AppendError::Conflict { at }));
            }
        }
        for write in &self.states {
            let mut statement = log.conn.prepare_cached(sql::SELECT_STATE_POSITION)?;
            let key = (write.key.aggregate, &write.key.id);
            let stored = statement
                .query_row(key, |row| row::position(row, 0))
                .optional()?;
            if stored != write.based_on {
                return Ok(Some(AppendError::Conflict {
                    at: stored.unwrap_or_default(),
                }));
            }
        }
        Ok(None)
    }

    /// Writes everything, unless the command's id is there already.
    fn write(&mut self, log: &mut Log<'_>) -> Result<Result<Appended, AppendError>, Fault> {
        let appended = Appended {
            first: log.head.plus(self.appended.first.get()),
            last: log.head.plus(self.appended.last.get()),
            ..self.appended
        };
        if !self.insert_command(log, &appended)? {
            let taken = || Fault::corrupt("a command id is taken by a row that is not there");
            return self.replay(log.conn)?.ok_or_else(taken);
        }
        self.insert_events(log)?;
        if let Some(token) = self.token {
            log.window.record(token, appended.last);
        }
        for write in &self.states {
            let mut upsert = log.conn.prepare_cached(sql::UPSERT_STATE)?;
            let position = row::number(appended.last);
            upsert.execute((
                write.key.aggregate,
                &write.key.id,
                &write.body[..],
                position,
            ))?;
        }
        let time = self.events.first().map(|(event, _)| event.meta.time);
        Ok(Ok(Appended { time, ..appended }))
    }

    /// Whether the command's id was not there before.
    fn insert_command(&self, log: &mut Log<'_>, appended: &Appended) -> Result<bool, Fault> {
        let inserted = log.insert_command.execute((
            &self.command.as_uuid().as_bytes()[..],
            self.fingerprint.cast_signed(),
            row::number(appended.first),
            appended.count.cast_signed(),
        ))?;
        Ok(inserted == 1)
    }

    fn insert_events(&mut self, log: &mut Log<'_>) -> Result<(), Fault> {
        // Times never decrease along the log.
        let time = self.time.max(log.time);
        let odd = |_| {
            Fault::corrupt(format!(
                "the log's last event is of an impossible time: {time}"
            ))
        };
        let recorded = Timestamp::from_microsecond(time).map_err(odd)?;
        for (event, tags) in &mut self.events {
            event.position = log.head.plus(1);
            event.meta.time = recorded;
            let position = row::number(event.position);
            log.insert_event.execute(params![
                position,
                &event.meta.id.as_uuid().as_bytes()[..],
                event.data.event_type.as_str(),
                event.data.version,
                tags.as_str(),
                time,
                event.meta.actor,
                &event.meta.command.as_uuid().as_bytes()[..],
                &event.meta.correlation.as_bytes()[..],
                &event.meta.causation.as_bytes()[..],
                event.data.payload,
            ])?;
            for tag in &event.data.tags {
                log.insert_tag.execute((tag.as_str(), position))?;
            }
            log.window.push(event);
            log.head = event.position;
            log.time = time;
        }
        Ok(())
    }

    /// The answer to a command that was processed before.
    fn replay(&self, conn: &Connection) -> Result<Option<Result<Appended, AppendError>>, Fault> {
        let stored = row::command(conn, self.command)?;
        Ok(stored.map(|stored| stored.replay(self.command, self.fingerprint)))
    }
}

impl Task for AppendTask {
    fn run(&mut self, log: &mut Log<'_>) -> Result<(), Fault> {
        // To look for the command's id only when there is a refusal saves a look per append: the
        // insert finds it otherwise.
        let answer = match self.refusal(log)? {
            None => self.write(log)?,
            Some(refusal) => self.replay(log.conn)?.unwrap_or(Err(refusal)),
        };
        self.reply.decide(answer);
        Ok(())
    }

    fn is_effective(&self) -> bool {
        self.appended_now().is_some()
    }

    fn is_there(&self, conn: &Connection) -> Result<Option<bool>, Fault> {
        let Some(appended) = self.appended_now() else {
            return Ok(None);
        };
        // Another process may have had the same command meanwhile, with other positions.
        let stored = row::command(conn, self.command)?;
        Ok(Some(stored.is_some_and(|it| it.first == appended.first)))
    }

    fn take_events(&mut self) -> Vec<Recorded> {
        if !self.is_effective() {
            return Vec::new();
        }
        let events = take(&mut self.events).into_iter();
        events.map(|(event, _)| event).collect()
    }

    fn answer(self: Box<Self>) {
        self.reply.send();
    }

    fn fail(self: Box<Self>, fault: Fault) {
        self.reply.send_instead(Err(fault.into()));
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

fn json(tags: &Tags) -> Result<String, AppendError> {
    let texts: Vec<&str> = tags.as_slice().iter().map(Tag::as_str).collect();
    serde_json::to_string(&texts).map_err(|error| AppendError::Invalid {
        reason: error.to_string(),
    })
}
