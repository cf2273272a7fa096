use std::pin::pin;
use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{
    EventData, EventPage, EventQuery, EventQueryItem, EventType, ReadRange, Tag, Tags,
};
use futures_util::TryStreamExt;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, RowStream};

use crate::fault::Fault;
use crate::known_log::{KnownLog, SeenHead};
use crate::link::Pool;
use crate::read::coalescer::SharedLoad;
use crate::read::event_sizes::EventSizes;
use crate::read::fold::FoldEvent;
use crate::read::head;
use crate::row::{self, EventTypes, number};
use crate::sql::Sql;

/// Reads of the first page of an aggregate's events, for decisions whose state is not in memory.
///
/// The statement has one snapshot, so every page is as of the same head, which its answer contains
/// (I5). It is sent after each request, so no page lacks an event that was recorded before its request.
pub(crate) struct FirstLoads {
    /// Connections to where the log is written.
    pub(crate) pool: Pool,
    pub(crate) sql: Arc<Sql>,
    pub(crate) log: KnownLog,
    pub(crate) event_sizes: Arc<EventSizes>,
}

/// The first page of the events with a tag.
#[derive(Clone)]
pub(crate) struct FirstPage {
    tag: Tag,
    range: ReadRange,
}

/// Size in bytes of an event of which nothing is known.
const ASSUMED_EVENT_BYTES: usize = 1024;

impl FirstPage {
    /// The types and the page, `None` unless the query names one tag and the range has no end.
    pub(crate) fn new(query: &EventQuery, range: ReadRange) -> Option<(Vec<EventType>, Self)> {
        let EventQuery::Items(items) = query else {
            return None;
        };
        let [EventQueryItem { types, tags }] = items.as_slice() else {
            return None;
        };
        // PostgreSQL stores no text with a NUL in it, and rejects one as a parameter.
        let [tag] = tags.as_slice() else { return None };
        if tag.as_str().contains('\0') || range.up_to.is_some() {
            return None;
        }
        let tag = tag.clone();
        Some((types.clone(), Self { tag, range }))
    }
}

impl SharedLoad for FirstLoads {
    type Key = Vec<EventType>;
    type Request = FirstPage;
    type Answer = EventPage<FoldEvent>;

    /// Number of bytes.
    const MAX_SIZE: usize = ReadRange::PAGE_BYTES;

    fn size(&self, page: &FirstPage) -> usize {
        let limit = self.event_sizes.fit(page.range).limit;
        limit.saturating_mul(self.event_sizes.mean().max(ASSUMED_EVENT_BYTES))
    }

    async fn load(
        &self,
        types: &Vec<EventType>,
        requests: Vec<FirstPage>,
    ) -> Result<Vec<EventPage<FoldEvent>>, Fault> {
        let tags: Vec<&str> = requests.iter().map(|page| page.tag.as_str()).collect();
        let after: Vec<i64> = requests
            .iter()
            .map(|page| number(page.range.after))
            .collect();
        let limits = requests
            .iter()
            .map(|page| self.event_sizes.fit(page.range).limit);
        let max = limits.max().unwrap_or_default();
        // One more than a page takes, to learn whether another event follows.
        let limit = i64::try_from(max).map_or(i64::MAX, |max| max.saturating_add(1));
        let names = types.iter().map(EventType::as_str);
        let any_of: Option<Vec<&str>> = (!types.is_empty()).then(|| names.collect());
        let params: [&(dyn ToSql + Sync); 4] = [&tags, &after, &limit, &any_of];
        let client = self.pool.get().await?;
        let statement = client.prepare(&self.sql.read_first).await?;
        let answer = async {
            let rows = client.client().query_raw(&statement, params).await?;
            pages(rows, &requests, max).await
        };
        let (pages, seen) = client.exchange(answer).await?;
        head::observe(&self.log, &self.sql, &client, seen).await?;
        for (page, request) in pages.iter().zip(&requests) {
            let sizes = page.events.iter().map(|(_, data)| data.size());
            let range = self.event_sizes.fit(request.range);
            // Every row of the answer was read, so the connection can be used again.
            let _ = self.event_sizes.record(range, sizes, false);
        }
        Ok(pages)
    }
}

/// A page that is being read.
struct OpenPage {
    tags: Tags,
    room: ReadRange,
    events: Vec<FoldEvent>,
    is_cut: bool,
}

async fn pages(
    rows: RowStream,
    requests: &[FirstPage],
    max: usize,
) -> Result<(Vec<EventPage<FoldEvent>>, SeenHead), Fault> {
    let mut rows = pin!(rows);
    let mut pages: Vec<_> = requests
        .iter()
        .map(|request| OpenPage::new(request, max))
        .collect();
    let mut types = EventTypes::default();
    let mut head = None;
    while let Some(row) = rows.try_next().await? {
        if row.try_get::<_, Option<&str>>(1)?.is_none() {
            head = Some(seen(&row)?);
        } else if let Some(page) = pages.get_mut(row::index(&row, 4)?) {
            page.take(&row, &mut types)?;
        }
    }
    let head = head.ok_or_else(|| Fault::corrupt("the table `head` has no row"))?;
    let pages = pages.into_iter().map(|page| page.end(head.position));
    Ok((pages.collect(), head))
}

fn seen(row: &Row) -> Result<SeenHead, Fault> {
    Ok(SeenHead {
        position: row::position(row, 0)?,
        store: row.try_get(5)?,
        event: row.try_get(6)?,
        is_durable: row.try_get::<_, i64>(2)? != 0,
    })
}

impl OpenPage {
    /// A page of at most `max` events: the statement sends one more at most.
    fn new(request: &FirstPage, max: usize) -> Self {
        let limit = request.range.limit.min(max);
        Self {
            tags: Tags::from(request.tag.clone()),
            room: ReadRange {
                limit,
                ..request.range
            }
            .room(),
            events: Vec::new(),
            is_cut: false,
        }
    }

    fn take(&mut self, row: &Row, types: &mut EventTypes) -> Result<(), Fault> {
        if self.room.is_full() {
            self.is_cut = true;
            return Ok(());
        }
        let position = row::position(row, 0)?;
        // The statement sorts the events of each tag, but PostgreSQL does not promise the order of
        // joined rows. A page that ends early must not skip an event, so the order is checked.
        if self.last().is_some_and(|last| last >= position) {
            let error = format!("the event at position {position} was read out of order");
            return Err(Fault::corrupt(error));
        }
        let data = EventData {
            event_type: types.get(row, 1)?,
            version: row::version(row, 2, position)?,
            tags: self.tags.clone(),
            payload: row.try_get(3)?,
        };
        self.room.take(data.size());
        self.events.push((position, data));
        Ok(())
    }

    fn last(&self) -> Option<Position> {
        self.events.last().map(|(position, _)| *position)
    }

    fn end(self, head: Position) -> EventPage<FoldEvent> {
        EventPage {
            as_of: head,
            next: self.last().filter(|_| self.is_cut),
            events: self.events,
        }
    }
}
