use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cqrs_core::CommandId;
use cqrs_core::store::StoredCommand;
use tokio::time::timeout;
use tracing::warn;

use super::batch::Batch;
use super::log_session::LogSession;
use super::request::Request;
use crate::fault::{Fault, Kind, Unanswered};
use crate::known_log::KnownLog;
use crate::link::Link;
use crate::link::dial::Observer;
use crate::reconnect_backoff::ReconnectBackoff;
use crate::sql::Sql;

/// The sessions of the writing task, one after the other: the next one is opened when the last one was
/// lost, with certainty about the requests that were sent on it.
pub(super) struct Sessions {
    link: Link,
    sql: Arc<Sql>,
    log: KnownLog,
    current: Option<Arc<LogSession>>,
    patience: Patience,
    /// Why there is no session, after an attempt to open one failed.
    unreachable: Option<Fault>,
}

/// Time for a request that was sent on a connection that was lost, to be looked up on the next one.
const SENT_GRACE: Duration = Duration::from_millis(500);

/// How long requests wait for an unreachable database.
#[derive(Clone)]
struct Patience {
    retry_timeout: Duration,
    observer: Arc<Observer>,
}

/// A session, with no request left of which it is unknown whether it was written.
pub(super) struct Ready {
    pub(super) session: Arc<LogSession>,
    /// The head may have moved, or its epoch has changed.
    pub(super) is_behind: bool,
}

impl Sessions {
    pub(super) fn new(link: Link, sql: Arc<Sql>, log: KnownLog, retry_timeout: Duration) -> Self {
        Self {
            sql,
            log,
            current: None,
            patience: Patience {
                retry_timeout,
                observer: link.dial.observer.clone(),
            },
            link,
            unreachable: None,
        }
    }

    /// The session, if it is open and leads to the known log.
    pub(super) fn current(&self) -> Option<Arc<LogSession>> {
        // Another connection may have found that the log was replaced. Then this session leads to a
        // server that is not the primary any more. Or that the server does not answer.
        let incarnation = self.log.incarnation();
        let current = self.current.as_ref();
        current
            .filter(|session| session.incarnation() == incarnation && session.client().is_open())
            .cloned()
    }

    /// Gives the session up after its connection was lost. The server may have executed what was sent, or
    /// may still do so: [`ready`](Sessions::ready) finds out before anything else is sent. Whatever still
    /// waits for an answer on it fails at once.
    pub(super) fn lose(&mut self, batch: &Batch) {
        // Since the first of them was queued, there was no answer to any.
        if let Some(queued) = batch.requests.iter().map(|it| it.queued).min() {
            self.patience.observer.outage.note(queued);
        }

        if let Some(session) = self.current.take() {
            session.client().give_up();
        }
    }

    /// Returns a session, with certainty about the requests of the batch that were sent on an earlier one:
    /// those that were written are answered and have left the batch; the others never will be. Fails if
    /// all requests have waited too long for it.
    pub(super) async fn ready(&mut self, batch: &mut Batch) -> Result<Ready, Fault> {
        let mut backoff = ReconnectBackoff::new(Duration::MAX);
        loop {
            // While the database is unreachable, a request fails once it has waited long enough, also
            // if it has spent that time behind an earlier batch.
            if let Some(fault) = self.unreachable.clone() {
                self.fail_overdue(batch, &fault);
                if batch.is_empty() {
                    return Err(fault);
                }
            }
            match self.open(batch).await {
                Ok(ready) => {
                    self.unreachable = None;
                    return Ok(ready);
                }
                Err(fault) if fault.kind() == Kind::Lost => {
                    self.patience.observer.outage.note(Instant::now());
                    let waiting = batch.requests.len();
                    warn!(waiting, reason = %fault, "appends have no connection: trying again");
                    self.unreachable = Some(fault.clone());
                }
                Err(fault) => return Err(fault),
            }
            // No pause if the next turn of the loop only fails the batch.
            if !batch.requests.iter().all(|it| self.patience.is_over(it)) {
                backoff.pause().await;
            }
        }
    }

    /// Fails the requests that have waited too long.
    pub(super) fn fail_overdue(&self, batch: &mut Batch, fault: &Fault) {
        batch.fail_if(|request| self.patience.is_over(request), fault);
    }

    /// The current session, or a new one. See [`ready`](Sessions::ready).
    async fn open(&mut self, batch: &mut Batch) -> Result<Ready, Fault> {
        let sent = batch.sent();
        // Until it is known to be usable. The next one will read the head again.
        let current = self.current();
        self.current = None;
        let (session, is_behind) = match current {
            Some(session) if sent.is_empty() => (session, false),
            current => {
                // Boxed because it is large and rarely runs.
                let opening = Box::pin(open(&self.link, &self.sql, current, sent));
                let (session, processed) = self.wait_for(opening, batch).await?;
                batch.answer_stored(&processed);
                for request in &mut batch.requests {
                    request.is_sent = false;
                }
                // The epoch and perhaps the head have changed.
                (session, true)
            }
        };
        self.current = Some(session.clone());
        Ok(Ready { session, is_behind })
    }

    /// Waits for a session, and fails the requests whose patience ends meanwhile: a server that hangs, or one
    /// of several that is about to take over, may need longer. The attempt goes on for the others.
    async fn wait_for<T>(
        &self,
        mut opening: Pin<Box<impl Future<Output = Result<T, Fault>>>>,
        batch: &mut Batch,
    ) -> Result<T, Fault> {
        let began = Instant::now();
        loop {
            let left = batch.requests.iter().map(|it| self.patience.left(it));
            let first_try = SENT_GRACE.saturating_sub(began.elapsed());
            let left = left.min().unwrap_or_default().max(first_try);
            if let Ok(opened) = timeout(left, opening.as_mut()).await {
                return opened;
            }
            let fault = self.unreachable.clone();
            let fault_or_silence = fault.unwrap_or_else(|| Unanswered(began.elapsed()).into());
            self.fail_overdue(batch, &fault_or_silence);
            if batch.is_empty() {
                return Err(fault_or_silence);
            }
        }
    }
}

/// The current session, or a new one, and the records of the requests that were sent on an earlier one.
async fn open(
    link: &Link,
    sql: &Arc<Sql>,
    current: Option<Arc<LogSession>>,
    sent: Vec<CommandId>,
) -> Result<(Arc<LogSession>, HashMap<CommandId, StoredCommand>), Fault> {
    let session = if let Some(session) = current {
        session
    } else {
        let session = LogSession::open(link, sql.clone()).await?;
        session.prepare_writes().await?;
        Arc::new(session)
    };
    if sent.is_empty() {
        return Ok((session, HashMap::new()));
    }
    // The order matters: a statement that is still on its way to the server fails once the epoch is raised,
    // so the lookup after it is final. A lookup alone might come too early.
    let processed = session.fence_and_lookup(sent).await?;
    Ok((session, processed))
}

impl Patience {
    fn is_over(&self, request: &Request) -> bool {
        self.left(request).is_zero()
    }

    /// How long a request may still wait. One that was sent gets time to be looked up.
    fn left(&self, request: &Request) -> Duration {
        let longest = if request.was_sent {
            self.retry_timeout.saturating_add(SENT_GRACE)
        } else {
            self.retry_timeout
        };
        let outage = &self.observer.outage;
        let since = outage.waiting_since_of(request.sent_at, request.queued);
        longest.saturating_sub(since.elapsed())
    }
}
