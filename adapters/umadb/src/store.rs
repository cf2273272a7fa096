use std::sync::Arc;

use cqrs_core::store::{
    Append, AppendError, Appended, BoxFuture, EventQuery, EventStore, Incarnation, Limits, Page,
    Position, ReadRange, StateKey, StoreError, StoredCommand, StoredState,
};
use cqrs_core::{CommandId, Timestamp};
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

use crate::append::LIMITS;
use crate::error::ConnectError;
use crate::link::Link;
use crate::options::Options;
use crate::seen::Seen;
use crate::{append, read};

/// A log on an UmaDB server. Clones share the connection.
#[derive(Clone)]
pub struct UmaDb {
    shared: Arc<Shared>,
}

struct Shared {
    link: Link,
    seen: Arc<Seen>,
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

    /// How to connect.
    pub fn options() -> Options {
        Options::default()
    }

    pub(crate) fn new(link: Link, seen: Arc<Seen>, queue: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                link,
                seen,
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
        // A request that is given up halfway can make UmaDB refuse those that it commits with it,
        // so an append goes on when its future is dropped.
        let append = tokio::spawn(async move {
            let Ok(_place) = shared.places.try_acquire() else {
                let waiting = shared.queue;
                return Err(AppendError::Overloaded { waiting });
            };
            append::append(&shared.link, &shared.seen, append).await
        });
        append.await.unwrap_or_else(|_| {
            Err(AppendError::Indeterminate {
                reason: "the runtime that the append ran on has ended".into(),
            })
        })
    }
}

impl EventStore for UmaDb {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(self.begin(append))
    }

    fn admit(&self) -> Result<(), AppendError> {
        match self.shared.places.available_permits() {
            0 => Err(self.overloaded()),
            _ => Ok(()),
        }
    }

    fn read(&self, query: EventQuery, range: ReadRange) -> BoxFuture<'_, Result<Page, StoreError>> {
        let Shared { link, seen, .. } = &*self.shared;
        Box::pin(async move { Ok(read::page(link, seen, &query, range).await?) })
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, StoreError>> {
        Box::pin(async {
            let range = ReadRange::after(Position::START);
            let nothing = EventQuery::Items(Vec::new());
            Ok(self.read(nothing, range).await?.as_of)
        })
    }

    fn position_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, StoreError>> {
        Box::pin(async move {
            let (mut low, mut high) = (Position::START, self.head().await?);
            while low < high {
                let middle = Position::new(low.get() + (high.get() - low.get()) / 2);
                let range = ReadRange {
                    limit: 1,
                    up_to: Some(high),
                    ..ReadRange::after(middle)
                };
                let page = self.read(EventQuery::All, range).await?;
                match page.events.first() {
                    Some(event) if event.meta.time <= time => low = event.position,
                    _ => high = middle,
                }
            }
            Ok(low)
        })
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        Box::pin(async move { Ok(read::command(&self.shared.link, id).await?) })
    }

    fn states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StoredState>>, StoreError>> {
        Box::pin(std::future::ready(Ok(vec![None; keys.len()])))
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.shared.seen.watch()
    }

    fn incarnation(&self) -> Incarnation {
        self.shared.seen.incarnation()
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    fn store_id(&self) -> Uuid {
        Uuid::nil()
    }
}
