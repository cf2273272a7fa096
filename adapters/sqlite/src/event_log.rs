use cqrs_core::store::{
    Append, AppendError, Appended, BoxFuture, EventQuery, EventStore, Limits, Page, ReadRange,
    StateKey, StoreError, StoredCommand, StoredState, Transactions,
};
use cqrs_core::{CommandId, Position, Timestamp};
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::watch;
use uuid::Uuid;

use crate::fault::Fault;
use crate::{Sqlite, read, row, sql};

impl EventStore for Sqlite {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(async move {
            self.shared().limits.check(&append)?;
            self.shared().writer()?.append(append).await
        })
    }

    fn admit(&self) -> Result<(), AppendError> {
        self.shared().writer()?.admit()
    }

    fn read(&self, query: EventQuery, range: ReadRange) -> BoxFuture<'_, Result<Page, StoreError>> {
        self.shared()
            .readers
            .run(move |conn| read::read(conn, &query, range))
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, StoreError>> {
        Box::pin(async move {
            let head = self
                .shared()
                .readers
                .run(|conn| Ok(row::head(conn)?.position))
                .await?;
            // Events of other processes become known here, and so to those who watch.
            self.shared().tail.on_head_observed(head);
            Ok(head)
        })
    }

    fn position_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, StoreError>> {
        self.shared()
            .readers
            .run(move |conn| read::position_at(conn, time))
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        self.shared()
            .readers
            .run_checked(move |conn| Ok(row::command(conn, id)?))
    }

    fn states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StoredState>>, StoreError>> {
        let state = |conn: &Connection, key: &StateKey| {
            let mut statement = conn.prepare_cached(sql::SELECT_STATE)?;
            let stored = statement.query_row((key.aggregate, &key.id), |row| {
                Ok(StoredState {
                    body: row.get(0)?,
                    position: row::position(row, 1)?,
                })
            });
            Ok::<_, Fault>(stored.optional()?)
        };
        self.shared()
            .readers
            .run(move |conn| keys.iter().map(|key| state(conn, key)).collect())
    }

    fn watch(&self) -> watch::Receiver<Position> {
        self.shared().tail.known.subscribe()
    }

    fn recent(&self, query: &EventQuery, after: Position, limit: usize) -> Option<Page> {
        self.shared().tail.recent.page(query, after, limit)
    }

    fn transactions(&self) -> Option<&dyn Transactions> {
        Some(self)
    }

    fn is_read_only(&self) -> bool {
        self.shared().writer.is_none()
    }

    fn limits(&self) -> Limits {
        self.shared().limits
    }

    fn store_id(&self) -> Uuid {
        self.shared().id
    }
}
