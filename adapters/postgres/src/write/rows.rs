use std::collections::HashMap;

use cqrs_core::store::{Appended, Recorded, StateWrite, Tag};
use cqrs_kit::prepared::Prepared;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use super::row_array::{EncodeResult, RowArray, RowEncoder, TableRow};
use crate::fault::Fault;
use crate::link::connection::Connection;
use crate::row::{Head, number};
use crate::sql::Sql;

/// The rows that a batch writes with one statement, however many appends there are.
pub(crate) struct BatchRows<'b> {
    /// Position and time of the last event.
    head: (i64, i64),
    /// Id of the append of these rows, which no other append has.
    id: Uuid,
    appends: Vec<(&'b Prepared, Appended)>,
}

/// The statement that writes a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AppendStatement {
    /// One command with one event, which has one tag.
    One,
    /// Any number of commands without states.
    Rows,
    /// The upsert of states costs time even without rows, so it is left out where there are none.
    RowsWithStates,
}

impl AppendStatement {
    /// The statement for this append alone.
    pub(crate) fn for_append(append: &Prepared) -> Self {
        if !append.states.is_empty() {
            Self::RowsWithStates
        } else if OneEvent::of(append).is_some() {
            Self::One
        } else {
            Self::Rows
        }
    }

    /// Its text.
    pub(crate) fn text(self, sql: &Sql) -> &str {
        match self {
            Self::One => &sql.append_one,
            Self::Rows => &sql.append,
            Self::RowsWithStates => &sql.append_with_states,
        }
    }
}

impl<'b> BatchRows<'b> {
    /// No rows, to be written after this head, as the append with this id.
    pub(crate) fn new(head: &Head, id: Uuid) -> Self {
        Self {
            head: (number(head.position), head.time),
            id,
            appends: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.appends.is_empty()
    }

    /// Adds the rows of an append with these positions.
    pub(crate) fn add(&mut self, append: &'b Prepared, appended: &Appended) {
        if let Some((last, _)) = append.events.last() {
            self.head = (number(last.position), last.meta.time.as_microsecond());
        }
        self.appends.push((append, *appended));
    }

    /// The statement that writes these rows.
    pub(crate) fn statement(&self) -> AppendStatement {
        if let [(append, _)] = self.appends[..] {
            AppendStatement::for_append(append)
        } else if self.appends.iter().all(|(it, _)| it.states.is_empty()) {
            AppendStatement::Rows
        } else {
            AppendStatement::RowsWithStates
        }
    }

    /// Writes the rows with their [`statement`](BatchRows::statement). Returns the number of head rows
    /// that it has set: 1 if everything was written, 0 if the head was another one than `before` and
    /// nothing was written.
    pub(crate) async fn write(
        &self,
        client: &Connection,
        statement: &Statement,
        before: &Head,
    ) -> Result<i64, Fault> {
        let compare = Compare {
            position: number(before.position),
            epoch: before.epoch,
            last: before.last,
            head: self.head,
            id: self.id,
        };
        let one = match self.appends[..] {
            [(append, _)] => OneEvent::of(append),
            _ => None,
        };
        let row = match one {
            Some(one) => one.write(client, statement, &compare).await?,
            None => self.write_rows(client, statement, &compare).await?,
        };
        Ok(row.try_get(0)?)
    }

    async fn write_rows(
        &self,
        client: &Connection,
        statement: &Statement,
        compare: &Compare,
    ) -> Result<Row, Fault> {
        let appends = || self.appends.iter();
        let events = RowArray(appends().flat_map(|(it, _)| event_rows(it)).collect());
        let tags = RowArray(appends().flat_map(|(it, _)| tag_rows(it)).collect());
        let commands = appends().map(|(append, appended)| CommandRow { append, appended });
        let commands = RowArray(commands.collect());
        let states = RowArray(self.states());
        let mut params = compare.params();
        params.extend([&events as &(dyn ToSql + Sync), &tags, &commands]);
        if self.statement() == AppendStatement::RowsWithStates {
            params.push(&states);
        }
        Ok(client.query_one(statement, &params).await?)
    }

    /// The last of several states of an aggregate, since an upsert cannot change a row twice. The
    /// others would be overwritten by it in any case.
    fn states(&self) -> Vec<StateRow<'b>> {
        let mut rows = Vec::new();
        let mut places = HashMap::new();
        for (append, appended) in &self.appends {
            let position = number(appended.last);
            for state in &append.states {
                let row = StateRow { state, position };
                let place = *places.entry(&state.key).or_insert(rows.len());
                if place == rows.len() {
                    rows.push(row);
                } else {
                    rows[place] = row;
                }
            }
        }
        rows
    }
}

/// The head that a statement compares, and the one that it sets: the first parameters of all of them.
struct Compare {
    position: i64,
    epoch: i64,
    last: Uuid,
    head: (i64, i64),
    id: Uuid,
}

impl Compare {
    fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        vec![
            &self.position,
            &self.epoch,
            &self.last,
            &self.head.0,
            &self.head.1,
            &self.id,
        ]
    }
}

/// An append that [`AppendStatement::One`] can write.
struct OneEvent<'b> {
    event: &'b Recorded,
    tags: &'b str,
    tag: &'b Tag,
    fingerprint: i64,
}

