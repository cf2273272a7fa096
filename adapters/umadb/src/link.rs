use std::sync::Arc;
use std::time::Duration;

use cqrs_core::store::{Incarnation, Position};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::fault::Fault;
use crate::grpc::{CallError, Channel, Messages, Target};
use crate::known_log::{KnownLog, Landmark};
use crate::proto;

/// Pause before the server is called again after a failure, doubled up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(5);
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// Link to the server: one connection, which is replaced when it is lost.
pub(crate) struct Link {
    target: Arc<Target>,
    answer_timeout: Duration,
    retry_timeout: Duration,
    log: Arc<KnownLog>,
    current: Mutex<Option<Connection>>,
}

/// A connection to a log that continues the one this process has seen before. A log can be replaced
/// only while the server is down, which ends the connection, so all calls on one connection are
/// about one incarnation.
#[derive(Clone)]
pub(crate) struct Connection {
    channel: Channel,
    answer_timeout: Duration,
    pub(crate) incarnation: Incarnation,
}

impl Link {
    pub(crate) fn new(
        target: Target,
        answer_timeout: Duration,
        retry_timeout: Duration,
        log: Arc<KnownLog>,
    ) -> Self {
        Self {
            target: Arc::new(target),
            answer_timeout,
            retry_timeout,
            log,
            current: Mutex::new(None),
        }
    }

    /// Begins a call, which is repeated on new connections for as long as [`Attempts`] allows.
    pub(crate) fn attempts(&self) -> Attempts<'_> {
        Attempts {
            link: self,
            // A timeout beyond the range of the clock is treated as 30 years.
            deadline: Instant::now() + self.retry_timeout.min(Duration::from_secs(1 << 30)),
            pause: MIN_PAUSE,
            last: None,
            is_in_doubt: false,
        }
    }

    pub(crate) fn authority(&self) -> &str {
        &self.target.authority
    }

    /// The connection, opened if there is none.
    pub(crate) async fn connection(&self) -> Result<Connection, CallError> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &*current
            && !connection.channel.is_closed()
        {
            return Ok(connection.clone());
        }
        let connect = timeout(self.answer_timeout, Channel::open(self.target.clone()));
        let channel = connect
            .await
            .unwrap_or_else(|_| Err("no connection".into()));
        let mut connection = Connection {
            channel: channel.map_err(CallError::NotSent)?,
            answer_timeout: self.answer_timeout,
            incarnation: self.log.heads().incarnation(),
        };
        let last = connection.last().await?;
        if !self.is_continued(&connection, last.as_ref()).await? {
            connection.incarnation = self.log.replace(position_of(last.as_ref()));
        }
        self.log.note_last(connection.incarnation, last.as_ref());
        *current = Some(connection.clone());
        Ok(connection)
    }

    /// Whether the log, which ends with `last`, has the event that this process saw last.
    async fn is_continued(
        &self,
        connection: &Connection,
        last: Option<&proto::SequencedEvent>,
    ) -> Result<bool, CallError> {
        if position_of(last) < self.log.heads().position() {
            return Ok(false);
        }
        let Some(landmark) = self.log.landmark() else {
            return Ok(true);
        };
        let request = proto::ReadRequest {
            start: Some(landmark.position.get()),
            ..proto::ReadRequest::default()
        };
        let found = connection.first(request).await?;
        Ok(found.as_ref().and_then(Landmark::of) == Some(landmark))
    }
}

impl Connection {
    /// The position of the last event, 0 for an empty log.
    pub(crate) async fn head(&self) -> Result<Position, CallError> {
        let answer = self.unary::<proto::HeadResponse>("Head", &proto::HeadRequest {});
        Ok(Position::new(answer.await?.position.unwrap_or(0)))
    }

    /// The last event. Where only its position is of interest, [`head`](Self::head) transfers less.
    pub(crate) async fn last(&self) -> Result<Option<proto::SequencedEvent>, CallError> {
        self.first(proto::ReadRequest {
            backwards: Some(true),
            ..proto::ReadRequest::default()
        })
        .await
    }

