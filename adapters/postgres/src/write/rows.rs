use std::collections::{BTreeSet, HashMap};

use cqrs_core::store::{Appended, EventType, Recorded, StateWrite, Tag};
use cqrs_kit::prepared::Prepared;
use tokio_postgres::Statement;
use tokio_postgres::types::{ToSql, Type};
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
    /// Identifies the append of these rows: see [`Head::last`].
    id: Uuid,
    appends: Vec<(&'b Prepared, Appended)>,
}

/// The statement that writes a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AppendStatement {
    /// One event, and no rows in other tables.
    One,
    /// One event and the record of its command, in the transaction of a handler.
    OneRecorded,
    /// Events, and no rows in other tables.
    Events,
    /// Events, and rows in other tables.
    All,
    /// Events and custom metadata, and no rows in other tables.
    EventsWithMetadata,
    /// Events, custom metadata, and rows in other tables.
    AllWithMetadata,
}

impl AppendStatement {
    /// Its text.
    pub(crate) fn text(self, sql: &Sql) -> &str {
        match self {
            Self::One => &sql.append_one,
            Self::OneRecorded => &sql.append_one_in_transaction,
            Self::Events => &sql.append,
            Self::All => &sql.append_all,
            Self::EventsWithMetadata => &sql.append_with_metadata,
            Self::AllWithMetadata => &sql.append_all_with_metadata,
        }
    }
}

/// The statements for an append in the transaction of a handler.
pub(crate) struct AppendStatements {
    pub(crate) all: (AppendStatement, Statement),
    /// For one event, unless its type has to be recorded in a block of positions.
    pub(crate) one: Option<Statement>,
}

impl AppendStatements {
    /// The statement that writes these rows.
    pub(crate) fn of(&self, blocks: &[BlockRow<'_>]) -> (AppendStatement, &Statement) {
        match &self.one {
            Some(one) if blocks.is_empty() => (AppendStatement::OneRecorded, one),
            _ => (self.all.0, &self.all.1),
        }
    }
}

/// The last block of positions in which each type is known to be recorded in `type_blocks`.
#[derive(Default)]
pub(crate) struct KnownBlocks(HashMap<EventType, i64>);

impl KnownBlocks {
    /// Records rows that were written.
    pub(crate) fn record(&mut self, rows: &[BlockRow<'_>]) {
        for row in rows {
            self.0.insert(row.event_type.clone(), row.block);
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

    /// The first occurrences of types in blocks of positions, except known ones.
    pub(crate) fn new_blocks(&self, known: &KnownBlocks) -> Vec<BlockRow<'b>> {
        let mut rows: Vec<BlockRow<'b>> = Vec::new();
        for (event, _) in self.appends.iter().flat_map(|(append, _)| &append.events) {
            let row = BlockRow::of(event);
            if known.0.get(row.event_type) != Some(&row.block) && !rows.contains(&row) {
                rows.push(row);
            }
        }
        rows
    }

    /// The statement that writes these rows.
    pub(crate) fn statement(&self, blocks: &[BlockRow<'_>]) -> AppendStatement {
        let is_events_only = |append: &Prepared| {
            let mut events = append.events.iter();
            !append.has_record()
                && append.states.is_empty()
                && events.all(|(_, tags)| tags.is_none())
        };
        let mut appends = self.appends.iter();
        let is_all = !blocks.is_empty() || !appends.all(|(append, _)| is_events_only(append));
        let has_metadata = self.appends.iter().any(|(append, _)| has_metadata(append));
        match self.appends[..] {
            _ if is_all && has_metadata => AppendStatement::AllWithMetadata,
            _ if is_all => AppendStatement::All,
            _ if has_metadata => AppendStatement::EventsWithMetadata,
            [(append, _)] if append.events.len() == 1 => AppendStatement::One,
            _ => AppendStatement::Events,
        }
    }

    /// Writes the rows with this statement. Returns whether everything was written: if the head was another
    /// one than `before`, nothing was.
    pub(crate) async fn write(
        &self,
        client: &Connection,
        (kind, statement): (AppendStatement, &Statement),
        blocks: &[BlockRow<'_>],
        before: &Head,
    ) -> Result<bool, Fault> {
        let compare = Compare {
            position: number(before.position),
            epoch: before.epoch,
            last: before.last,
            head: self.head,
            id: self.id,
        };
        let mut params = compare.params();
        let inserted = match kind {
            AppendStatement::One | AppendStatement::OneRecorded => {
                let mut appends = self.appends.iter();
                let first =
                    appends.find_map(|(append, _)| Some((append, event_rows(append).next()?)));
                let Some((append, event)) = first else {
                    return Err(Fault::data("the append has no event"));
                };
                let is_recorded = kind == AppendStatement::OneRecorded;
                let record = is_recorded.then_some(append.fingerprint.cast_signed());
                event.write_alone(client, statement, params, record).await?
            }
            AppendStatement::Events => {
                let events = self.events();
                params.push(&events);
                client.execute(statement, &params).await?
            }
            AppendStatement::EventsWithMetadata => {
                let (events, metadata) = (self.events(), self.metadata()?);
                params.extend([&events as &(dyn ToSql + Sync), &metadata]);
                client.execute(statement, &params).await?
            }
            AppendStatement::All | AppendStatement::AllWithMetadata => {
                let (events, tags, commands) = (self.events(), self.tags(), self.commands());
                let blocks = RowArray(blocks.to_vec());
                let (states, metadata) = (RowArray(self.states()), self.metadata()?);
                params.extend([
                    &events as &(dyn ToSql + Sync),
                    &tags,
                    &blocks,
                    &commands,
                    &states,
                ]);
                if kind == AppendStatement::AllWithMetadata {
                    params.push(&metadata);
                }
                let row = client.query_one(statement, &params).await?;
                return Ok(row.try_get::<_, i64>(0)? == 1);
            }
        };
        Ok(inserted > 0)
    }

    /// Rows of the table `events`.
    pub(super) fn events(&self) -> RowArray<EventRow<'b>> {
        let appends = self.appends.iter();
        RowArray(appends.flat_map(|(append, _)| event_rows(append)).collect())
    }

    /// Each type of the events once.
    pub(super) fn types(&self) -> Vec<&'b str> {
        let events = self.appends.iter().flat_map(|(append, _)| &append.events);
        let types: BTreeSet<&str> = events
            .map(|(event, _)| event.data.event_type.as_str())
            .collect();
        types.into_iter().collect()
    }

    /// Rows of the table `event_tags`: the tags that events have besides the first one.
    pub(super) fn tags(&self) -> RowArray<TagRow<'b>> {
        let events = self.appends.iter().flat_map(|(append, _)| &append.events);
        let tags = events.flat_map(|(event, _)| {
            let position = number(event.position);
            let further = event.data.tags.iter().skip(1);
            further.map(move |tag| TagRow { tag, position })
        });
        RowArray(tags.collect())
    }

    /// Rows of the table `commands`.
    pub(super) fn commands(&self) -> RowArray<CommandRow<'b>> {
        let recorded = self
            .appends
            .iter()
            .filter(|(append, _)| append.has_record());
        let rows = recorded.map(|&(append, appended)| CommandRow { append, appended });
        RowArray(rows.collect())
    }

