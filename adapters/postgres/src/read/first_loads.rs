use std::pin::pin;
use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{EventPage, EventType, ReadRange, Tag};
use futures_util::TryStreamExt;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, RowStream};

use crate::fault::Fault;
use crate::known_log::{KnownLog, SeenHead};
use crate::pool::Pool;
use crate::read::coalescer::SharedLoad;
use crate::read::event_sizes::EventSizes;
use crate::read::first_page::{FirstPage, TagEvents};
use crate::read::fold::FoldEvent;
use crate::read::head;
use crate::row::{self, EventTypes, number};
use crate::sql::Sql;

/// Reads of the first pages of aggregates' events, for decisions whose states are not in memory.
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

/// Size in bytes of an event of which nothing is known.
const ASSUMED_EVENT_BYTES: usize = 1024;

impl SharedLoad for FirstLoads {
    /// The types of the events that are selected for every tag.
    type Key = Vec<EventType>;
    type Request = FirstPage;
    type Answer = EventPage<FoldEvent>;

    /// Number of bytes.
    const MAX_SIZE: usize = ReadRange::PAGE_BYTES;

    fn size(&self, page: &FirstPage) -> usize {
        let limit = self.event_sizes.fit(page.tag_range()).limit;
        limit
            .saturating_mul(page.items.len())
            .saturating_mul(self.event_sizes.mean().max(ASSUMED_EVENT_BYTES))
    }

    async fn load(
        &self,
        types: &Vec<EventType>,
        requests: Vec<FirstPage>,
    ) -> Result<Vec<EventPage<FoldEvent>>, Fault> {
        let (found, head) = self.read(types, &requests).await?;
        let mut found = found.into_iter();
        let pages = requests.into_iter().map(|page| {
            let own = found.by_ref().take(page.items.len());
            page.merge(own.collect(), head)
        });
        Ok(pages.collect())
    }
}

impl FirstLoads {
    /// The events with each tag of the requests, and the head.
    async fn read(
        &self,
        types: &[EventType],
        requests: &[FirstPage],
    ) -> Result<(Vec<TagEvents>, Position), Fault> {
        let mut tags: Vec<&str> = Vec::new();
        let mut after = Vec::new();
        let mut found = Vec::new();
        let mut max = 1;
        for page in requests {
            let range = self.event_sizes.fit(page.tag_range());
            max = max.max(range.limit);
            for item in &page.items {
                tags.extend(item.tags.iter().map(Tag::as_str));
                after.push(number(range.after));
                found.push(TagEvents::new(item, range));
            }
        }
        // One more than fits, to learn whether another event follows.
        let limit = i64::try_from(max).map_or(i64::MAX, |max| max.saturating_add(1));
        let names = types.iter().map(EventType::as_str);
        let any_of: Option<Vec<&str>> = (!types.is_empty()).then(|| names.collect());
        let params: [&(dyn ToSql + Sync); 4] = [&tags, &after, &limit, &any_of];
        let client = self.pool.get_at_once().await?;
        let statement = client.prepare(&self.sql.read_first).await?;
        let answer = async {
            let rows = client.client().query_raw(&statement, params).await?;
            take(rows, &mut found).await
        };
        let seen = client.exchange(answer).await?;
        head::observe(&self.log, &self.sql, &client, seen).await?;
        for tag in &found {
            let bytes = tag.events.iter().map(|(_, data)| data.size()).sum();
            let size = (tag.events.len(), bytes);
            // Every row of the answer was read, so the connection can be used again.
            let _ = self.event_sizes.record(tag.range, size, false);
        }
        Ok((found, seen.position))
    }
}

/// Takes the events with each tag, and returns the head.
async fn take(rows: RowStream, tags: &mut [TagEvents]) -> Result<SeenHead, Fault> {
    let mut rows = pin!(rows);
    let mut types = EventTypes::default();
    let mut head = None;
    while let Some(row) = rows.try_next().await? {
        if row.try_get::<_, Option<&str>>(1)?.is_none() {
            head = Some(seen(&row)?);
        } else if let Some(tag) = tags.get_mut(row::index(&row, 4)?) {
            tag.take(&row, &mut types)?;
        }
    }
    head.ok_or_else(|| Fault::corrupt("the table `head` has no row"))
}

fn seen(row: &Row) -> Result<SeenHead, Fault> {
    Ok(SeenHead {
        position: row::position(row, 0)?,
        store: row.try_get(5)?,
        event: row.try_get(6)?,
        is_durable: row.try_get::<_, i64>(2)? != 0,
    })
}