    /// The first event of a read.
    async fn first(
        &self,
        request: proto::ReadRequest,
    ) -> Result<Option<proto::SequencedEvent>, CallError> {
        let request = proto::ReadRequest {
            limit: Some(1),
            ..request
        };
        let mut pages = self.read(&request).await?;
        let mut first = None;
        while let Some(page) = pages.next().await? {
            first = first.or(page.events.into_iter().next());
        }
        Ok(first)
    }

    pub(crate) async fn append(
        &self,
        request: &proto::AppendRequest,
    ) -> Result<Position, CallError> {
        let answer = self.unary::<proto::AppendResponse>("Append", request);
        Ok(Position::new(answer.await?.position))
    }

    pub(crate) async fn read(&self, request: &proto::ReadRequest) -> Result<Pages<'_>, CallError> {
        let call = self.channel.stream("Read", request);
        let messages = self.within(call).await?;
        Ok(Pages {
            connection: self,
            messages,
        })
    }

    /// Events from the requested position on, for as long as the connection lasts.
    pub(crate) async fn subscribe(
        &self,
        request: &proto::SubscribeRequest,
    ) -> Result<Messages<proto::SubscribeResponse>, CallError> {
        let call = self.channel.stream("Subscribe", request);
        self.within(call).await
    }

    async fn unary<M: prost::Message + Default>(
        &self,
        method: &str,
        request: &impl prost::Message,
    ) -> Result<M, CallError> {
        self.within(self.channel.unary(method, request)).await
    }

    /// A server that does not answer counts as lost.
    async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let answer = timeout(self.answer_timeout, call).await;
        answer.unwrap_or_else(|_| {
            self.channel.close();
            let limit = self.answer_timeout;
            Err(CallError::Lost(format!("no answer within {limit:?}")))
        })
    }
}

fn position_of(event: Option<&proto::SequencedEvent>) -> Position {
    event.map_or(Position::START, |event| Position::new(event.position))
}

/// The parts of the answer to a read.
pub(crate) struct Pages<'c> {
    connection: &'c Connection,
    messages: Messages<proto::ReadResponse>,
}

impl Pages<'_> {
    pub(crate) async fn next(&mut self) -> Result<Option<proto::ReadResponse>, CallError> {
        self.connection.within(self.messages.next()).await
    }
}

/// The attempts to make one call, until its time is up.
pub(crate) struct Attempts<'l> {
    link: &'l Link,
    deadline: Instant,
    pause: Duration,
    last: Option<String>,
    /// Whether an attempt may have had its effect.
    is_in_doubt: bool,
}

impl Attempts<'_> {
    /// A connection for the next attempt.
    pub(crate) async fn connection(&mut self) -> Result<Connection, Fault> {
        loop {
            match timeout_at(self.deadline, self.link.connection()).await {
                Ok(Ok(connection)) => return Ok(connection),
                // Opening a connection changes nothing, so the call is not in doubt if that fails.
                Ok(Err(CallError::NotSent(reason) | CallError::Lost(reason))) => {
                    self.pause(reason).await?;
                }
                Ok(Err(CallError::Status(status))) => return Err(Fault::Status(status)),
                Err(_) => return Err(self.give_up()),
            }
        }
    }

    /// Pauses after a failed attempt. Fails if another attempt would get the same answer, or the time is
    /// up.
    pub(crate) async fn failed(&mut self, error: CallError) -> Result<(), Fault> {
        let reason = match error {
            CallError::NotSent(reason) => reason,
            CallError::Lost(reason) => {
                self.is_in_doubt = true;
                reason
            }
            CallError::Status(status) if status.is_permanent() => {
                return Err(Fault::Status(status));
            }
            CallError::Status(status) => {
                self.is_in_doubt = true;
                status.message
            }
        };
        self.pause(reason).await
    }

    async fn pause(&mut self, reason: String) -> Result<(), Fault> {
        self.last = Some(reason);
        if Instant::now() + self.pause >= self.deadline {
            return Err(self.give_up());
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        Ok(())
    }

    fn give_up(&mut self) -> Fault {
        let last = self.last.take().unwrap_or_else(|| "no connection".into());
        let reason = format!("UmaDB at {}: {last}", self.link.authority());
        if self.is_in_doubt {
            Fault::InDoubt(reason)
        } else {
            Fault::Unavailable(reason)
        }
    }
}
