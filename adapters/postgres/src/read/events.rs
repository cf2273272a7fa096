use std::pin::pin;
use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{
    EventPage, EventQuery, EventQueryItem, EventType, ReadRange, Recorded, Tag,
};
use futures_util::TryStreamExt;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, RowStream, Statement};

use crate::fault::Fault;
use crate::link::connection::Connection;
use crate::row::{self, EventTypes, number};
use crate::sql::Sql;
use crate::tail::SeenHead;

/// A query of events as one of the statements, with what it takes besides the range.
pub(crate) enum Selection {
    /// `read_all`.
    All,
    /// `read_tagged`: the tag and the types, `None` for any.
    Tagged(String, Option<Vec<String>>),
    /// `read_items`: items with tags as JSON, types of items without.
    Items(String, Vec<String>),
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
        // PostgreSQL stores no text with a NUL in it, so nothing there matches one.
        let storable =
            |item: &&EventQueryItem| !item.tags.iter().any(|it| it.as_str().contains('\0'));
        let items: Vec<_> = items.iter().filter(storable).collect();
        if let [item] = items[..]
            && let [tag] = item.tags.as_slice()
        {
            let types = types(item);
            return Self::Tagged(tag.to_string(), (!types.is_empty()).then_some(types));
        }
        let (tagged, typed): (Vec<&EventQueryItem>, Vec<_>) =
            items.into_iter().partition(|item| !item.tags.is_empty());
        let tagged: Vec<_> = tagged.into_iter().map(as_json).collect();
        let typed = typed.into_iter().flat_map(types).collect();
        Self::Items(serde_json::Value::from(tagged).to_string(), typed)
    }

    /// The statement's text.
    pub(crate) fn sql<'s>(&self, sql: &'s Sql) -> &'s str {
        match self {
            Self::All => &sql.read_all,
            Self::Tagged(..) => &sql.read_tagged,
            Self::Items(..) => &sql.read_items,
        }
    }

    /// A page of the events, in one snapshot with the head.
    pub(crate) async fn read(
        &self,
        client: &Connection,
        statement: &Statement,
        range: ReadRange,
    ) -> Result<(EventPage, SeenHead), Fault> {
        let after = number(range.after);
        let up_to = range.up_to.map_or(i64::MAX, number);
        // One more than the page has, to know whether there are more.
        let limit =
            i64::try_from(range.limit.max(1)).map_or(i64::MAX, |limit| limit.saturating_add(1));
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&after, &up_to, &limit];
        match self {
            Self::All => {}
            Self::Tagged(tag, types) => params.extend([tag as &(dyn ToSql + Sync), types]),
            Self::Items(tagged, typed) => params.extend([tagged as &(dyn ToSql + Sync), typed]),
        }
        let answer = async {
            let rows = client.client().query_raw(statement, params).await?;
            page(rows, range).await
        };
        client.exchange(answer).await
    }
}

/// Takes each row as it comes, while the server is busy with the next ones.
async fn page(rows: RowStream, range: ReadRange) -> Result<(EventPage, SeenHead), Fault> {
    let mut rows = pin!(rows);
    let (mut head, mut events, mut more) = (None, Vec::new(), false);
    let mut types = EventTypes::default();
    let mut room = range.room();
    while let Some(row) = rows.try_next().await? {
        let Some(id) = row.try_get(1)? else {
            head = Some(seen(&row)?);
            continue;
        };
        if room.is_full() {
            more = true;
            if head.is_some() {
                break;
            }
            continue;
        }
        let event = row::recorded(&row, id, &mut types)?;
        let last = events.last().map(|last: &Arc<Recorded>| last.position);
        check_order(last, event.position)?;
        room.take(event.size());
        events.push(Arc::new(event));
    }
    let head = head.ok_or_else(|| Fault::corrupt("the table `head` has no row"))?;
    let page = EventPage {
        as_of: range
            .up_to
            .map_or(head.position, |up_to| up_to.min(head.position)),
        next: events.last().filter(|_| more).map(|event| event.position),
        events,
    };
    Ok((page, head))
}

/// The head, in the columns that it shares with events.
fn seen(row: &Row) -> Result<SeenHead, Fault> {
    Ok(SeenHead {
        position: row::position(row, 0)?,
        store: row.try_get(7)?,
        event: row.try_get(8)?,
    })
}

/// Each statement sorts its events, but PostgreSQL does not promise the order of several selections
/// together, and a page that ends early must not skip any.
pub(crate) fn check_order(last: Option<Position>, next: Position) -> Result<(), Fault> {
    if last.is_some_and(|last| last >= next) {
        let error = format!("the event at position {next} was read out of order");
        return Err(Fault::corrupt(error));
    }
    Ok(())
}

fn types(item: &EventQueryItem) -> Vec<String> {
    item.types.iter().map(EventType::to_string).collect()
}

fn as_json(item: &EventQueryItem) -> serde_json::Value {
    let mut tags = item.tags.iter().map(Tag::as_str);
    let types = (!item.types.is_empty()).then(|| types(item));
    serde_json::json!({ "tag": tags.next(), "others": tags.collect::<Vec<_>>(), "types": types })
}
