use std::mem::take;
use std::time::{Duration, Instant};

use cqrs_core::store::{
    Append, AppendError, AppendToken, Appended, Boundary, Recorded, StateWrite, StoredCommand,
};
use cqrs_core::{CommandId, Position, Timestamp};
use cqrs_kit::batch::Batched;
use tokio::sync::oneshot;

use crate::fault::Fault;
use crate::row;

/// An append on its way through the writing task.
pub(crate) struct Request {
    pub(crate) command: CommandId,
    pub(crate) fingerprint: u64,
    pub(crate) boundaries: Vec<Boundary>,
    pub(crate) states: Vec<StateWrite>,
    /// The events, numbered on from where the decision put them, at the time that they were raised
    /// to, and their tags as JSON.
    pub(crate) events: Vec<(Recorded, String)>,
    pub(crate) time: i64,
    bytes: usize,
    pub(crate) token: Option<AppendToken>,
    pub(crate) disposition: Disposition,
    /// It was sent to the database, and no answer came: it may be there.
    pub(crate) is_sent: bool,
    /// It was sent at least once.
    pub(crate) was_sent: bool,
    queued: Instant,
    /// The answer as if the log were empty.
    appended: Appended,
    reply: oneshot::Sender<Result<Appended, AppendError>>,
}

/// What a batch's decision says of a request.
pub(crate) enum Disposition {
    /// Written with the batch, at these positions.
    Write(Appended),
    /// Not written.
    Refuse(AppendError),
    /// Decided with a later batch: the same command is in this one.
    Later,
}

impl Batched for Request {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Request {
    pub(crate) fn new(
        mut append: Append,
    ) -> Result<(Self, oneshot::Receiver<Result<Appended, AppendError>>), AppendError> {
        let (reply, answer) = oneshot::channel();
        let request = Self {
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
                let with_tags = |event: Recorded| {
                    let tags = row::tags_json(&event.data.tags)?;
                    Ok::<_, AppendError>((event, tags))
                };
                let events = append.record(Position::START, time).map(with_tags);
                events.collect::<Result<_, _>>()?
            },
            disposition: Disposition::Later,
            is_sent: false,
            was_sent: false,
            queued: Instant::now(),
            reply,
        };
        Ok((request, answer))
    }

    /// Where its events are when they are numbered on from `head`.
    pub(crate) fn appended(&self, head: Position) -> Appended {
        Appended {
            first: head.plus(self.appended.first.get()),
            last: head.plus(self.appended.last.get()),
            ..self.appended
        }
    }

    /// Gives its events the time at which they are recorded: times never decrease along the log.
    /// Returns that of the last event, which is `after`, that of the event before, if it has none.
    pub(crate) fn stamp_time(&mut self, after: i64) -> Result<i64, Fault> {
        if self.events.is_empty() {
            return Ok(after);
        }
        let micros = self.time.max(after);
        let odd = |_| {
            Fault::corrupt(format!(
                "the log's last event is of an impossible time: {micros}"
            ))
        };
        let time = Timestamp::from_microsecond(micros).map_err(odd)?;
        for (event, _) in &mut self.events {
            event.meta.time = time;
        }
        if let Disposition::Write(appended) = &mut self.disposition {
            appended.time = Some(time);
        }
        Ok(micros)
    }

    /// Its events as they were written.
    pub(crate) fn take_events(&mut self) -> impl Iterator<Item = Recorded> + use<> {
        take(&mut self.events).into_iter().map(|(event, _)| event)
    }

    pub(crate) fn is_written(&self) -> bool {
        matches!(self.disposition, Disposition::Write(_))
    }

    /// Whether it was decided on a state of the log that is after this one.
    pub(crate) fn is_ahead_of(&self, head: Position) -> bool {
        self.boundaries.iter().any(|boundary| boundary.after > head)
    }

    /// Whether it has waited for so long for a database that is away, or, once it was sent, for that
    /// and for an answer.
    pub(crate) fn is_overdue(&self, retry_timeout: Duration, answer: Duration) -> bool {
        let longest = if self.was_sent {
            retry_timeout.saturating_add(answer)
        } else {
            retry_timeout
        };
        self.queued.elapsed() >= longest
    }

    /// Whoever waited may be gone, which changes nothing.
    pub(crate) fn answer(self, answer: Result<Appended, AppendError>) {
        let _ = self.reply.send(answer);
    }

    /// Answers what was found under its command's id: as a repetition, even after it was sent
    /// itself without an answer. An earlier sending, decided on another state, may have come first.
    pub(crate) fn answer_stored(self, stored: StoredCommand) {
        let answer = stored.replay(self.command, self.fingerprint);
        self.answer(answer);
    }

    /// Answers that it did not happen, if that is certain.
    pub(crate) fn fail(self, error: &AppendError) {
        let error = match error {
            AppendError::Unavailable { reason } if self.is_sent => AppendError::Indeterminate {
                reason: reason.clone(),
            },
            // Whatever stood in the way of finding out.
            error if self.is_sent => AppendError::Indeterminate {
                reason: error.to_string().into(),
            },
            error => error.clone(),
        };
        self.answer(Err(error));
    }
}
