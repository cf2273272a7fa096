use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use cqrs_core::store::Incarnation;
use deadpool_postgres::ClientWrapper;
use futures_util::future::{Either, select};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, SimpleQueryMessage, Statement};

use crate::SqlError;
use crate::fault::{ExchangeError, Unanswered};
use crate::incarnations::Incarnations;
use crate::link::dial::Dial;
use crate::link::hosts::Host;
use crate::sql::FLUSH;

/// Number of prepared statements of a connection at which its cache is cleared.
const MAX_STATEMENTS: usize = 256;

/// The statement that drops what is prepared on a connection.
const DEALLOCATE: &[u8] = b"DEALLOCATE";

/// Time for an answer to arrive after the server has finished the statement.
const ANSWER_GRACE: Duration = Duration::from_millis(500);

/// Time for a statement to end after its future was dropped. After that the connection is not reused.
const ABANDONED_GRACE: Duration = Duration::from_millis(100);

/// A connection to PostgreSQL. Every exchange on it ends in bounded time, even if the server hangs or
/// the network drops packets: see [`exchange`](Connection::exchange).
pub(crate) struct Connection {
    client: ClientWrapper,
    /// The task that sends and receives.
    driver: AbortHandle,
    dial: Dial,
    /// The id of the server process, by which another connection asks whether it is working.
    backend: String,
    host: Host,
    /// Whether the server was a standby when this was opened.
    is_to_standby: bool,
    incarnations: Incarnations,
    /// Number of connections that this process had opened before.
    number: u64,
    is_given_up: AtomicBool,
    /// A handler has dropped prepared statements. The connection serves its transaction, and no other.
    is_bare: AtomicBool,
    /// The future of an exchange was dropped before the answer arrived.
    is_abandoned: AtomicBool,
}

/// Number of connections that this process has opened.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// Marks the connection as abandoned, unless it is forgotten when the answer has arrived.
struct AbandonGuard<'c>(&'c Connection);

impl Drop for AbandonGuard<'_> {
    fn drop(&mut self) {
        self.0.is_abandoned.store(true, Ordering::Relaxed);
    }
}

impl Connection {
    pub(crate) fn new(
        client: ClientWrapper,
        driver: AbortHandle,
        dial: Dial,
        (backend, host): (String, Host),
        is_to_standby: bool,
        incarnations: Incarnations,
    ) -> Self {
        Self {
            client,
            driver,
            dial,
            backend,
            host,
            is_to_standby,
            incarnations,
            number: OPENED.fetch_add(1, Ordering::Relaxed),
            is_given_up: AtomicBool::new(false),
            is_bare: AtomicBool::new(false),
            is_abandoned: AtomicBool::new(false),
        }
    }

    /// Incarnation of the log at the other end.
    pub(crate) fn incarnation(&self) -> Incarnation {
        self.incarnations.log
    }

    /// Incarnations of the log and the views at the other end.
    pub(crate) fn incarnations(&self) -> Incarnations {
        self.incarnations
    }

    /// The name of the server in the address.
    pub(crate) fn host(&self) -> String {
        self.dial.hosts.name(self.host)
    }

    /// Whether the server was a standby when this was opened.
    pub(crate) fn is_to_standby(&self) -> bool {
        self.is_to_standby
    }

    /// How many connections this process has opened.
    pub(crate) fn count() -> u64 {
        OPENED.load(Ordering::Relaxed)
    }

    /// Whether this was open when the process had opened `count` connections. If it still answers, the
    /// server has not crashed since.
    pub(crate) fn is_among(&self, count: u64) -> bool {
        self.number < count
    }

