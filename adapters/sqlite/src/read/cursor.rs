use std::cmp::Reverse;
use std::collections::BinaryHeap;

use cqrs_core::Position;
use cqrs_core::store::{EventQuery, Recorded};
use rusqlite::types::ToSql;
use rusqlite::{CachedStatement, Connection, Rows};

use super::matcher::Matcher;
use crate::fault::Fault;
use crate::row;

/// A statement that selects a part of the log in position order, with its parameters.
pub(crate) struct LogScan<'a> {
    pub(crate) sql: &'static str,
    /// Lower end of the range, not included.
    pub(crate) after: i64,
    /// Upper end of the range, included.
    pub(crate) up_to: i64,
    /// The tag or type to select. `None` for the whole range.
    pub(crate) key: Option<&'a str>,
}

/// Merges several scans into the events that match a query, in position order, each once. Scans may
/// overlap, and select events that do not match.
pub(crate) struct Cursors<'s> {
    query: Matcher<'s>,
    parts: Vec<ScanCursor<'s>>,
    /// The position of each cursor's next event with the index of the cursor, lowest first.
    next: BinaryHeap<Reverse<(Position, usize)>>,
}

struct ScanCursor<'s> {
    rows: Rows<'s>,
    /// The next event, read ahead to find the cursor with the lowest position.
    next: Option<Recorded>,
}

impl LogScan<'_> {
    pub(crate) fn prepare<'c>(
        &self,
        conn: &'c Connection,
    ) -> rusqlite::Result<CachedStatement<'c>> {
        conn.prepare_cached(self.sql)
    }

    fn start<'s>(&self, statement: &'s mut CachedStatement<'_>) -> rusqlite::Result<Rows<'s>> {
        let range: [&dyn ToSql; 2] = [&self.after, &self.up_to];
        match &self.key {
            None => statement.query(&range[..]),
            Some(key) => statement.query([range[0], range[1], key]),
        }
    }
}

impl<'s> Cursors<'s> {
    /// Starts the statements of the scans.
    pub(crate) fn start(
        query: &'s EventQuery,
        scans: &[LogScan<'_>],
        statements: &'s mut [CachedStatement<'_>],
    ) -> Result<Self, Fault> {
        let mut started = Self {
            query: Matcher::new(query),
            parts: Vec::with_capacity(scans.len()),
            next: BinaryHeap::with_capacity(scans.len()),
        };
        for (place, (scan, statement)) in scans.iter().zip(statements).enumerate() {
            started.parts.push(ScanCursor {
                rows: scan.start(statement)?,
                next: None,
            });
            started.advance(place)?;
        }
        Ok(started)
    }

    /// The next event. `None` after the last one.
    pub(crate) fn next(&mut self) -> Result<Option<Recorded>, Fault> {
        let Some(Reverse((lowest, _))) = self.next.peek().copied() else {
            return Ok(None);
        };
        // An event that several scans select is in several cursors, all of which move past it.
        let mut found = None;
        while let Some(Reverse((position, place))) = self.next.peek().copied()
            && position == lowest
        {
            self.next.pop();
            found = self.advance(place)?;
        }
        Ok(found)
    }

    /// Whether there is no next event.
    pub(crate) fn is_empty(&self) -> bool {
        self.next.is_empty()
    }

    /// Moves a cursor to its next event. Returns the event that it moved past.
    fn advance(&mut self, place: usize) -> Result<Option<Recorded>, Fault> {
        let cursor = &mut self.parts[place];
        let found = cursor.advance(&self.query)?;
        if let Some(next) = &cursor.next {
            self.next.push(Reverse((next.position, place)));
        }
        Ok(found)
    }
}

impl ScanCursor<'_> {
    /// Moves to the next matching event. Returns the event that it moved past.
    fn advance(&mut self, query: &Matcher<'_>) -> Result<Option<Recorded>, Fault> {
        let mut next = None;
        while next.is_none()
            && let Some(row) = self.rows.next()?
        {
            next = row::matching(row, query)?;
        }
        Ok(std::mem::replace(&mut self.next, next))
    }
}