    /// Rows of the table `command_metadata`, in the order of the appends that have metadata.
    pub(super) fn metadata(&self) -> Result<RowArray<MetadataRow>, Fault> {
        let appends = self.appends.iter();
        let rows = appends.filter_map(|(append, _)| MetadataRow::of(append).transpose());
        Ok(RowArray(rows.collect::<Result<_, _>>()?))
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

fn event_rows(append: &Prepared) -> impl Iterator<Item = EventRow<'_>> {
    let fingerprint = append.event_fingerprint();
    let events = append.events.iter();
    events.map(move |(event, all_tags)| EventRow {
        event,
        all_tags: all_tags.as_deref(),
        fingerprint,
    })
}

/// A row of the table `events`.
pub(super) struct EventRow<'b> {
    event: &'b Recorded,
    all_tags: Option<&'b str>,
    fingerprint: Option<i64>,
}

impl EventRow<'_> {
    /// Writes the event with [`AppendStatement::One`], whose first parameters these are. With the command's
    /// fingerprint for its record, with [`AppendStatement::OneRecorded`].
    async fn write_alone(
        &self,
        client: &Connection,
        statement: &Statement,
        mut params: Vec<&(dyn ToSql + Sync)>,
        record: Option<i64>,
    ) -> Result<u64, Fault> {
        let Recorded { data, meta, .. } = self.event;
        let id = meta.id.as_uuid();
        let event_type = data.event_type.as_str();
        let version = i64::from(data.version);
        let command = meta.command.as_uuid();
        let correlation = self.unlike_command(meta.correlation);
        let causation = self.unlike_command(meta.causation);
        let tag = self.tag();
        params.extend([
            &id as &(dyn ToSql + Sync),
            &event_type,
            &version,
            &self.all_tags,
            &meta.actor,
            &command,
            &correlation,
            &causation,
            &data.payload,
            &tag,
            &self.fingerprint,
        ]);
        if let Some(fingerprint) = &record {
            params.push(fingerprint);
        }
        Ok(client.execute(statement, &params).await?)
    }

    fn tag(&self) -> Option<&str> {
        self.event.data.tags.iter().next().map(Tag::as_str)
    }

    /// `None` if the id is the command's, which needs no room for it.
    fn unlike_command(&self, id: Uuid) -> Option<Uuid> {
        (id != self.event.meta.command.as_uuid()).then_some(id)
    }
}