    /// Whether it can be used again.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_given_up.load(Ordering::Relaxed)
            && !self.is_bare()
            && !self.client.is_closed()
            && !self.dial.observer.is_suspect(self.number)
    }

    /// Whether it is free for another caller. A statement whose future was dropped may still be running.
    /// Unless it ends at once, it is canceled in the background, and the connection is not reused.
    pub(crate) async fn is_free(&self) -> bool {
        if !self.is_abandoned.swap(false, Ordering::Relaxed) {
            return true;
        }
        let ended = Box::pin(timeout(ABANDONED_GRACE, self.client.batch_execute(""))).await;
        if matches!(ended, Ok(Ok(()))) {
            return true;
        }
        self.dial.cancel(self.client.cancel_token());
        false
    }

    /// Whether what was prepared when it was opened may be gone.
    pub(crate) fn is_bare(&self) -> bool {
        self.is_bare.load(Ordering::Relaxed)
    }

    /// Prepares everything again after this statement of a handler, if it drops what is prepared.
    fn note_foreign(&self, sql: &str) {
        let mut words = sql.as_bytes().windows(DEALLOCATE.len());
        if words.any(|word| word.eq_ignore_ascii_case(DEALLOCATE)) {
            self.is_bare.store(true, Ordering::Relaxed);
            self.client.statement_cache.clear();
        }
    }

    /// Closes the connection. Pending exchanges fail.
    pub(crate) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
        self.driver.abort();
    }

    /// Prepares a statement, once per connection.
    pub(crate) async fn prepare(&self, sql: &str) -> Result<Statement, SqlError> {
        self.exchange(async { Ok(self.client.prepare_cached(sql).await?) })
            .await
    }

    /// Prepares a statement of which there may be any number, such as those of handlers. They would
    /// fill the memory of both ends, so the cache is bounded.
    pub(crate) async fn prepare_foreign(&self, sql: &str) -> Result<Statement, SqlError> {
        self.note_foreign(sql);
        self.forget_statements();
        self.prepare(sql).await
    }

    /// Forgets all prepared statements if there are too many. Returns whether it did.
    pub(crate) fn forget_statements(&self) -> bool {
        let are_too_many = self.client.statement_cache.size() >= MAX_STATEMENTS;
        if are_too_many {
            self.client.statement_cache.clear();
        }
        are_too_many
    }

    /// Prepares and runs a statement that returns one row.
    pub(crate) async fn select_one(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, SqlError> {
        let statement = self.prepare(sql).await?;
        self.query_one(&statement, params).await
    }

    pub(crate) async fn query(
        &self,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, SqlError> {
        self.exchange(async { Ok(self.client.query(statement, params).await?) })
            .await
    }

    pub(crate) async fn query_one(
        &self,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, SqlError> {
        self.exchange(async { Ok(self.client.query_one(statement, params).await?) })
            .await
    }

    pub(crate) async fn query_opt(
        &self,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, SqlError> {
        self.exchange(async { Ok(self.client.query_opt(statement, params).await?) })
            .await
    }

    pub(crate) async fn execute(
        &self,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, SqlError> {
        self.exchange(async { Ok(self.client.execute(statement, params).await?) })
            .await
    }

    /// Makes everything durable that this connection has seen or committed (I7). The server's backends
    /// share the wait for the disk.
    ///
    /// On the same connection as the read or the commit, since a crash of the server ends it. Another one
    /// may have been opened after a crash, and would vouch for a log that has lost the events.
    pub(crate) async fn flush(&self) -> Result<(), SqlError> {
        let flush = self.prepare(FLUSH).await?;
        self.query_one(&flush, &[]).await?;
        Ok(())
    }

    /// Runs statements without parameters, which together have the time of one statement.
    pub(crate) async fn batch_execute(&self, statements: &str) -> Result<(), SqlError> {
        self.exchange(async { Ok(self.client.batch_execute(statements).await?) })
            .await
    }

    /// The same, and returns their rows.
    pub(crate) async fn simple_query(
        &self,
        statements: &str,
    ) -> Result<Vec<SimpleQueryMessage>, SqlError> {
        self.exchange(async { Ok(self.client.simple_query(statements).await?) })
            .await
    }

    /// Runs statements of a handler, without parameters, each of which has that time.
    pub(crate) async fn script(&self, statements: &str) -> Result<(), SqlError> {
        self.note_foreign(statements);
        let done = async { Ok(self.client.batch_execute(statements).await?) };
        self.answered(done, Duration::MAX).await
    }

    /// The client, for use inside an [`exchange`](Connection::exchange).
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Waits for the answer to one statement. If that takes long, the server is asked on another
    /// connection whether it is working on the statement. If it is not, or does not answer, this
    /// connection is closed. So a slow statement gets its time, and a server that hangs does not.
    pub(crate) async fn exchange<T, E: ExchangeError>(
        &self,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.answered(answer, self.dial.deadlines.statement).await
    }

    async fn answered<T, E: ExchangeError>(
        &self,
        answer: impl Future<Output = Result<T, E>>,
        longest: Duration,
    ) -> Result<T, E> {
        let mut answer = pin!(answer);
        let guard = AbandonGuard(self);
        let soon = self.dial.deadlines.answer / 2;
        let answered = match timeout(soon, answer.as_mut()).await {
            Ok(answer) => answer,
            // Boxed, so that the rare case does not enlarge the future of every call.
            Err(_) => Box::pin(self.overdue(answer, longest)).await,
        };
        // The answer is here, or the connection is closed: no statement is left running.
        std::mem::forget(guard);
        if answered.as_ref().is_err_and(ExchangeError::is_lost) {
            // Such as on a server that was the leader: the next one is looked for.
            self.is_given_up.store(true, Ordering::Relaxed);
        }
        answered
    }

    async fn overdue<T, E: ExchangeError>(
        &self,
        mut answer: Pin<&mut impl Future<Output = Result<T, E>>>,
        longest: Duration,
    ) -> Result<T, E> {
        let began = Instant::now();
        let soon = self.dial.deadlines.answer / 2;
        loop {
            // The answer may arrive while the server is asked.
            let at_work = pin!(timeout(
                soon,
                self.dial.is_at_work(&self.backend, self.host)
            ));
            let is_at_work = match select(answer.as_mut(), at_work).await {
                Either::Left((answer, _)) => return answer,
                Either::Right((is_at_work, _)) => is_at_work.unwrap_or(false),
            };
            let is_waited_for = is_at_work && began.elapsed() < longest;
            let wait = if is_waited_for { soon } else { ANSWER_GRACE };
            if let Ok(answer) = timeout(wait, answer.as_mut()).await {
                return answer;
            }
            if !is_waited_for {
                break;
            }
        }
        self.give_up();
        self.dial.observer.on_hang(Self::count());
        Err(Unanswered(soon + began.elapsed()).into())
    }

    /// Sends `ROLLBACK` without waiting for the answer. The server executes it before any later
    /// statement on this connection.
    pub(crate) fn roll_back(&self) {
        let ended = pin!(self.client.batch_execute("ROLLBACK"));
        // The first poll sends it. If that fails, the connection is lost, and with it the transaction.
        let _ = ended.poll(&mut Context::from_waker(Waker::noop()));
    }
}
