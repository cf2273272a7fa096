use cqrs_core::Timestamp;
use cqrs_core::store::{Append, AppendError, Appended, Incarnation, Recorded, Tag};
use cqrs_kit::decider::{Decider, Question};
use cqrs_kit::prepared::Prepared;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::statements::{self, Savepoint};
use super::task::{Log, Responder, Task};
use crate::fault::Fault;
use crate::row::Head;
use crate::writes::SqlWrites;
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

    /// The result of the last run, if it wrote something: not for a refusal, nor for a command that was
    /// recorded before.
    fn appended_now(&self) -> Option<&Appended> {
        let appended = self.responder.decided()?.as_ref().ok()?;
        (!appended.replayed).then_some(appended)
    }

    /// Decides the append. Returns the refusal, or `None` if it may be written.
    fn refusal(&self, log: &Log<'_>) -> Result<Option<AppendError>, Fault> {
        // The transaction's own reads include the events that earlier tasks of the batch have inserted,
        // so each append is decided as if the ones before it were committed (I2).
        let decider = Decider {
            incarnation: Incarnation::default(),
            head: log.head.position,
            window: log.window,
        };
        let open = match decider.check(&self.append.boundaries, &self.append.states) {
            Ok(open) => open,
            Err(refusal) => return Ok(Some(refusal)),
        };
        // Memory could not decide these. The write lock keeps the answers true until the commit.
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

    /// Writes the append with the statements of its handler, unless its command was recorded before.
    fn write(&mut self, log: &mut Log<'_>) -> Result<Result<Appended, AppendError>, Fault> {
        let command = self.append.command;
        if command.is_assigned() && self.may_be_recorded(log) {
            // Its record is in the events, where no insert finds it. The write lock keeps the answer true.
            if let Some(replay) = self.replay(log.conn)? {
                return Ok(replay);
            }
            log.resent.insert(command);
        }
        let appended = self.append.place(log.head.position, log.head.time)?;
        let written = match &self.append.writes {
            None => self.insert(log, &appended)?,
            Some(writes) => {
                let statements = writes
                    .get::<SqlWrites>()
                    .ok_or_else(|| Fault::data("its statements are for another store"))?;
                self.insert_with(statements, log, &appended)?
            }
        };
        if !matches!(&written, Ok(appended) if !appended.replayed) {
            return Ok(written);
        }
        // From here on, the window is ahead of the commit. A rollback truncates it.
        self.append.add_to(log.window);
        log.uncommitted.extend(self.append.token());
        log.head = Head {
            position: appended.last,
            time: appended
                .time
                .map_or(log.head.time, Timestamp::as_microsecond),
        };
        Ok(written)
    }

    /// Inserts the rows, and executes the statements. If one of these fails, nothing of the append is
    /// left in the transaction, and its error is the answer (I11).
    fn insert_with(
        &self,
        writes: &SqlWrites,
        log: &mut Log<'_>,
        appended: &Appended,
    ) -> Result<Result<Appended, AppendError>, Fault> {
        let savepoint = Savepoint::begin(log.conn)?;
        let inserted = self.insert(log, appended)?;
        if !matches!(&inserted, Ok(appended) if !appended.replayed) {
            savepoint.keep()?;
            return Ok(inserted);
        }
        match statements::execute(log, writes)? {
            None => savepoint.keep()?,
            Some(failure) => {
                savepoint.undo()?;
                // The rows of blocks are undone as well.
                log.blocks.clear();
                return Ok(Err(failure));
            }
        }
        Ok(inserted)
    }

    /// Inserts the rows of the append, unless its command was recorded before.
    fn insert(
        &self,
        log: &mut Log<'_>,
        appended: &Appended,
    ) -> Result<Result<Appended, AppendError>, Fault> {
        if self.append.has_record() && !self.insert_command(log, appended)? {
            return self.replay(log.conn)?.ok_or_else(|| {
                Fault::corrupt("a command id is taken by a row that does not exist")
            });
        }
        self.insert_events(log)?;
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
        Ok(Ok(*appended))
    }

    /// Whether the command may have been sent before. Otherwise its id was made for this very append.
    fn may_be_recorded(&self, log: &Log<'_>) -> bool {
        self.append.has_given_id || log.resent.contains(&self.append.command)
    }

    /// Records the command. Returns `false` if it was recorded before: the primary key decides, so two
    /// processes can never both record it (I6).
    fn insert_command(&self, log: &mut Log<'_>, appended: &Appended) -> Result<bool, Fault> {
        let inserted = log.insert_command.execute((
            &self.append.command.as_uuid().as_bytes()[..],
            self.append.fingerprint.cast_signed(),
            row::number(appended.first),
            appended.count.cast_signed(),
            self.append.is_resent_without_events().then_some(true),
        ))?;
        Ok(inserted == 1)
    }

    /// The custom metadata of all of its events, as JSON.
    fn metadata(&self) -> Result<Option<String>, Fault> {
        let first = self.append.events.first();
        let json = first
            .map(|(event, _)| event.meta.custom.to_json())
            .transpose();
        Ok(json
            .map_err(|error| Fault::data(error.to_string()))?
            .flatten())
    }

    fn insert_events(&self, log: &mut Log<'_>) -> Result<(), Fault> {
        let fingerprint = self.append.event_fingerprint();
        let metadata = self.metadata()?;
        for (event, all_tags) in &self.append.events {
            let Recorded { data, meta, .. } = event;
            let position = row::number(event.position);
            let mut tags = data.tags.iter().map(Tag::as_str);
            let (id, command) = (meta.id.as_uuid(), meta.command.as_uuid());
            let values = params![
                &id.as_bytes()[..],
                data.event_type.as_str(),
                data.version,
                meta.time.as_microsecond(),
                meta.actor,
                &command.as_bytes()[..],
                data.payload,
                tags.next(),
                fingerprint,
            ];
            let inserted = if all_tags.is_none()
                && metadata.is_none()
                && meta.correlation == command
                && meta.causation == command
            {
                // Fewer values to bind, which saves a twelfth of its instructions.
                log.insert_plain_event.insert(values)?
            } else {
                let unlike_command = |id: Uuid| {
                    if id == command {
                        vec![]
                    } else {
                        id.as_bytes().to_vec()
                    }
                };
                let further = params![
                    all_tags.as_deref().unwrap_or(""),
                    unlike_command(meta.correlation),
                    unlike_command(meta.causation),
                    metadata,
                ];
                let all = values.iter().chain(further);
                log.insert_event.insert(params_from_iter(all))?
            };
            if inserted != position {
                return Err(Fault::corrupt(format!(
                    "the event after position {} was stored at {inserted}",
                    position - 1
                )));
            }
            for tag in tags {
                log.insert_tag.execute((tag, position))?;
            }
            let assigned = fingerprint.is_some().then_some(command);
            log.blocks
                .place(log.conn, &data.event_type, assigned, position)?;
        }
        Ok(())
    }

    /// The answer to a command that was recorded before, `None` if it was not.
    fn replay(&self, conn: &Connection) -> Result<Option<Result<Appended, AppendError>>, Fault> {
        let stored = row::command(conn, self.append.command)?;
        Ok(stored.map(|stored| self.append.replay(stored)))
    }
}

impl Task for AppendTask {
    fn run(&mut self, log: &mut Log<'_>) -> Result<(), Fault> {
        // A command that was recorded before is answered with its first append, even if there is a
        // conflict: the events in its way may be its own (I6). It is looked up only after a refusal,
        // which saves a query per append: otherwise the insert finds it.
        let answer = match self.refusal(log)? {
            None => self.write(log)?,
            Some(refusal) if self.may_be_recorded(log) => {
                self.replay(log.conn)?.unwrap_or(Err(refusal))
            }
            Some(refusal) => Err(refusal),
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
        // Another process may have recorded the same command since. Its positions tell it apart.
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
