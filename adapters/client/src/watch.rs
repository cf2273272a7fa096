use std::convert::Infallible;
use std::time::Duration;

use cqrs_core::app::{Answer, Receipt};
use cqrs_core::{Position, Query};
use reqwest::Response;
use reqwest::header::ACCEPT;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use crate::attempts::{self, FIRST_PAUSE, MAX_PAUSE};
use crate::client::Client;
use crate::error::ClientError;
use crate::problem::Problem;
use crate::query::MIN_POSITION;
use crate::sse::{Parser, SentEvent};

/// The header of the position after which a watch goes on.
const LAST_EVENT_ID: &str = "last-event-id";

/// Maximum size of an answer, in bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// A query that is asked again each time that its answer has changed.
pub struct Watch<Q: Query> {
    client: Client,
    query: Q,
    after: Option<Receipt>,
    /// The position of the last answer.
    seen: Option<Position>,
    stream: Option<Stream>,
    /// Pause before the next attempt, if the server ends one that has no answer.
    pause: Duration,
    is_over: bool,
}

/// The open answer of the server.
struct Stream {
    response: Response,
    parser: Parser,
    /// Events that have come.
    events: std::vec::IntoIter<SentEvent>,
}

/// What the server sends.
enum Sent {
    Answer(SentEvent),
    Problem(Problem),
    /// The connection is lost, or the server ends it.
    End,
}

impl<Q: Query> Watch<Q> {
    pub(crate) fn new(client: Client, query: Q) -> Self {
        Self {
            client,
            query,
            after: None,
            seen: None,
            stream: None,
            pause: FIRST_PAUSE,
            is_over: false,
        }
    }

    /// Has the first answer include the effects of a command.
    #[must_use]
    pub fn after(self, receipt: &Receipt) -> Self {
        Self {
            after: Some(*receipt),
            ..self
        }
    }

    /// Goes on after the last answer that was seen, perhaps by another process.
    #[must_use]
    pub fn after_position(self, position: Position) -> Self {
        Self {
            seen: Some(position),
            ..self
        }
    }
}

impl<Q> Watch<Q>
where
    Q: Query<Output: DeserializeOwned> + Serialize,
{
    /// Waits for the next answer. The first one comes at once. After a lost connection the watch goes on where it was, for as
    /// long as the client's patience lasts each time; the first answer after it may be the same as the one before.
    ///
    /// # Errors
    /// As for a query. The next call asks again. After an error that would stay the same, there is `None`.
    pub async fn next(&mut self) -> Option<Result<Answer<Q::Output>, ClientError<Infallible>>> {
        while !self.is_over {
            let mut stream = match self.stream.take() {
                Some(stream) => stream,
                None => match self.open().await {
                    Ok(stream) => stream,
                    Err(error) => return Some(Err(self.failed(error))),
                },
            };
            match stream.next().await {
                Sent::Answer(event) => {
                    self.stream = Some(stream);
                    self.pause = FIRST_PAUSE;
                    let answer = self.answer(&event);
                    return Some(answer.map_err(|error| self.failed(error)));
                }
                Sent::Problem(problem) => {
                    self.stream = Some(stream);
                    let error = ClientError::Refused(problem);
                    return Some(Err(self.failed(error)));
                }
                Sent::End => {
                    sleep(self.pause).await;
                    self.pause = MAX_PAUSE.min(self.pause * 2);
                }
            }
        }
        None
    }

    async fn open(&self) -> Result<Stream, ClientError<Infallible>> {
        let sent = attempts::send(&self.client, || {
            let mut request = self.client.post("queries", Q::NAME).json(&self.query);
            request = request.header(ACCEPT, "text/event-stream");
            if let Some(receipt) = &self.after {
                request = request.header(MIN_POSITION, receipt.bookmark().to_string());
            }
            if let Some(seen) = self.seen {
                request = request.header(LAST_EVENT_ID, seen.to_string());
            }
            request
        });
        Ok(Stream {
            response: sent.await?,
            parser: Parser::default(),
            events: Vec::new().into_iter(),
        })
    }

    fn answer(&mut self, event: &SentEvent) -> Result<Answer<Q::Output>, ClientError<Infallible>> {
        let unreadable = |reason: String| ClientError::Unreadable {
            server: self.client.server(),
            reason,
        };
        let id = event.id.as_deref().and_then(|id| id.parse().ok());
        let position = id
            .map(Position::new)
            .ok_or_else(|| unreadable("an answer has no position".to_owned()))?;
        let output =
            serde_json::from_str(&event.data).map_err(|error| unreadable(error.to_string()))?;
        self.seen = Some(position);
        Ok(Answer { position, output })
    }

    /// Notes whether the error would stay the same.
    fn failed(&mut self, error: ClientError<Infallible>) -> ClientError<Infallible> {
        self.is_over = match &error {
            ClientError::Refused(problem) => !problem.may_pass() && problem.status < 500,
            ClientError::Unreadable { .. } => true,
            ClientError::Rejected(_) | ClientError::Unanswered { .. } => false,
        };
        error
    }
}

impl Stream {
    async fn next(&mut self) -> Sent {
        loop {
            if let Some(event) = self.events.next() {
                match &*event.kind {
                    "answer" => return Sent::Answer(event),
                    "problem" => return Sent::Problem(Problem::told(&event.data)),
                    _ => continue,
                }
            }
            match self.response.chunk().await {
                Ok(Some(bytes)) if self.parser.pending() + bytes.len() <= MAX_ANSWER => {
                    self.events = self.parser.take(&bytes).into_iter();
                }
                _ => return Sent::End,
            }
        }
    }
}
