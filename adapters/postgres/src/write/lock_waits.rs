use std::future::pending;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::store::AppendError;
use futures_util::future::join3;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::request::Request;
use crate::Options;
use crate::fault::{Fault, Kind};
use crate::pool::{Pool, PooledConnection};

/// Time for which a connection waits for one lock before another request has its turn. Less than the time
/// after which the server looks for a deadlock.
const WAIT: Duration = Duration::from_millis(250);

/// Begins the transaction of a wait, with [`WAIT`].
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = 250";

/// The first pause of a request that met a lock again, although it could have taken it before.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Requests whose statements met a lock that another transaction holds. They have left their batches, so
/// nobody waits with them.
///
/// A request waits by executing the statement that met the lock, by itself and on a pooled connection, in
/// a transaction that is rolled back. This tells only that the lock is free: the request is then decided
/// and written with a batch, as if it had just arrived. So a wait changes nothing, however it ends.
pub(super) struct LockWaits {
    connections: Pool,
    /// One permit for each connection that may be taken for a wait.
    permits: Arc<Semaphore>,
    /// Maximum age of a request that waits.
    timeout: Duration,
    /// Maximum number of requests.
    capacity: usize,
    requests: JoinSet<Option<Request>>,
}

impl LockWaits {
    /// Waits on connections of this pool. They take at most half of it, or its only one.
    pub(super) fn new(connections: Pool, options: &Options) -> Self {
        let half = connections.max_size() / 2;
        Self {
            connections,
            permits: Arc::new(Semaphore::new(half.max(1))),
            timeout: options.retry_timeout,
            capacity: options.writer.queue(),
            requests: JoinSet::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Lets a request wait for the lock that it met.
    pub(super) fn add(&mut self, request: Request) {
        let waiting = self.requests.len();
        if waiting >= self.capacity {
            request.answer(Err(AppendError::Overloaded { waiting }));
            return;
        }
        let wait = LockWait {
            request,
            connections: self.connections.clone(),
            timeout: self.timeout,
        };
        self.requests.spawn(wait.run(self.permits.clone()));
    }

    /// The requests whose waits have ended.
    pub(super) fn take_ended(&mut self) -> Vec<Request> {
        let mut ended = Vec::new();
        while let Some(wait) = self.requests.try_join_next() {
            ended.extend(wait.ok().flatten());
        }
        ended
    }

    /// Waits until a wait ends. Never, if there are none. Loses nothing if the future is dropped.
    pub(super) async fn ended(&mut self) -> Vec<Request> {
        if self.requests.is_empty() {
            return pending().await;
        }
        let first = self.requests.join_next().await;
        let mut ended: Vec<Request> = first.and_then(Result::ok).flatten().into_iter().collect();
        ended.extend(self.take_ended());
        ended
    }
}

/// A request that waits for a lock.
struct LockWait {
    request: Request,
    connections: Pool,
    timeout: Duration,
}

impl LockWait {
    /// Returns the request once it is to be tried again. Fails it, and returns `None`, if it has waited for
    /// too long.
    async fn run(mut self, permits: Arc<Semaphore>) -> Option<Request> {
        // The lock may depend on statements before this one, or on the commit. Then it seems to be free.
        if let Some(again) = NonZero::new(self.request.times_blocked.saturating_sub(1)) {
            let doublings = u32::try_from(again.get() - 1).unwrap_or(u32::MAX);
            let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings));
            sleep(pause.min(WAIT)).await;
        }
        loop {
            let remaining = self.timeout.saturating_sub(self.request.age());
            if remaining.is_zero() {
                self.fail();
                return None;
            }
            // In turns, so that a lock that is held for long does not keep all connections.
            let Ok(_permit) = timeout(remaining, permits.acquire()).await else {
                continue;
            };
            let Ok(connection) = timeout(remaining, self.connections.get()).await else {
                continue;
            };
            let tried = match connection {
                Ok(connection) => self.try_statement(&connection).await,
                Err(fault) => Err(fault),
            };
            match tried.map_err(|fault| fault.kind()) {
                Err(Kind::Contention) => {}
                Err(Kind::Lost) => sleep(WAIT).await,
                // The batch will meet any other failure, and name it.
                Ok(()) | Err(_) => break,
            }
        }
        self.request.blocked = None;
        self.request.failure = None;
        Some(self.request)
    }

    /// Executes the statement that met the lock, and rolls back. Only that statement: while it waits, others
    /// would keep rows locked.
    async fn try_statement(&self, connection: &PooledConnection) -> Result<(), Fault> {
        let Some((sql, statement)) = self.request.blocked_statement() else {
            return Ok(());
        };
        let prepared = connection.prepare_foreign(sql).await?;
        // Sent at once, so that its locks are held for no round trip.
        let (begun, executed, ended) = join3(
            connection.batch_execute(BEGIN),
            statement.execute_as(&prepared, connection),
            connection.batch_execute("ROLLBACK"),
        )
        .await;
        begun?;
        ended?;
        executed
    }

    fn fail(self) {
        let Some(AppendError::Statement { statement, reason }) = &self.request.failure else {
            return;
        };
        let error = AppendError::Statement {
            statement: statement.clone(),
            reason: format!(
                "another transaction has kept a lock that it needs for {:?}: end that transaction, and \
                 send the command again ({reason})",
                self.timeout
            )
            .into(),
        };
        self.request.answer(Err(error));
    }
}
