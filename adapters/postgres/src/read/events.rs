use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use cqrs_core::store::{
    CustomMetadata, EventPage, EventQuery, EventQueryItem, EventType, ReadRange, Tag,
};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, RowStream, Statement};
use uuid::Uuid;

use crate::fault::Fault;
use crate::known_log::SeenHead;
use crate::link::connection::Connection;
use crate::read::page_rows::{PageEnd, PageRows};
use crate::row::{self, EventTypes, RawColumn, number};
use crate::sql::{MAX_READ_TAGS, Sql};

/// The statement that selects the events of a query, and its parameters besides the range.
pub(crate) enum Selection {
    /// `read_all`.
    All,
    /// `read_tagged`, with each tag and its types. `None` for any type.
    Tagged(Vec<(String, Option<Vec<String>>)>),
    /// `read_typed`, with the types. No item has tags.
    Typed(Vec<String>),
    /// `read_items`, with the items that have tags, as JSON, and the types of the others.
    Items(String, Vec<String>),
}

/// The answer of a statement.
struct ReadAnswer {
    /// The events, without custom metadata.
    page: EventPage,
    /// The head in the same snapshot.
    seen: SeenHead,
    /// The size of the events.
    bytes: usize,
    /// Whether the log has custom metadata.
    has_metadata: bool,
}

/// Maximum number of rows that a statement is asked for. Some ask for one more of something.
const MAX_ROWS: i64 = i64::MAX - 1;

/// Whether the row has the head, in all of these statements: it has no id.
fn is_head(row: &Row) -> Result<bool, tokio_postgres::Error> {
    Ok(row.try_get::<_, Option<RawColumn<'_>>>(1)?.is_none())
}

impl Selection {
    pub(crate) fn new(query: &EventQuery) -> Self {
        let EventQuery::Items(items) = query else {
            return Self::All;
        };
        if items
            .iter()
            .any(|item| item.tags.is_empty() && item.types.is_empty())
        {
            return Self::All;
        }
        // PostgreSQL stores no text with a NUL in it, and rejects one as a parameter. No event matches.
        let items: Vec<_> = items
            .iter()
            .filter(|item| !item.tags.iter().any(|it| it.as_str().contains('\0')))
            .collect();
        if (1..=MAX_READ_TAGS).contains(&items.len())
            && let Some(tagged) = items.iter().map(|item| as_tagged(item)).collect()
        {
            return Self::Tagged(tagged);
        }
        let (tagged, typed): (Vec<&EventQueryItem>, Vec<_>) =
            items.into_iter().partition(|item| !item.tags.is_empty());
        let typed = typed.into_iter().flat_map(types).collect();
        if tagged.is_empty() {
            return Self::Typed(typed);
        }
        let tagged: Vec<_> = tagged.into_iter().map(as_json).collect();
        Self::Items(serde_json::Value::from(tagged).to_string(), typed)
    }

    /// The text of the statement.
    pub(crate) fn sql<'s>(&self, sql: &'s Sql) -> &'s str {
        match self {
            Self::All => &sql.read_all,
            Self::Tagged(tagged) => &sql.read_tagged[tagged.len() - 1],
            Self::Typed(_) => &sql.read_typed,
            Self::Items(..) => &sql.read_items,
        }
    }

    /// Reads a page of the events, without custom metadata.
    pub(crate) async fn read(
        &self,
        client: &Connection,
        statement: &Statement,
        range: ReadRange,
    ) -> Result<EventPage, Fault> {
        Ok(self.ask(client, statement, range).await?.page)
    }

    /// Reads a page of the events, the head in the same snapshot, and the size of the events without their custom
    /// metadata.
    pub(crate) async fn read_with_metadata(
        &self,
        client: &Connection,
        (statement, metadata): (&Statement, &str),
        range: ReadRange,
    ) -> Result<(EventPage, SeenHead, usize), Fault> {
        let mut answer = self.ask(client, statement, range).await?;
        // In a statement of its own, so that logs without any do not pay for it. The rows were written with the
        // events, and are never changed.
        if answer.has_metadata && !answer.page.events.is_empty() {
            let statement = client.prepare(metadata).await?;
            add_metadata(&mut answer.page, client, &statement).await?;
        }
        Ok((answer.page, answer.seen, answer.bytes))
    }

    async fn ask(
        &self,
        client: &Connection,
        statement: &Statement,
        range: ReadRange,
    ) -> Result<ReadAnswer, Fault> {
        let after = number(range.after);
        let up_to = range.up_to.map_or(i64::MAX, number);
        // One more than the page takes, to learn whether another event follows.
        let limit = row::count(range.limit.max(1)).min(MAX_ROWS - 1) + 1;
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&after, &up_to, &limit];
        match self {
            Self::All => {}
            Self::Tagged(tagged) => {
                for (tag, types) in tagged {
                    params.extend([tag as &(dyn ToSql + Sync), types]);
                }
            }
            Self::Typed(types) => params.push(types),
            Self::Items(tagged, typed) => params.extend([tagged as &(dyn ToSql + Sync), typed]),
        }
        let answer = async {
            let rows = client.client().query_raw(statement, params).await?;
            take(rows, range).await
        };
        client.exchange(answer).await
    }
}

