use std::sync::Arc;

use cqrs_core::CommandId;
use cqrs_core::store::{
    Admission, Append, AppendError, Appended, BoxFuture, Capabilities, EventLog, EventPage,
    EventQuery, Heads, ReadRange, StoreError, StoredCommand,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::append::LIMITS;
use crate::error::ConnectError;
use crate::fault::Fault;
use crate::known_log::KnownLog;
use crate::link::Link;
use crate::notifier::HeadNotifier;
use crate::options::Options;
use crate::{append, read};

/// A log on an UmaDB server. Clones share the connection.
#[derive(Clone)]
pub struct UmaDb {
    shared: Arc<Shared>,
}

struct Shared {
    link: Arc<Link>,
    log: Arc<KnownLog>,
    _notifier: HeadNotifier,
    queue: usize,
    places: Semaphore,
}

impl UmaDb {
    /// Connects to the server at a URL, `umadb://host:port`, with the defaults of [`Options`].
    ///
    /// # Errors
    /// As [`Options::connect`].
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::options().connect(url).await
    }

    /// Connection options.
    pub fn options() -> Options {
        Options::default()
    }

    pub(crate) fn new(link: Arc<Link>, log: Arc<KnownLog>, queue: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                _notifier: HeadNotifier::start(link.clone(), log.clone()),
                link,
                log,
                queue,
                places: Semaphore::new(queue.min(Semaphore::MAX_PERMITS)),
            }),
        }
    }

    fn overloaded(&self) -> AppendError {
        AppendError::Overloaded {
            waiting: self.shared.queue,
        }
    }

    async fn begin(&self, append: Append) -> Result<Appended, AppendError> {
        let shared = self.shared.clone();
        if shared.places.available_permits() == 0 {
            return Err(self.overloaded());
        }
        // A request that is canceled halfway can make UmaDB refuse the requests in the same
        // commit, so an append continues when its future is dropped.
        let append = tokio::spawn(async move {
            let Ok(_place) = shared.places.try_acquire() else {
                let waiting = shared.queue;
                return Err(AppendError::Overloaded { waiting });
            };
            append::append(&shared.link, &shared.log, append).await
        });
        append.await.unwrap_or_else(|_| {
            Err(AppendError::Indeterminate {
                reason: "the runtime that the append ran on has ended".into(),
            })
        })
    }
}

/// Runs a call in a task of its own, which ends with the future that waits for it. That future may be
/// polled late, such as a read ahead of a slow projection. Meanwhile it must not have what all calls
/// share: the room for data on the connection, and the lock under which a connection is opened.
async fn run<T: Send + 'static>(
    call: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, StoreError> {
    let mut task = JoinSet::new();
    task.spawn(call);
    match task.join_next().await {
        Some(Ok(outcome)) => Ok(outcome?),
        _ => Err(StoreError::Unavailable {
            reason: "the runtime that the call ran on has ended".into(),
        }),
    }
}

impl EventLog for UmaDb {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(self.begin(append))
    }

    fn read(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<EventPage, StoreError>> {
        let shared = self.shared.clone();
        Box::pin(run(async move {
            read::page(&shared.link, &shared.log, &query, range).await
        }))
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        let shared = self.shared.clone();
        Box::pin(run(async move { read::command(&shared.link, id).await }))
    }

    fn heads(&self) -> &Heads {
        self.shared.log.heads()
    }

    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities::default()
            .several_boundaries()
            .admission(self)
            .limits(LIMITS)
    }
}

impl Admission for UmaDb {
    fn admit(&self) -> Result<(), AppendError> {
        match self.shared.places.available_permits() {
            0 => Err(self.overloaded()),
            _ => Ok(()),
        }
    }
}
