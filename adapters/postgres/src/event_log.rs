use std::collections::HashMap;

use cqrs_core::store::{
    Admission, Append, AppendError, Appended, BoxFuture, Capabilities, EventLog, EventPage,
    EventQuery, EventType, FoldReads, HasWrites, Heads, ReadRange, StateKey, StateStore,
    StoreError, StoredCommand, StoredState, TypeCounts,
};
use cqrs_core::{CommandId, Position};
use cqrs_kit::command_time::{sent_at, with_sent_at};
use tokio::task::JoinSet;

use crate::fault::{Fault, Kind};
use crate::known_log::SeenHead;
use crate::read::events::Selection;
use crate::read::first_page::{FirstPage, MAX_FIRST_EVENTS};
use crate::read::fold::{self, FoldEvent, FoldRead};
use crate::read::head;
use crate::row::flush_before_use;
use crate::store::Shared;
use crate::write::log_session::LogSession;
use crate::{Postgres, SqlWrites, row};

impl EventLog for Postgres {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(self.shared().writer.append(append))
    }

    fn read(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<EventPage, StoreError>> {
        if query == EventQuery::NONE {
            return Box::pin(async move {
                let shared = self.shared();
                let head = shared.pool.patiently(|| shared.head()).await?;
                Ok(EventPage {
                    events: Vec::new(),
                    as_of: range.up_to.map_or(head, |up_to| up_to.min(head)),
                    next: None,
                })
            });
        }
        let store = self.clone();
        Box::pin(spawn_read(async move {
            let shared = store.shared();
            shared.pool.patiently(|| shared.read(&query, range)).await
        }))
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        Box::pin(async move {
            let shared = self.shared();
            Ok(shared.pool.patiently(|| shared.command(id)).await?)
        })
    }

    fn heads(&self) -> &Heads {
        self.shared().log.heads()
    }

    fn capabilities(&self) -> Capabilities<'_> {
        let shared = self.shared();
        Capabilities::default()
            .states(self)
            .pipelining()
            .several_boundaries()
            .contiguous()
            .ordered_times()
            .fold_reads(self)
            .tail(shared.log.recent())
            .type_counts(self)
            .transactions(self)
            .writes::<Self>()
            .admission(self)
            .limits(shared.limits)
    }
}

impl HasWrites for Postgres {
    type Writes = SqlWrites;
}

impl StateStore for Postgres {
    fn states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StoredState>>, StoreError>> {
        Box::pin(async move {
            let shared = self.shared();
            Ok(shared.pool.patiently(|| shared.states(&keys)).await?)
        })
    }
}

impl TypeCounts for Postgres {
    fn other_types(
        &self,
        known: Vec<&'static str>,
        limit: u64,
    ) -> BoxFuture<'_, Result<Vec<(EventType, u64)>, StoreError>> {
        Box::pin(async move { Ok(self.shared().other_types(&known, limit).await?) })
    }
}

impl FoldReads for Postgres {
    fn read_to_fold(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<EventPage<FoldEvent>, StoreError>> {
        if let Some(page) = FirstPage::new(&query, range) {
            let types = page.types();
            return Box::pin(async move {
                let Shared {
                    pool, first_loads, ..
                } = self.shared();
                let loaded = pool.patiently(|| first_loads.load(types.clone(), page.clone()));
                Ok(loaded.await?)
            });
        }
        if range.up_to.is_none() {
            let limit = range.limit.min(MAX_FIRST_EVENTS);
            let range = ReadRange { limit, ..range };
            return Box::pin(async move {
                let shared = self.shared();
                let page = shared.pool.patiently(|| shared.read(&query, range)).await?;
                Ok(fold::to_fold(page))
            });
        }
        let store = self.clone();
        Box::pin(spawn_read(async move {
            let shared = store.shared();
            let page = shared.pool.patiently(|| shared.read_to_fold(&query, range));
            page.await
        }))
    }
}

impl Admission for Postgres {
    fn admit(&self) -> Result<(), AppendError> {
        self.shared().writer.admit()
    }
}

/// Reads in a task of its own, which is aborted when the future is dropped. So the next page is read
/// while the reader works on the one before, and rows are decoded while others arrive.
async fn spawn_read<T: Send + 'static>(
    read: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, StoreError> {
    let mut task = JoinSet::new();
    task.spawn(with_sent_at(sent_at(), read));
    match task.join_next().await {
        Some(Ok(read)) => Ok(read?),
        Some(Err(error)) => Err(Fault::new(Kind::Lost, error.to_string()).into()),
        None => Err(Fault::new(Kind::Lost, "the read did not begin").into()),
    }
}

impl Shared {
    async fn other_types(
        &self,
        known: &[&str],
        limit: u64,
    ) -> Result<Vec<(EventType, u64)>, Fault> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let client = self.pool.get().await?;
        let select = client.prepare(&self.sql.other_types).await?;
        let found = client.query(&select, &[&known, &limit]).await?;
        let counts = found.iter().map(|row| {
            let event_type: &str = row.try_get(0)?;
            let count: i64 = row.try_get(1)?;
            Ok((EventType::from(event_type), count.cast_unsigned()))
        });
        counts.collect()
    }

