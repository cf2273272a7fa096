//! Reads the whole log in order.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use cqrs_core::Position;
use cqrs_core::store::{EventQuery, Events, ReadRange};
use cqrs_kit::Subscription;
use cqrs_postgres::Postgres;
use futures_util::TryStreamExt;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::RUNS;
use super::database::{block_on, connect};
use super::log::Log;
use crate::Result;
use crate::digits::grouped;
use crate::goal::Goal;
use crate::report::{Report, Row};
use crate::runs::Runs;

/// Events per page, as for a projection.
const PAGE: usize = 512;

const STREAM: &str = "SELECT * FROM cqrs.events ORDER BY position";

/// The columns of [`Kept`].
const COLUMNS: &str = "SELECT position, id, type, version, all_tags, time, actor, command, \
    correlation, causation, payload, tag FROM cqrs.events ORDER BY position";

/// An event as whoever reads it by hand would keep it, with the tags as they are stored.
#[allow(dead_code, reason = "only filled")]
struct Kept {
    position: i64,
    id: Uuid,
    event_type: String,
    version: i64,
    all_tags: Option<String>,
    time: i64,
    actor: Option<String>,
    command: Uuid,
    correlation: Option<Uuid>,
    causation: Option<Uuid>,
    payload: Vec<u8>,
    tag: Option<String>,
}

pub fn run(log: &Log, report: &mut Report) -> Result<()> {
    let [mut events, mut subscription, mut query, mut kept] =
        std::array::from_fn(|_| Runs::default());
    for _ in 0..RUNS {
        events.push(log.rate(block_on(read(&log.url)))?);
        subscription.push(log.rate(block_on(subscribe(&log.url, log.events)))?);
        query.push(log.rate(block_on(stream(&log.url)))?);
        kept.push(log.rate(block_on(keep(&log.url)))?);
    }
    let floor = query.median();
    let what = "a replay of the log against one streamed query";
    let rate = subscription.median();
    report.goal(Goal::at_least("replay", what, rate, 0.8, floor));
    let workload = format!("replay of {} events", grouped(&log.events.to_string()));
    let mut row = |who: &str, runs: Runs| {
        let row = Row::new(&workload, who, "events/s", runs);
        report.row(row.against("query", floor));
    };
    row("ours, a subscription", subscription);
    row("ours, one read in one snapshot", events);
    row("SELECT .. ORDER BY position, streamed", query);
    row("the same, with each event in a struct", kept);
    Ok(())
}

impl Log {
    /// Events per second, if all were seen.
    fn rate(&self, seen: Result<(u32, Instant)>) -> Result<f64> {
        let (seen, start) = seen?;
        if seen != self.events {
            return Err(format!("{seen} of {} events were read", self.events).into());
        }
        Ok(f64::from(seen) / start.elapsed().as_secs_f64())
    }
}

async fn read(url: &str) -> Result<(u32, Instant)> {
    let store = Postgres::connect(url).await?;
    let start = Instant::now();
    let mut events = Events::read(&store, EventQuery::All, ReadRange::after(Position::START));
    let mut seen = 0;
    while events.next().await?.is_some() {
        seen += 1;
    }
    Ok((seen, start))
}

async fn subscribe(url: &str, all: u32) -> Result<(u32, Instant)> {
    let store = Arc::new(Postgres::connect(url).await?);
    let start = Instant::now();
    let mut subscription = Subscription::new(store, EventQuery::All, Position::START);
    let mut seen = 0;
    while seen < all {
        let page = subscription.next(PAGE).await?;
        seen += u32::try_from(page.events.len())?;
    }
    Ok((seen, start))
}

/// Reads the position and the payload of each event.
async fn stream(url: &str) -> Result<(u32, Instant)> {
    let client = connect(url).await?;
    let start = Instant::now();
    let statement = client.prepare(STREAM).await?;
    let payload = statement
        .columns()
        .iter()
        .position(|column| column.name() == "payload")
        .ok_or("the table of events has no payload")?;
    let none: [&(dyn ToSql + Sync); 0] = [];
    let mut rows = pin!(client.query_raw(&statement, none).await?);
    let (mut seen, mut last) = (0, 0);
    while let Some(row) = rows.try_next().await? {
        let (position, body): (i64, &[u8]) = (row.get(0), row.get(payload));
        if position <= last || body.is_empty() {
            return Err("rows are out of order or empty".into());
        }
        last = position;
        seen += 1;
    }
    Ok((seen, start))
}

/// Reads all of each event, and keeps as many of them as a page has.
async fn keep(url: &str) -> Result<(u32, Instant)> {
    let client = connect(url).await?;
    let start = Instant::now();
    let none: [&(dyn ToSql + Sync); 0] = [];
    let mut rows = pin!(client.query_raw(COLUMNS, none).await?);
    let (mut seen, mut page) = (0, Vec::with_capacity(PAGE));
    while let Some(row) = rows.try_next().await? {
        if page.len() == PAGE {
            page.clear();
        }
        page.push(Kept {
            position: row.get(0),
            id: row.get(1),
            event_type: row.get(2),
            version: row.get(3),
            all_tags: row.get(4),
            time: row.get(5),
            actor: row.get(6),
            command: row.get(7),
            correlation: row.get(8),
            causation: row.get(9),
            payload: row.get(10),
            tag: row.get(11),
        });
        seen += 1;
    }
    Ok((seen, start))
}