impl<'b> OneEvent<'b> {
    fn of(append: &'b Prepared) -> Option<Self> {
        let [(event, tags)] = &append.events[..] else {
            return None;
        };
        let mut all = event.data.tags.iter();
        let tag = all.next()?;
        let is_all = append.states.is_empty() && all.next().is_none();
        is_all.then_some(Self {
            event,
            tags,
            tag,
            fingerprint: append.fingerprint.cast_signed(),
        })
    }

    async fn write(
        &self,
        client: &Connection,
        statement: &Statement,
        compare: &Compare,
    ) -> Result<Row, Fault> {
        let Recorded { data, meta, .. } = self.event;
        let id = meta.id.as_uuid();
        let event_type = data.event_type.as_str();
        let version = i64::from(data.version);
        let command = meta.command.as_uuid();
        let tag = self.tag.as_str();
        let mut params = compare.params();
        params.extend([
            &id as &(dyn ToSql + Sync),
            &event_type,
            &version,
            &self.tags,
            &meta.actor,
            &command,
            &meta.correlation,
            &meta.causation,
            &data.payload,
            &tag,
            &self.fingerprint,
        ]);
        Ok(client.query_one(statement, &params).await?)
    }
}

fn event_rows(append: &Prepared) -> impl Iterator<Item = EventRow<'_>> {
    append
        .events
        .iter()
        .map(|(event, tags)| EventRow { event, tags })
}

fn tag_rows(append: &Prepared) -> impl Iterator<Item = TagRow<'_>> {
    append.events.iter().flat_map(|(event, _)| {
        let position = number(event.position);
        let tags = event.data.tags.iter();
        tags.map(move |tag| TagRow { tag, position })
    })
}

/// A row of the table `events`.
struct EventRow<'b> {
    event: &'b Recorded,
    tags: &'b str,
}

/// A row of the table `event_tags`.
struct TagRow<'b> {
    tag: &'b Tag,
    position: i64,
}

/// A row of the table `commands`.
struct CommandRow<'b> {
    append: &'b Prepared,
    appended: &'b Appended,
}

/// A row of the table `states`.
struct StateRow<'b> {
    state: &'b StateWrite,
    position: i64,
}

impl TableRow for EventRow<'_> {
    const COLUMNS: &'static [&'static str] = &[
        "position",
        "id",
        "type",
        "version",
        "tags",
        "time",
        "actor",
        "command",
        "correlation",
        "causation",
        "payload",
    ];

    fn encode(&self, columns: &mut RowEncoder<'_>) -> EncodeResult {
        let Recorded {
            position,
            data,
            meta,
        } = self.event;
        columns.add(&Type::INT8, &number(*position))?;
        columns.add(&Type::UUID, &meta.id.as_uuid())?;
        columns.add(&Type::TEXT, &data.event_type.as_str())?;
        columns.add(&Type::INT8, &i64::from(data.version))?;
        columns.add(&Type::TEXT, &self.tags)?;
        columns.add(&Type::INT8, &meta.time.as_microsecond())?;
        columns.add(&Type::TEXT, &meta.actor)?;
        columns.add(&Type::UUID, &meta.command.as_uuid())?;
        columns.add(&Type::UUID, &meta.correlation)?;
        columns.add(&Type::UUID, &meta.causation)?;
        columns.add(&Type::BYTEA, &data.payload)
    }
}

impl TableRow for TagRow<'_> {
    const COLUMNS: &'static [&'static str] = &["tag", "position"];

    fn encode(&self, columns: &mut RowEncoder<'_>) -> EncodeResult {
        columns.add(&Type::TEXT, &self.tag.as_str())?;
        columns.add(&Type::INT8, &self.position)
    }
}

impl TableRow for CommandRow<'_> {
    const COLUMNS: &'static [&'static str] = &["id", "fingerprint", "first", "count"];

    fn encode(&self, columns: &mut RowEncoder<'_>) -> EncodeResult {
        columns.add(&Type::UUID, &self.append.command.as_uuid())?;
        columns.add(&Type::INT8, &self.append.fingerprint.cast_signed())?;
        columns.add(&Type::INT8, &number(self.appended.first))?;
        columns.add(&Type::INT8, &self.appended.count.cast_signed())
    }
}

impl TableRow for StateRow<'_> {
    const COLUMNS: &'static [&'static str] = &["aggregate", "id", "body", "position"];

    fn encode(&self, columns: &mut RowEncoder<'_>) -> EncodeResult {
        columns.add(&Type::TEXT, &self.state.key.aggregate)?;
        columns.add(&Type::TEXT, &self.state.key.id)?;
        columns.add(&Type::BYTEA, &self.state.body)?;
        columns.add(&Type::INT8, &self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPEND: &str = include_str!("../sql/append.sql");

    /// The columns that the statement names for the table.
    fn columns(table: &str) -> Vec<&'static str> {
        let (_, insert) = APPEND
            .split_once(&format!("INSERT INTO cqrs.{table} ("))
            .expect("the statement inserts into the table");
        let (columns, _) = insert.split_once(')').expect("a list of columns");
        columns.split(',').map(str::trim).collect()
    }

    #[test]
    fn rows_have_the_columns_that_the_statement_names() {
        assert_eq!(columns("events"), EventRow::COLUMNS);
        assert_eq!(columns("event_tags"), TagRow::COLUMNS);
        assert_eq!(columns("commands"), CommandRow::COLUMNS);
        assert_eq!(columns("states"), StateRow::COLUMNS);
    }
}
