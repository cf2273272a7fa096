use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed;
use tokio::time::timeout;

use crate::fault::{Fault, Kind, Unanswered};
use crate::link::Link;
use crate::link::connection::Connection;
use crate::link::dial::{Deadlines, Observer};
use crate::options::MAX_POOL_SIZE;
use crate::reconnect_backoff::ReconnectBackoff;
use crate::runtime::require_runtime;
use crate::{ConnectError, Options};

/// Time for the last attempt of a read, which may begin when the patience is nearly over.
const LAST_ATTEMPT: Duration = Duration::from_secs(1);

/// A bounded pool of connections with one configuration.
#[derive(Clone)]
pub(crate) struct Pool {
    connections: managed::Pool<Link>,
    observer: Arc<Observer>,
    /// How long a request waits for a database that is unreachable.
    patience: Duration,
}

/// A pooled connection. Goes back to its pool when dropped, unless it was closed.
pub(crate) struct PooledConnection(managed::Object<Link>);

impl Deref for PooledConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl Link {
    /// A pool of these connections.
    pub(crate) fn pool(self, options: &Options) -> Result<Pool, ConnectError> {
        let observer = self.dial.observer.clone();
        let built = managed::Pool::builder(self)
            .max_size(options.pool_size.min(MAX_POOL_SIZE))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(options.retry_timeout))
            .build();
        let connections = built.map_err(|error| ConnectError::Unreachable {
            reason: error.to_string(),
        })?;
        Ok(Pool {
            connections,
            observer,
            patience: options.retry_timeout,
        })
    }
}

impl Pool {
    /// Maximum number of connections.
    pub(crate) fn max_size(&self) -> usize {
        self.connections.status().max_size
    }

    /// A connection that is free, or a new one. While the database is unreachable, it is waited for.
    pub(crate) async fn get(&self) -> Result<PooledConnection, Fault> {
        let found = pin!(async {
            let mut last = None;
            match timeout(self.longest(), self.wait_for_one(&mut last)).await {
                Ok(found) => found,
                Err(_) => Err(last.unwrap_or_else(none_is_free)),
            }
        });
        require_runtime(found).await?
    }

    /// The same, for a caller that repeats it: does not wait for a database that is unreachable.
    pub(crate) async fn get_at_once(&self) -> Result<PooledConnection, Fault> {
        let found = pin!(async { timeout(self.longest(), self.connections.get()).await });
        let in_time = require_runtime(found).await?;
        Ok(PooledConnection(in_time.map_err(|_| none_is_free())??))
    }

    /// A new connection has its time, however short the patience is.
    fn longest(&self) -> Duration {
        self.patience.max(Deadlines::MIN_ANSWER)
    }

    async fn wait_for_one(&self, last: &mut Option<Fault>) -> Result<PooledConnection, Fault> {
        let began = Instant::now();
        let mut backoff = ReconnectBackoff::new(self.patience);
        loop {
            let fault = match self.connections.get().await {
                Ok(connection) => return Ok(PooledConnection(connection)),
                Err(error) => Fault::from(error),
            };
            *last = Some(fault.clone());
            if fault.kind() != Kind::Lost {
                return Err(fault);
            }
            self.observer.outage.note(began);
            if self.left(began).is_zero() || !backoff.pause().await {
                return Err(fault);
            }
        }
    }

    /// Repeats what only reads if there is no connection or it was lost, for as long as a request waits for an
    /// unreachable database. Each attempt takes its connections [at once](Self::get_at_once).
    pub(crate) async fn patiently<T, F>(&self, read: impl Fn() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let began = Instant::now();
        let first = match self.observer.outage.waiting_since(began) {
            since if since == began => read().await,
            since => Box::pin(self.attempt(since, read())).await,
        };
        match first {
            // Boxed, so that the rare case does not enlarge the future of every read.
            Err(lost) if lost.kind() == Kind::Lost => {
                Box::pin(self.repeat(read, began, lost)).await
            }
            done => done,
        }
    }

    async fn repeat<T, F>(
        &self,
        read: impl Fn() -> F,
        began: Instant,
        mut lost: Fault,
    ) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        self.observer.outage.note(began);
        let mut backoff = ReconnectBackoff::new(self.left(began));
        while backoff.pause().await {
            match self.attempt(began, read()).await {
                Err(fault) if fault.kind() == Kind::Lost => {
                    self.observer.outage.note(began);
                    lost = fault;
                }
                done => return done,
            }
            if self.left(began).is_zero() {
                break;
            }
        }
        Err(lost)
    }

    /// How long what began at this time may still wait for an unreachable database.
    fn left(&self, began: Instant) -> Duration {
        let since = self.observer.outage.waiting_since(began);
        self.patience.saturating_sub(since.elapsed())
    }

    /// Reads for as long as there is patience, and a moment.
    async fn attempt<T>(
        &self,
        began: Instant,
        read: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let since = self.observer.outage.waiting_since(began);
        let longest = self.patience.saturating_add(LAST_ATTEMPT);
        let left = longest.saturating_sub(since.elapsed());
        let read = pin!(async { timeout(left, read).await });
        let in_time = require_runtime(read).await?;
        in_time.unwrap_or_else(|_| Err(Unanswered(since.elapsed()).into()))
    }
}

fn none_is_free() -> Fault {
    managed::PoolError::Timeout(managed::TimeoutType::Wait).into()
}
