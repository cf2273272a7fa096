use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cqrs_core::store::{
    EventQuery, EventType, Incarnation, ReadRange, StateKey, StoredCommand, Tags,
};
use cqrs_core::{CommandId, Position};
use cqrs_kit::decider::ConflictWindow;
use cqrs_kit::prepared::Prepared;
use futures_util::future::{try_join_all, try_join3};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use super::rows::{
    AppendStatement, AppendStatements, BatchRows, KnownBlocks, has_metadata, is_one_event,
};
use super::watched_tags::WatchedTags;
use crate::fault::Fault;
use crate::known_log::{KnownLog, SeenHead};
use crate::link::Link;
use crate::link::connection::Connection;
use crate::read::events::Selection;
use crate::row::{self, EventTypes, Head, flush_before_use, number};
use crate::sql::{FLUSH, STATEMENT_SETTINGS, Sql};
use crate::transaction::pooled::PooledTransaction;

/// A connection with the store's statements, each prepared at its first use.
pub(crate) struct LogSession<C = Connection> {
    client: C,
    sql: Arc<Sql>,
    known_blocks: Mutex<KnownBlocks>,
}

impl LogSession {
    /// Opens a connection outside the pool.
    pub(crate) async fn open(link: &Link, sql: Arc<Sql>) -> Result<Self, Fault> {
        Ok(Self::new(link.open().await?, sql))
    }
}

impl<C: Borrow<Connection> + Sync> LogSession<C> {
    pub(crate) fn new(client: C, sql: Arc<Sql>) -> Self {
        Self {
            client,
            sql,
            known_blocks: Mutex::default(),
        }
    }

    /// Prepares the statements of a batch. A statement that is prepared is sent at the first poll, so
    /// batches reach the server in the order in which they are made.
    pub(crate) async fn prepare_writes(&self) -> Result<(), Fault> {
        let Sql {
            append,
            append_all,
            append_all_with_metadata,
            append_at_end,
            append_at_end_with_metadata,
            append_one,
            append_with_metadata,
            commands,
            compare_head,
            ..
        } = &*self.sql;
        let texts = [
            append,
            append_all,
            append_all_with_metadata,
            append_at_end,
            append_at_end_with_metadata,
            append_one,
            append_with_metadata,
            commands,
            compare_head,
            FLUSH,
            STATEMENT_SETTINGS,
        ];
        try_join_all(texts.map(|sql| self.prepared(sql))).await?;
        Ok(())
    }

    /// The head, with the event there, which identifies the log.
    pub(crate) async fn head(&self) -> Result<(Head, SeenHead), Fault> {
        let head = self
            .client()
            .select_one(&self.sql.recognize, &[&0_i64])
            .await?;
        Ok((row::head(&head)?, SeenHead::of(&head)?))
    }

    /// The incarnation of the log at the other end.
    pub(crate) fn incarnation(&self) -> Incarnation {
        self.client().incarnation()
    }

    /// Checks whether the log is still the known one.
    pub(crate) async fn recognize(&self, log: &KnownLog) -> Result<Incarnation, Fault> {
        let recognized = log.recognize(self.client().client(), &self.sql);
        self.client().exchange(recognized).await
    }

    /// Types and tags of the events in `(after, up_to]`, in order.
    pub(super) async fn tail(
        &self,
        after: Position,
        up_to: Position,
    ) -> Result<Vec<(EventType, Tags)>, Fault> {
        let params = [&number(after) as _, &number(up_to) as _];
        let rows = self.query(&self.sql.tail, &params).await?;
        let mut types = EventTypes::default();
        rows.iter()
            .map(|row| Ok((types.get(row, 1)?, row::tags(row, 2, 3)?)))
            .collect()
    }

    /// The commands with given ids of the form of assigned ones that were recorded while the head went
    /// from `after` to `up_to`.
    pub(crate) async fn resent(
        &self,
        after: Position,
        up_to: Position,
    ) -> Result<Vec<CommandId>, Fault> {
        let params = [&number(after) as _, &number(up_to) as _];
        let rows = self.query(&self.sql.resent, &params).await?;
        let ids = rows.iter().map(|row| Ok(row.try_get::<_, Uuid>(0)?.into()));
        ids.collect()
    }

