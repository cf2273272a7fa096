use cqrs_core::CommandId;
use cqrs_core::store::{
    Admission, Append, AppendError, Appended, BoxFuture, Capabilities, EventLog, EventPage,
    EventQuery, EventType, HasWrites, Heads, ReadRange, StateKey, StateStore, StoreError,
    StoredCommand, StoredState, TypeCounts,
};
use rusqlite::{Connection, OptionalExtension};

use crate::fault::Fault;
use crate::{SqlWrites, Sqlite, read, row, sql};

impl EventLog for Sqlite {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(async move { self.shared().writer()?.append(append).await })
    }

    fn read(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<EventPage, StoreError>> {
        let is_head = query == EventQuery::NONE && range.up_to.is_none();
        let read = self
            .shared()
            .readers
            .run(move |conn| read::read(conn, &query, range));
        Box::pin(async move {
            let page = read.await?;
            // Events of other processes become known here, and so to those who watch.
            if is_head {
                self.shared().tail.on_head_observed(page.as_of);
            } else {
                self.shared().tail.heads().advance(page.as_of);
            }
            Ok(page)
        })
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        self.shared()
            .readers
            .run_checked(move |conn| Ok(row::command(conn, id)?))
    }

    fn heads(&self) -> &Heads {
        self.shared().tail.heads()
    }

    fn capabilities(&self) -> Capabilities<'_> {
        let shared = self.shared();
        Capabilities::default()
            .states(self)
            .pipelining()
            .several_boundaries()
            .contiguous()
            .ordered_times()
            .tail(shared.tail.recent())
            .type_counts(self)
            .transactions(self)
            .writes::<Self>()
            .admission(self)
            .limits(shared.limits)
            .read_only(shared.writer.is_none())
    }
}

impl HasWrites for Sqlite {
    type Writes = SqlWrites;
}

impl StateStore for Sqlite {
    fn states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StoredState>>, StoreError>> {
        self.shared()
            .readers
            .run(move |conn| keys.iter().map(|key| state(conn, key)).collect())
    }
}

impl TypeCounts for Sqlite {
    fn other_types(
        &self,
        known: Vec<&'static str>,
        limit: u64,
    ) -> BoxFuture<'_, Result<Vec<(EventType, u64)>, StoreError>> {
        let known = serde_json::Value::from(known).to_string();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.shared().readers.run(move |conn| {
            let mut select = conn.prepare_cached(sql::OTHER_TYPES)?;
            let found = select.query_map((known, limit), |row| {
                let event_type: String = row.get(0)?;
                let count: i64 = row.get(1)?;
                Ok((EventType::from(event_type), count.cast_unsigned()))
            })?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }
}

impl Admission for Sqlite {
    fn admit(&self) -> Result<(), AppendError> {
        self.shared().writer()?.admit()
    }
}

fn state(conn: &Connection, key: &StateKey) -> Result<Option<StoredState>, Fault> {
    let mut statement = conn.prepare_cached(sql::SELECT_STATE)?;
    let stored = statement.query_row((key.aggregate, &key.id), |row| {
        Ok(StoredState {
            body: row.get(0)?,
            position: row::position(row, 1)?,
        })
    });
    Ok(stored.optional()?)
}
