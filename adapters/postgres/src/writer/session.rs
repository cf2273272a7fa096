use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::Arc;

use cqrs_core::store::{EventQuery, EventType, ReadRange, StateKey, StoredCommand, Tags};
use cqrs_core::{CommandId, Position};
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use super::columns::Columns;
use super::transaction::Pooled;
use crate::connect::Link;
use crate::fault::Fault;
use crate::row::{self, Head, number};
use crate::selection::Selection;
use crate::sql::Sql;

/// A connection that appends, with its statements prepared.
pub(super) struct Session<C = Client> {
    client: C,
    sql: Arc<Sql>,
    append: Statement,
    append_with_states: Statement,
    head: Statement,
    tail: Statement,
    commands: Statement,
    state_positions: Statement,
    /// Those of a [`Selection`].
    reads: [Statement; 3],
}

impl Session {
    pub(super) async fn open(link: &Link, sql: Arc<Sql>) -> Result<Self, Fault> {
        let client = link.connect().await?;
        Ok(Self {
            append: client.prepare(&sql.append).await?,
            append_with_states: client.prepare(&sql.append_with_states).await?,
            head: client.prepare(&sql.head).await?,
            tail: client.prepare(&sql.tail).await?,
            commands: client.prepare(&sql.commands).await?,
            state_positions: client.prepare(&sql.state_positions).await?,
            reads: [
                client.prepare(&sql.read_all).await?,
                client.prepare(&sql.read_tagged).await?,
                client.prepare(&sql.read_items).await?,
            ],
            client,
            sql,
        })
    }
}

impl<'c> Session<Pooled<'c>> {
    /// One of a pool, whose statements stay prepared with it.
    pub(super) async fn of(client: Pooled<'c>, sql: Arc<Sql>) -> Result<Self, Fault> {
        let prepared = async |text: &str| Ok::<_, Fault>(client.0.prepare_cached(text).await?);
        Ok(Self {
            append: prepared(&sql.append).await?,
            append_with_states: prepared(&sql.append_with_states).await?,
            head: prepared(&sql.head).await?,
            tail: prepared(&sql.tail).await?,
            commands: prepared(&sql.commands).await?,
            state_positions: prepared(&sql.state_positions).await?,
            reads: [
                prepared(&sql.read_all).await?,
                prepared(&sql.read_tagged).await?,
                prepared(&sql.read_items).await?,
            ],
            client,
            sql,
        })
    }
}

impl<C: Borrow<Client> + Sync> Session<C> {
    pub(super) async fn head(&self) -> Result<Head, Fault> {
        row::head(&self.client().query_one(&self.head, &[]).await?)
    }

    /// Types and tags of the events in `(after, up_to]`, in order.
    pub(super) async fn tail(
        &self,
        after: Position,
        up_to: Position,
    ) -> Result<Vec<(EventType, Tags)>, Fault> {
        let params = [&number(after) as _, &number(up_to) as _];
        let rows = self.client().query(&self.tail, &params).await?;
        let event = |row| Ok((row::event_type(row, 1)?, row::tags(row, 2)?));
        rows.iter().map(event).collect()
    }

    /// What is recorded of these commands.
    pub(super) async fn commands(
        &self,
        ids: Vec<Uuid>,
    ) -> Result<HashMap<CommandId, StoredCommand>, Fault> {
        let rows = self.client().query(&self.commands, &[&ids]).await?;
        rows.iter().map(row::command).collect()
    }

    /// The positions of those stored states that there are.
    pub(super) async fn state_positions(
        &self,
        keys: &[&StateKey],
    ) -> Result<HashMap<StateKey, Position>, Fault> {
        let aggregates: Vec<&str> = keys.iter().map(|key| key.aggregate).collect();
        let ids: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
        let rows = self
            .client()
            .query(&self.state_positions, &[&aggregates, &ids])
            .await?;
        let mut positions = HashMap::new();
        for row in rows {
            let place: i64 = row.try_get(0)?;
            let place = usize::try_from(place - 1).unwrap_or(usize::MAX);
            if let Some(key) = keys.get(place) {
                positions.insert((*key).clone(), row::position(&row, 1)?);
            }
        }
        Ok(positions)
    }

    /// The first matching event in `(after, up_to]`.
    pub(super) async fn first_match(
        &self,
        query: &EventQuery,
        after: Position,
        up_to: Position,
    ) -> Result<Option<Position>, Fault> {
        let selection = Selection::new(query);
        let [all, tagged, items] = &self.reads;
        let statement = match selection {
            Selection::All => all,
            Selection::Tagged(..) => tagged,
            Selection::Items(..) => items,
        };
        let range = ReadRange {
            after,
            up_to: Some(up_to),
            limit: 1,
        };
        let page = selection.read(self.client(), statement, range).await?;
        Ok(page.events.first().map(|event| event.position))
    }

    /// Writes all or nothing; whether the head was still this one.
    pub(super) async fn append(&self, columns: &Columns<'_>, head: &Head) -> Result<bool, Fault> {
        let statement = if columns.has_states() {
            &self.append_with_states
        } else {
            &self.append
        };
        let written = columns.write(self.client(), statement, head).await?;
        Ok(written == 1)
    }

    /// Begins a transaction that has the head to itself.
    pub(super) async fn lock(&self) -> Result<(), Fault> {
        self.client().batch_execute("BEGIN").await?;
        self.client().query(&self.sql.lock_head, &[]).await?;
        Ok(())
    }

    pub(super) async fn commit(&self) -> Result<(), Fault> {
        Ok(self.client().batch_execute("COMMIT").await?)
    }

    pub(super) async fn roll_back(&self) -> Result<(), Fault> {
        Ok(self.client().batch_execute("ROLLBACK").await?)
    }

    /// After this, no append of an earlier session will happen that has not happened by now.
    pub(super) async fn shut_out_earlier(&self) -> Result<(), Fault> {
        self.client().execute(&self.sql.raise_epoch, &[]).await?;
        Ok(())
    }

    pub(super) fn client(&self) -> &Client {
        self.client.borrow()
    }
}