/// Adds custom metadata to the events of a page.
async fn add_metadata(
    page: &mut EventPage,
    client: &Connection,
    statement: &Statement,
) -> Result<(), Fault> {
    let events = page.events.iter();
    let mut commands: Vec<Uuid> = events.map(|event| event.meta.command.as_uuid()).collect();
    commands.dedup();
    let rows = client.query(statement, &[&commands]).await?;
    let mut found = HashMap::new();
    for row in rows {
        let command: Uuid = row.try_get(0)?;
        let metadata = CustomMetadata::from_json(row.try_get(1)?).map_err(|error| {
            Fault::corrupt(format!(
                "the metadata of command {command} cannot be read: {error}"
            ))
        })?;
        found.insert(command, metadata);
    }
    for event in &mut page.events {
        if let Some(metadata) = found.get(&event.meta.command.as_uuid()) {
            Arc::make_mut(event).meta.custom = metadata.clone();
        }
    }
    Ok(())
}

async fn take(rows: RowStream, range: ReadRange) -> Result<ReadAnswer, Fault> {
    let stream = pin!(rows);
    let mut rows = PageRows::new(stream, is_head, range);
    let mut events = Vec::new();
    let mut types = EventTypes::default();
    while let Some(row) = rows.next().await? {
        let event = row::recorded(&row, &mut types)?;
        rows.take(event.position, event.size())?;
        events.push(event);
    }
    let PageEnd { head, next, bytes } = rows.end()?;
    let seen = seen(&head)?;
    let has_metadata = head.try_get::<_, Option<&str>>(6)?.is_some();
    let head = seen.position;
    let page = EventPage {
        as_of: range.up_to.map_or(head, |up_to| up_to.min(head)),
        next,
        events,
    };
    Ok(ReadAnswer {
        page,
        seen,
        bytes,
        has_metadata,
    })
}

/// The head, which is in columns that events have for other values.
fn seen(row: &Row) -> Result<SeenHead, Fault> {
    Ok(SeenHead {
        position: row::position(row, 0)?,
        store: row.try_get(7)?,
        event: row.try_get(8)?,
        is_durable: row.try_get::<_, i64>(3)? != 0,
    })
}

/// The tag of an item that has one, and its types. `None` for any type.
fn as_tagged(item: &EventQueryItem) -> Option<(String, Option<Vec<String>>)> {
    let [tag] = item.tags.as_slice() else {
        return None;
    };
    let types = types(item);
    Some((tag.to_string(), (!types.is_empty()).then_some(types)))
}

fn types(item: &EventQueryItem) -> Vec<String> {
    item.types.iter().map(EventType::to_string).collect()
}

fn as_json(item: &EventQueryItem) -> serde_json::Value {
    let mut tags = item.tags.iter().map(Tag::as_str);
    let types = (!item.types.is_empty()).then(|| types(item));
    serde_json::json!({ "tag": tags.next(), "others": tags.collect::<Vec<_>>(), "types": types })
}
