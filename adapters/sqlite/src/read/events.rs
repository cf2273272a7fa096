use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{EventPage, EventQuery, EventQueryItem, ReadRange};
use rusqlite::Connection;

use super::cursor::{Cursors, LogScan};
use crate::fault::Fault;
use crate::{row, sql};

/// Number of events up to which a range is read whole and filtered, which is faster than its indexes.
const FULL_SCAN_BELOW: u64 = 64;

/// Number up to which the events of a tag are counted to find the rarest of several tags.
const TAG_COUNT_CAP: i64 = 1000;

/// Reads a page of matching events, in the snapshot that is open on the connection.
pub(crate) fn read(
    conn: &Connection,
    query: &EventQuery,
    range: ReadRange,
) -> Result<EventPage, Fault> {
    let head = row::head(conn)?.position;
    let as_of = range.up_to.map_or(head, |up_to| up_to.min(head));
    let scans = scans(conn, query, range.after, as_of)?;
    let mut statements = scans
        .iter()
        .map(|scan| scan.prepare(conn))
        .collect::<Result<Vec<_>, _>>()?;
    let mut cursors = Cursors::start(query, &scans, &mut statements)?;
    let (mut events, mut room) = (Vec::new(), range.room());
    while !room.is_full()
        && let Some(event) = cursors.next()?
    {
        room.take(event.size());
        events.push(Arc::new(event));
    }
    let more = !cursors.is_empty();
    let next = events.last().filter(|_| more).map(|event| event.position);
    Ok(EventPage {
        events,
        as_of,
        next,
    })
}

/// The position of the first matching event after `after`.
pub(crate) fn first_match(
    conn: &Connection,
    query: &EventQuery,
    after: Position,
) -> Result<Option<Position>, Fault> {
    let page = read(
        conn,
        query,
        ReadRange {
            limit: 1,
            ..ReadRange::after(after)
        },
    )?;
    Ok(page.events.first().map(|event| event.position))
}

/// Scans that together select every matching event, and perhaps others.
fn scans<'q>(
    conn: &Connection,
    query: &'q EventQuery,
    after: Position,
    as_of: Position,
) -> Result<Vec<LogScan<'q>>, Fault> {
    let (from, up_to) = (row::number(after), row::number(as_of));
    let scan = |sql, key| LogScan {
        sql,
        after: from,
        up_to,
        key,
    };
    let items = match query {
        _ if after >= as_of => return Ok(Vec::new()),
        EventQuery::All => return Ok(vec![scan(sql::READ_ALL, None)]),
        EventQuery::Items(items) if items.is_empty() => return Ok(Vec::new()),
        EventQuery::Items(items) => items,
    };
    if as_of.since(after) <= FULL_SCAN_BELOW || items.iter().any(matches_all) {
        return Ok(vec![scan(sql::READ_ALL, None)]);
    }
    let mut keys = Vec::new();
    for item in items {
        match rarest(conn, item, from, up_to)? {
            Some(tag) => {
                keys.extend([sql::READ_TAGGED, sql::READ_FURTHER_TAGGED].map(|sql| (sql, tag)));
            }
            None => {
                keys.extend(
                    item.types
                        .iter()
                        .map(|name| (sql::READ_TYPED, name.as_str())),
                );
            }
        }
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(keys
        .into_iter()
        .map(|(sql, key)| scan(sql, Some(key)))
        .collect())
}

fn matches_all(item: &EventQueryItem) -> bool {
    item.types.is_empty() && item.tags.is_empty()
}

/// The tag of the item with the fewest events in the range. `None` for an item without tags.
fn rarest<'q>(
    conn: &Connection,
    item: &'q EventQueryItem,
    after: i64,
    up_to: i64,
) -> Result<Option<&'q str>, Fault> {
    if let [tag] = item.tags.as_slice() {
        return Ok(Some(tag.as_str()));
    }
    let mut statement = conn.prepare_cached(sql::COUNT_TAGGED)?;
    let mut rarest = None;
    for tag in &item.tags {
        let params = (after, up_to, tag.as_str(), TAG_COUNT_CAP);
        let count: i64 = statement.query_row(params, |row| row.get(0))?;
        if rarest.is_none_or(|(lowest, _)| count < lowest) {
            rarest = Some((count, tag.as_str()));
        }
    }
    Ok(rarest.map(|(_, tag)| tag))
}

#[cfg(test)]
mod tests {
    use cqrs_core::store::{EventType, Tag};

    use super::*;
    use crate::migrations;

    fn log() -> Connection {
        let mut conn = Connection::open_in_memory().unwrap();
        migrations::migrate(&mut conn).unwrap();
        conn
    }

    #[test]
    fn events_come_sorted_from_their_indexes() {
        let conn = log();
        let plans = [
            (sql::READ_ALL, "SEARCH events USING INTEGER PRIMARY KEY"),
            (
                sql::READ_TYPED,
                "SEARCH e USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
            ),
            (
                sql::READ_TAGGED,
                "USING INDEX events_by_tag (tag=? AND rowid>? AND rowid<?)",
            ),
            (
                sql::READ_FURTHER_TAGGED,
                "SEARCH t USING PRIMARY KEY (tag=? AND position>? AND position<?)",
            ),
            (
                sql::COUNT_TAGGED,
                "USING PRIMARY KEY (tag=? AND position>? AND position<?)",
            ),
        ];
        for (statement, expected) in plans {
            let mut explain = conn
                .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
                .unwrap();
            let mut rows = explain.raw_query();
            let mut plan = String::new();
            while let Some(row) = rows.next().unwrap() {
                plan.push_str(&row.get::<_, String>(3).unwrap());
            }
            assert!(plan.contains(expected), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }

    #[test]
    fn of_several_tags_the_rarest_is_looked_up() {
        let conn = log();
        for position in 1..=200 {
            let tags: &[&str] = if position % 50 == 0 {
                &["common", "rare"]
            } else {
                &["common"]
            };
            for tag in tags {
                conn.execute(sql::INSERT_TAG, (tag, position)).unwrap();
            }
        }
        let item = EventQueryItem {
            types: vec![EventType::new("noted")],
            tags: ["common", "rare"].map(Tag::from).to_vec(),
        };
        let query = EventQuery::Items(vec![item]);
        let found = scans(&conn, &query, Position::START, Position::new(200)).unwrap();
        let keys: Vec<_> = found.iter().map(|scan| (scan.sql, scan.key)).collect();
        let mut expected =
            [sql::READ_TAGGED, sql::READ_FURTHER_TAGGED].map(|it| (it, Some("rare")));
        expected.sort_unstable();
        assert_eq!(keys, expected);
        let short = scans(&conn, &query, Position::new(190), Position::new(200)).unwrap();
        assert_eq!((short[0].sql, short[0].key), (sql::READ_ALL, None));
    }
}