/// Whether an append has custom metadata to write.
pub(super) fn has_metadata(append: &Prepared) -> bool {
    let first = append.events.first();
    first.is_some_and(|(event, _)| !event.meta.custom.is_empty())
}

/// Whether an append has one event, and no rows in other tables but a record of its command.
pub(super) fn is_one_event(append: &Prepared) -> bool {
    let is_alone = matches!(append.events[..], [(_, None)]);
    is_alone && append.states.is_empty() && !has_metadata(append)
}

/// A row of the table `event_tags`.
pub(super) struct TagRow<'b> {
    tag: &'b Tag,
    position: i64,
}

/// A row of the table `type_blocks`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockRow<'b> {
    event_type: &'b EventType,
    block: i64,
}

impl<'b> BlockRow<'b> {
    /// Number of positions of a block.
    const POSITIONS: i64 = 256;

    fn of(event: &'b Recorded) -> Self {
        Self {
            event_type: &event.data.event_type,
            block: (number(event.position) - 1) / Self::POSITIONS,
        }
    }
}

/// A row of the table `commands`.
pub(super) struct CommandRow<'b> {
    append: &'b Prepared,
    appended: Appended,
}

/// A row of the table `command_metadata`.
pub(super) struct MetadataRow {
    command: Uuid,
    metadata: String,
}

impl MetadataRow {
    /// `None` if the append has no events with custom metadata.
    fn of(append: &Prepared) -> Result<Option<Self>, Fault> {
        let Some((event, _)) = append.events.first() else {
            return Ok(None);
        };
        let json = event.meta.custom.to_json();
        let metadata = json.map_err(|error| Fault::data(error.to_string()))?;
        Ok(metadata.map(|metadata| Self {
            command: append.command.as_uuid(),
            metadata,
        }))
    }
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
        "all_tags",
        "time",
        "actor",
        "command",
        "correlation",
        "causation",
        "payload",
        "tag",
        "fingerprint",
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
        columns.add(&Type::TEXT, &self.all_tags)?;
        columns.add(&Type::INT8, &meta.time.as_microsecond())?;
        columns.add(&Type::TEXT, &meta.actor)?;
        columns.add(&Type::UUID, &meta.command.as_uuid())?;
        columns.add(&Type::UUID, &self.unlike_command(meta.correlation))?;
        columns.add(&Type::UUID, &self.unlike_command(meta.causation))?;
        columns.add(&Type::BYTEA, &data.payload)?;
        columns.add(&Type::TEXT, &self.tag())?;
        columns.add(&Type::INT8, &self.fingerprint)
    }
}

impl TableRow for TagRow<'_> {
    const COLUMNS: &'static [&'static str] = &["tag", "position"];

    fn encode(&self, columns: &mut RowEncoder<'_>) -> EncodeResult {
        columns.add(&Type::TEXT, &self.tag.as_str())?;
        columns.add(&Type::INT8, &self.position)
    }
}

impl TableRow for BlockRow<'_> {
    const COLUMNS: &'static [&'static str] = &["type", "block"];

    fn encode(&self, columns: &mut RowEncoder<'_>) -> EncodeResult {
        columns.add(&Type::TEXT, &self.event_type.as_str())?;
        columns.add(&Type::INT8, &self.block)
    }
}

impl TableRow for CommandRow<'_> {
    const COLUMNS: &'static [&'static str] = &["id", "fingerprint", "first", "count", "resent"];

    fn encode(&self, columns: &mut RowEncoder<'_>) -> EncodeResult {
        columns.add(&Type::UUID, &self.append.command.as_uuid())?;
        columns.add(&Type::INT8, &self.append.fingerprint.cast_signed())?;
        columns.add(&Type::INT8, &number(self.appended.first))?;
        columns.add(&Type::INT8, &self.appended.count.cast_signed())?;
        columns.add(
            &Type::BOOL,
            &self.append.is_resent_without_events().then_some(true),
        )
    }
}

impl TableRow for MetadataRow {
    const COLUMNS: &'static [&'static str] = &["command", "metadata"];

    fn encode(&self, columns: &mut RowEncoder<'_>) -> EncodeResult {
        columns.add(&Type::UUID, &self.command)?;
        columns.add(&Type::TEXT, &self.metadata)
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

    const APPEND: &str = include_str!("../sql/append_all.sql");

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
        assert_eq!(columns("type_blocks"), BlockRow::COLUMNS);
        assert_eq!(columns("commands"), CommandRow::COLUMNS);
        assert_eq!(columns("states"), StateRow::COLUMNS);
        let layout = include_str!("../sql/migrations/0017_command_metadata.sql");
        assert!(
            MetadataRow::COLUMNS
                .iter()
                .all(|column| layout.contains(&format!("    {column} ")))
        );
    }
}
