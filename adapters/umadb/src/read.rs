use std::sync::Arc;

use cqrs_core::CommandId;
use cqrs_core::store::{EventPage, EventQuery, Position, ReadRange, Recorded, StoredCommand};

use crate::fault::Fault;
use crate::grpc::CallError;
use crate::known_log::KnownLog;
use crate::link::{Connection, Link};
use crate::proto;
use crate::record;

/// Maximum number of events that the server is asked to read at a time.
const MAX_BATCH: u32 = 1024;

/// Reasons that an attempt failed.
pub(crate) enum AttemptError {
    /// Another attempt may succeed.
    Call(CallError),
    /// The data cannot be read, by another attempt neither.
    Corrupt(String),
}

impl From<CallError> for AttemptError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// Reads a page, on new connections for as long as the link allows.
pub(crate) async fn page(
    link: &Link,
    log: &KnownLog,
    query: &EventQuery,
    range: ReadRange,
) -> Result<EventPage, Fault> {
    let mut attempts = link.attempts();
    loop {
        let connection = attempts.connection().await?;
        match page_on(&connection, log, query, range).await {
            Ok(page) => return Ok(page),
            Err(AttemptError::Call(error)) => attempts.failed(error).await?,
            Err(AttemptError::Corrupt(reason)) => return Err(Fault::Corrupt(reason)),
        }
    }
}

/// Reads a page.
///
/// The server reports the head of its snapshot only in an answer without a limit. So a read up to a
/// position that is known to be in the log has a limit, and any other read is stopped when the page is
/// full.
pub(crate) async fn page_on(
    connection: &Connection,
    log: &KnownLog,
    query: &EventQuery,
    range: ReadRange,
) -> Result<EventPage, AttemptError> {
    if record::query_items(query).is_empty() {
        let head = connection.head().await?;
        log.advance(connection.incarnation, head);
        return Ok(EventPage {
            events: Vec::new(),
            as_of: range.up_to.map_or(head, |up_to| up_to.min(head)),
            next: None,
        });
    }
    let known = snapshot(log.heads().position(), query, range);
    let Received {
        events,
        head,
        is_cut,
    } = receive(connection, log, query, range, known.is_some()).await?;
    let as_of = match (known, head) {
        (Some(known), _) => known,
        (None, Some(head)) => head,
        // The page was cut before a part that reports the head. Events that were appended since come
        // after the page, so a later head is as good (I5).
        (None, None) if is_cut => connection.head().await?,
        (None, None) => Position::START,
    };
    log.advance(connection.incarnation, as_of);
    Ok(EventPage {
        next: events.last().filter(|_| is_cut).map(|event| event.position),
        events,
        as_of: range.up_to.map_or(as_of, |up_to| up_to.min(as_of)),
    })
}

/// The events of a page, as they were received.
struct Received {
    events: Vec<Arc<Recorded>>,
    /// The head of the snapshot, if the server has reported it.
    head: Option<Position>,
    /// Another event would follow, for which the page has no room.
    is_cut: bool,
}

/// Receives the events of a page. With `is_limited`, the server ends each answer at a limit, and does
/// not report the head.
async fn receive(
    connection: &Connection,
    log: &KnownLog,
    query: &EventQuery,
    range: ReadRange,
    is_limited: bool,
) -> Result<Received, AttemptError> {
    let batch = u32::try_from(range.limit)
        .unwrap_or(MAX_BATCH)
        .saturating_add(1)
        .min(MAX_BATCH);
    let mut room = range.room();
    let mut events = Vec::new();
    let mut head = None;
    let mut after = range.after;
    let is_cut = 'page: loop {
        let request = proto::ReadRequest {
            query: (*query != EventQuery::All).then(|| proto::Query {
                items: record::query_items(query),
            }),
            start: Some(after.get().saturating_add(1)),
            limit: is_limited.then_some(batch),
            batch_size: Some(batch),
            ..proto::ReadRequest::default()
        };
        let mut received = 0;
        let mut answers = connection.read(&request).await?;
        while let Some(answer) = answers.next().await? {
            if !is_limited {
                head = answer.head.map(Position::new).or(head);
            }
            for stored in answer.events {
                received += 1;
                after = Position::new(stored.position);
                if range.up_to.is_some_and(|up_to| after > up_to) {
                    break 'page false;
                }
                if record::is_marker(&stored) {
                    continue;
                }
                if room.is_full() {
                    break 'page true;
                }
                let event = record::recorded(&stored).map_err(AttemptError::Corrupt)?;
                log.note_read(connection.incarnation, &event);
                room.take(event.size());
                events.push(Arc::new(event));
            }
        }
        // Markers count towards the limit of the server, but not towards the page. So an answer that
        // has reached the limit may have left the page with room, and the next one continues.
        if !is_limited || received < batch {
            break false;
        }
    };
    Ok(Received {
        events,
        head,
        is_cut,
    })
}

/// The upper end of a read, if it is known beforehand to be in the log. A query for which the server
/// scans the log ends at the known head if its page is likely to be cut. Otherwise the server would scan
/// to the end before it learns that the page is full.
fn snapshot(head: Position, query: &EventQuery, range: ReadRange) -> Option<Position> {
    let is_scan = match query {
        EventQuery::All => true,
        EventQuery::Items(items) => items.iter().any(|item| item.tags.is_empty()),
    };
    match range.up_to {
        Some(up_to) => (up_to <= head).then_some(up_to),
        None => (is_scan && head.since(range.after) > range.limit as u64).then_some(head),
    }
}

/// The record of a command, `None` if it was not processed.
pub(crate) async fn command_on(
    connection: &Connection,
    id: CommandId,
) -> Result<Option<StoredCommand>, CallError> {
    let request = proto::ReadRequest {
        query: Some(record::command_query(id)),
        limit: Some(1),
        ..proto::ReadRequest::default()
    };
    let mut answers = connection.read(&request).await?;
    let mut found = None;
    while let Some(answer) = answers.next().await? {
        found = answer
            .events
            .first()
            .and_then(record::stored_command)
            .or(found);
    }
    Ok(found)
}

pub(crate) async fn command(link: &Link, id: CommandId) -> Result<Option<StoredCommand>, Fault> {
    let mut attempts = link.attempts();
    loop {
        let connection = attempts.connection().await?;
        match command_on(&connection, id).await {
            Ok(command) => return Ok(command),
            Err(error) => attempts.failed(error).await?,
        }
    }
}