    /// The records of these commands, which are durable. Commands that were not processed are absent.
    pub(crate) async fn commands(
        &self,
        ids: Vec<CommandId>,
    ) -> Result<HashMap<CommandId, StoredCommand>, Fault> {
        // Those of assigned ids are in the events, unless the commands have none, or were sent again.
        let all: Vec<Uuid> = ids.iter().map(CommandId::as_uuid).collect();
        let of_assigned_form = ids.iter().filter(|id| id.is_assigned());
        let assigned: Vec<Uuid> = of_assigned_form.map(CommandId::as_uuid).collect();
        let rows = self.query(&self.sql.commands, &[&all, &assigned]).await?;
        flush_before_use(self.client(), &rows).await?;
        rows.iter().map(row::command).collect()
    }

    /// The positions of these stored states. States that do not exist are absent.
    pub(crate) async fn state_positions(
        &self,
        keys: &[&StateKey],
    ) -> Result<HashMap<StateKey, Position>, Fault> {
        let mut positions = HashMap::new();
        // Most appends write no states, and are not to take a round trip for that.
        if keys.is_empty() {
            return Ok(positions);
        }
        let aggregates: Vec<&str> = keys.iter().map(|key| key.aggregate).collect();
        let ids: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
        let params = [&aggregates as _, &ids as _];
        let rows = self.query(&self.sql.state_positions, &params).await?;
        for row in rows {
            if let Some(key) = keys.get(row::index(&row, 0)?) {
                positions.insert((*key).clone(), row::position(&row, 1)?);
            }
        }
        Ok(positions)
    }

    /// The first matching event in `(after, up_to]`.
    pub(crate) async fn first_match(
        &self,
        query: &EventQuery,
        after: Position,
        up_to: Position,
    ) -> Result<Option<Position>, Fault> {
        let selection = Selection::new(query);
        let statement = self.prepared(selection.sql(&self.sql)).await?;
        let range = ReadRange {
            up_to: Some(up_to),
            limit: 1,
            ..ReadRange::after(after)
        };
        let page = selection.read(self.client(), &statement, range).await?;
        Ok(page.events.first().map(|event| event.position))
    }

    /// Brings the window to the head of the log. If more than `max` events are missing, the window
    /// starts over there, and boundaries before it are looked up in the log.
    pub(crate) async fn follow(
        &self,
        window: &mut ConflictWindow,
        head: Position,
        max: usize,
    ) -> Result<(), Fault> {
        if let Some(after) = window.follow(head, max) {
            for (event_type, tags) in self.tail(after, head).await? {
                window.add(event_type, tags);
            }
        }
        Ok(())
    }

    /// Writes all rows, if the head is still this one, or none. Returns which.
    pub(crate) async fn append(&self, rows: &BatchRows<'_>, head: &Head) -> Result<bool, Fault> {
        let blocks = rows.new_blocks(&self.known_blocks());
        let kind = rows.statement(&blocks);
        let statement = self.append_statement(kind).await?;
        let is_written = rows
            .write(self.client(), (kind, &statement), &blocks, head)
            .await?;
        if is_written {
            self.known_blocks().record(&blocks);
        }
        Ok(is_written)
    }

    /// No other code runs while the lock is held, so a poisoned one still guards whole data.
    pub(super) fn known_blocks(&self) -> MutexGuard<'_, KnownBlocks> {
        self.known_blocks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the function `append_at_end`, which records types in blocks of positions by itself: only it
    /// knows the positions.
    pub(super) async fn append_at_end(
        &self,
        params: &[&(dyn ToSql + Sync)],
        has_metadata: bool,
    ) -> Result<Row, Fault> {
        let sql = if has_metadata {
            &self.sql.append_at_end_with_metadata
        } else {
            &self.sql.append_at_end
        };
        let statement = self.prepared(sql).await?;
        Ok(self.client().query_one(&statement, params).await?)
    }

