use cqrs_core::Timestamp;
use cqrs_core::store::{Append, AppendError, Appended, Incarnation, Recorded};
use cqrs_kit::decider::{Decider, Question};
use cqrs_kit::prepared::Prepared;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;

use super::task::{Log, Responder, Task};
use crate::fault::Fault;
use crate::{read, row, sql};

/// An append on its way through the writing thread.
pub(crate) struct AppendTask {
    append: Prepared,
    responder: Responder<Result<Appended, AppendError>>,
}

impl AppendTask {
    pub(crate) fn new(
        append: Append,
    ) -> Result<(Self, oneshot::Receiver<Result<Appended, AppendError>>), AppendError> {
        let append = Prepared::new(append)?;
        let (responder, answer) = Responder::new();
        Ok((Self { append, responder }, answer))
    }

    /// What the last run appended, unless it found that the command was recorded before.
    fn appended_now(&self) -> Option<&Appended> {
        let appended = self.responder.decided()?.as_ref().ok()?;
        (!appended.replayed).then_some(appended)
    }

    /// Why the append must not be written, if there is a reason.
    fn refusal(&self, log: &Log<'_>) -> Result<Option<AppendError>, Fault> {
        // The events of this transaction are in the log already, as far as its own reads go.
        let decider = Decider {
            incarnation: Incarnation::default(),
            head: log.head,
            window: log.window,
        };
        let open = match decider.check(&self.append.boundaries, &self.append.states) {
            Ok(open) => open,
            Err(refusal) => return Ok(Some(refusal)),
        };
        for question in open {
            let answer = match question {
                Question::Match { fail_if, after, .. } => {
                    read::first_match(log.conn, fail_if, after)?
                }
                Question::State(write) => {
                    let mut select = log.conn.prepare_cached(sql::SELECT_STATE_POSITION)?;
                    let key = (write.key.aggregate, &write.key.id);
                    select
                        .query_row(key, |row| row::position(row, 0))
                        .optional()?
                }
            };
            if let Err(refusal) = question.settle(answer) {
                return Ok(Some(refusal));
            }
        }
        Ok(None)
    }

    /// Writes everything, unless the command was recorded before.
    fn write(&mut self, log: &mut Log<'_>) -> Result<Result<Appended, AppendError>, Fault> {
        let appended = self.append.place(log.head, log.time)?;
        if !self.insert_command(log, &appended)? {
            let taken = || Fault::corrupt("a command id is taken by a row that does not exist");
            return self.replay(log.conn)?.ok_or_else(taken);
        }
        self.insert_events(log)?;
        self.append.add_to(log.window);
        log.head = appended.last;
        log.time = appended.time.map_or(log.time, Timestamp::as_microsecond);
        for write in &self.append.states {
            let mut upsert = log.conn.prepare_cached(sql::UPSERT_STATE)?;
            let position = row::number(appended.last);
            upsert.execute((
                write.key.aggregate,
                &write.key.id,
                &write.body[..],
                position,
            ))?;
        }
        Ok(Ok(appended))
    }

    /// Whether the command was not recorded before.
    fn insert_command(&self, log: &mut Log<'_>, appended: &Appended) -> Result<bool, Fault> {
        let inserted = log.insert_command.execute((
            &self.append.command.as_uuid().as_bytes()[..],
            self.append.fingerprint.cast_signed(),
            row::number(appended.first),
            appended.count.cast_signed(),
        ))?;
        Ok(inserted == 1)
    }

    fn insert_events(&self, log: &mut Log<'_>) -> Result<(), Fault> {
        for (event, tags) in &self.append.events {
            let position = row::number(event.position);
            log.insert_event.execute(params![
                position,
                &event.meta.id.as_uuid().as_bytes()[..],
                event.data.event_type.as_str(),
                event.data.version,
                tags.as_str(),
                event.meta.time.as_microsecond(),
                event.meta.actor,
                &event.meta.command.as_uuid().as_bytes()[..],
                &event.meta.correlation.as_bytes()[..],
                &event.meta.causation.as_bytes()[..],
                event.data.payload,
            ])?;
            for tag in &event.data.tags {
                log.insert_tag.execute((tag.as_str(), position))?;
            }
        }
        Ok(())
    }

    /// The answer to a command that was recorded before.
    fn replay(&self, conn: &Connection) -> Result<Option<Result<Appended, AppendError>>, Fault> {
        let stored = row::command(conn, self.append.command)?;
        Ok(stored.map(|stored| self.append.replay(stored)))
    }
}

impl Task for AppendTask {
    fn run(&mut self, log: &mut Log<'_>) -> Result<(), Fault> {
        // Looking for the command only when there is a refusal saves a look per append: the insert
        // finds it otherwise.
        let answer = match self.refusal(log)? {
            None => self.write(log)?,
            Some(refusal) => self.replay(log.conn)?.unwrap_or(Err(refusal)),
        };
        self.responder.decide(answer);
        Ok(())
    }

    fn is_effective(&self) -> bool {
        self.appended_now().is_some()
    }

    fn is_there(&self, conn: &Connection) -> Result<Option<bool>, Fault> {
        let Some(appended) = self.appended_now() else {
            return Ok(None);
        };
        // Another process may have recorded the same command since, at other positions.
        let stored = row::command(conn, self.append.command)?;
        Ok(Some(stored.is_some_and(|it| it.first == appended.first)))
    }

    fn take_events(&mut self) -> Vec<Recorded> {
        if self.is_effective() {
            self.append.take_events().collect()
        } else {
            Vec::new()
        }
    }

    fn answer(self: Box<Self>) {
        self.responder.send();
    }

    fn fail(self: Box<Self>, fault: Fault) {
        self.responder.send_instead(Err(fault.into()));
    }

    fn bytes(&self) -> usize {
        self.append.bytes
    }
}
