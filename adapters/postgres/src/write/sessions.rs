use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::batch::Batch;
use super::log_session::LogSession;
use super::reconnect_backoff::ReconnectBackoff;
use super::request::Request;
use crate::fault::{Fault, Kind};
use crate::known_log::KnownLog;
use crate::link::Link;
use crate::sql::Sql;

/// The sessions of the writing task, one after the other: the next one is opened when the last one was
/// lost, with certainty about the requests that were sent on it.
pub(super) struct Sessions {
    link: Link,
    sql: Arc<Sql>,
    log: KnownLog,
    current: Option<Arc<LogSession>>,
    retry_timeout: Duration,
    /// Why there is no session, after an attempt to open one failed.
    unreachable: Option<Fault>,
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
            link,
            sql,
            log,
            current: None,
            retry_timeout,
            unreachable: None,
        }
    }

    /// The session, if it is open and leads to the known log.
    pub(super) fn current(&self) -> Option<Arc<LogSession>> {
        // Another connection may have found that the log was replaced. Then this session leads to a
        // server that is not the primary any more.
        let incarnation = self.log.incarnation();
        let current = self.current.as_ref();
        current
            .filter(|session| session.incarnation() == incarnation)
            .cloned()
    }

    /// Gives the session up after its connection was lost. The server may have executed what was sent, or
    /// may still do so: [`ready`](Sessions::ready) finds out before anything else is sent. Whatever still
    /// waits for an answer on it fails at once.
    pub(super) fn lose(&mut self) {
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
                    let waiting = batch.requests.len();
                    warn!(waiting, reason = %fault, "appends have no connection: trying again");
                    self.unreachable = Some(fault.clone());
                }
                Err(fault) => return Err(fault),
            }
            // No pause if the next turn of the loop only fails the batch.
            if !batch.requests.iter().all(|it| self.is_overdue(it)) {
                backoff.pause().await;
            }
        }
    }

    /// Fails the requests that have waited too long.
    pub(super) fn fail_overdue(&self, batch: &mut Batch, fault: &Fault) {
        batch.fail_if(|request| self.is_overdue(request), fault);
    }

    fn is_overdue(&self, request: &Request) -> bool {
        request.is_overdue(self.retry_timeout, self.link.dial.deadlines.answer)
    }

    /// The current session, or a new one. See [`ready`](Sessions::ready).
    async fn open(&mut self, batch: &mut Batch) -> Result<Ready, Fault> {
        let mut is_behind = false;
        let current = self.current();
        // Until it is known to be usable. The next one will read the head again.
        self.current = None;
        let session = if let Some(session) = current {
            session
        } else {
            is_behind = true;
            let session = LogSession::open(&self.link, self.sql.clone()).await?;
            session.prepare_writes().await?;
            Arc::new(session)
        };
        let sent = batch.sent();
        if !sent.is_empty() {
            // The order matters: a statement that is still on its way to the server fails once the
            // epoch is raised, so the lookup after it is final. A lookup alone might come too early.
            let processed = session.fence_and_lookup(sent).await?;
            // The epoch and perhaps the head have changed.
            is_behind = true;
            batch.answer_stored(&processed);
            for request in &mut batch.requests {
                request.is_sent = false;
            }
        }
        self.current = Some(session.clone());
        Ok(Ready { session, is_behind })
    }
}