    /// The number of those of these requests that leases of other processes hold.
    pub(super) async fn count_held(
        &self,
        process: Uuid,
        watched: &WatchedTags<'_>,
    ) -> Result<i64, Fault> {
        let params = [&process as _, &watched.tags as _, &watched.requests as _];
        let rows = self.query(&self.sql.held, &params).await?;
        Ok(rows.first().map_or(Ok(0), |row| row.try_get(0))?)
    }

    /// Begins a transaction and locks the head.
    pub(crate) async fn lock(&self) -> Result<(), Fault> {
        // Read committed, so that statements after the lock see the appends that it waited for.
        self.client()
            .batch_execute(PooledTransaction::READ_COMMITTED)
            .await?;
        self.lock_head().await?;
        Ok(())
    }

    /// Prepares the statements of an append in the transaction of a handler.
    pub(crate) async fn prepare_in_transaction(
        &self,
        append: &Prepared,
    ) -> Result<AppendStatements, Fault> {
        let Sql {
            append_in_transaction,
            append_in_transaction_with_metadata,
            lock_head,
            transaction_settings,
            ..
        } = &*self.sql;
        let others = [lock_head, transaction_settings, FLUSH].map(|sql| self.prepared(sql));
        let (all, text) = if has_metadata(append) {
            (
                AppendStatement::AllWithMetadata,
                append_in_transaction_with_metadata,
            )
        } else {
            (AppendStatement::All, append_in_transaction)
        };
        let one = async {
            if is_one_event(append) {
                let kind = AppendStatement::OneRecorded;
                return self.append_statement(kind).await.map(Some);
            }
            Ok(None)
        };
        let (statement, one, _) = try_join3(self.prepared(text), one, try_join_all(others)).await?;
        Ok(AppendStatements {
            all: (all, statement),
            one,
        })
    }

    /// Makes the store's statements use its own plans until the transaction ends.
    pub(crate) async fn set_up_transaction(&self) -> Result<(), Fault> {
        self.query(&self.sql.transaction_settings, &[]).await?;
        Ok(())
    }

    /// Locks the head until the transaction ends. The sixth column tells whether the transaction is
    /// still the one that a handler was given: see `lock_head.sql`.
    pub(crate) async fn lock_head(&self) -> Result<Row, Fault> {
        let lock = self.prepared(&self.sql.lock_head).await?;
        Ok(self.client().query_one(&lock, &[]).await?)
    }

    /// The statement that [`append`](LogSession::append) sends.
    pub(crate) async fn append_statement(
        &self,
        statement: AppendStatement,
    ) -> Result<Statement, Fault> {
        self.prepared(statement.text(&self.sql)).await
    }

    pub(crate) async fn commit(&self) -> Result<(), Fault> {
        Ok(self.client().batch_execute("COMMIT").await?)
    }

    pub(crate) async fn roll_back(&self) -> Result<(), Fault> {
        Ok(self.client().batch_execute("ROLLBACK").await?)
    }

    /// The records of commands that were sent on lost connections. After the fence, an append of
    /// theirs that has not happened never will, so the answer is final (decision 0009).
    pub(crate) async fn fence_and_lookup(
        &self,
        ids: Vec<CommandId>,
    ) -> Result<HashMap<CommandId, StoredCommand>, Fault> {
        self.query(&self.sql.raise_epoch, &[]).await?;
        self.commands(ids).await
    }

    async fn query(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
        let statement = self.prepared(sql).await?;
        Ok(self.client().query(&statement, params).await?)
    }

    async fn prepared(&self, sql: &str) -> Result<Statement, Fault> {
        Ok(self.client().prepare(sql).await?)
    }

    pub(crate) fn sql(&self) -> &Sql {
        &self.sql
    }

    pub(crate) fn client(&self) -> &Connection {
        self.client.borrow()
    }
}