    async fn read_to_fold(
        &self,
        query: &EventQuery,
        range: ReadRange,
    ) -> Result<EventPage<FoldEvent>, Fault> {
        let Some(read) = FoldRead::new(query) else {
            return Ok(fold::to_fold(self.read(query, range).await?));
        };
        let client = self.pool.get_at_once().await?;
        let statement = client.prepare(read.sql(&self.sql)).await?;
        let range = self.event_sizes.fit(range);
        let (page, bytes) = read.page(&client, &statement, range).await?;
        // Folds read up to a head that was read before, so this is rare.
        if !self.log.is_durable(page.as_of) {
            client.flush().await?;
        }
        let size = (page.events.len(), bytes);
        if self.event_sizes.record(range, size, page.next.is_some()) {
            client.give_up();
        }
        Ok(page)
    }

    async fn read(&self, query: &EventQuery, range: ReadRange) -> Result<EventPage, Fault> {
        let selection = Selection::new(query);
        let client = self.pool.get_at_once().await?;
        let statement = client.prepare(selection.sql(&self.sql)).await?;
        let range = self.event_sizes.fit(range);
        let statements = (&statement, self.sql.command_metadata.as_str());
        let reading = selection.read_with_metadata(&client, statements, range);
        let (page, seen, bytes) = reading.await?;
        head::observe(&self.log, &self.sql, &client, seen).await?;
        let size = (page.events.len(), bytes);
        if self.event_sizes.record(range, size, page.next.is_some()) {
            client.give_up();
        }
        Ok(page)
    }

    async fn head(&self) -> Result<Position, Fault> {
        let connection = self.pool.get_at_once().await?;
        let head = connection
            .select_one(&self.sql.recognize, &[&0_i64])
            .await?;
        let seen = SeenHead::of(&head)?;
        // Followers learn of the events of other processes by this.
        head::observe(&self.log, &self.sql, &connection, seen).await?;
        Ok(seen.position)
    }

    async fn command(&self, id: CommandId) -> Result<Option<StoredCommand>, Fault> {
        let client = self.pool.get_at_once().await?;
        let session = LogSession::new(&*client, self.sql.clone());
        Ok(session.commands(vec![id]).await?.remove(&id))
    }

    async fn states(&self, keys: &[StateKey]) -> Result<Vec<Option<StoredState>>, Fault> {
        // PostgreSQL stores no text with U+0000 in it, and rejects one as a parameter.
        let storable = || keys.iter().filter(|key| !key.id.contains('\0'));
        let aggregates: Vec<&str> = storable().map(|key| key.aggregate).collect();
        let ids: Vec<&str> = storable().map(|key| key.id.as_str()).collect();
        let client = self.pool.get_at_once().await?;
        let statement = client.prepare(&self.sql.states).await?;
        let rows = client.query(&statement, &[&aggregates, &ids]).await?;
        flush_before_use(&client, &rows).await?;
        let mut found = HashMap::new();
        for row in rows {
            let index = row::index(&row, 0)?;
            if let (Some(aggregate), Some(id)) = (aggregates.get(index), ids.get(index)) {
                let state = StoredState {
                    body: row.try_get(1)?,
                    position: row::position(&row, 2)?,
                };
                found.insert((*aggregate, *id), state);
            }
        }
        Ok(keys
            .iter()
            .map(|key| found.get(&(key.aggregate, key.id.as_str())).cloned())
            .collect())
    }
}
