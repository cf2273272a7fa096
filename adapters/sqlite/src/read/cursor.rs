use std::cmp::Reverse;
use std::collections::BinaryHeap;

use cqrs_core::Position;
use cqrs_core::store::{EventQuery, Recorded};
use rusqlite::types::ToSql;
use rusqlite::{CachedStatement, Connection, Rows};

use super::matcher::Matcher;
use crate::fault::Fault;
use crate::row;

/// A statement that yields a part of the log in position order, and its parameters.
pub(crate) struct LogScan<'a> {
    pub(crate) sql: &'static str,
    /// After which position.
    pub(crate) after: i64,
    /// Up to which position.
    pub(crate) up_to: i64,
    /// The tag or type that the statement looks for, if it does.
    pub(crate) key: Option<&'a str>,
}

/// The events of several scans that match a query, in position order, each once.
pub(crate) struct Cursors<'s> {
    query: Matcher<'s>,
    parts: Vec<Cursor<'s>>,
    /// The positions of the cursors' next events, the lowest first, each with the cursor's place.
    next: BinaryHeap<Reverse<(Position, usize)>>,
}

struct Cursor<'s> {
    rows: Rows<'s>,
    /// The next event, read ahead to know which cursor has the lowest.
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
            started.parts.push(Cursor {
                rows: scan.start(statement)?,
                next: None,
            });
            started.advance(place)?;
        }
        Ok(started)
    }

    /// The next event, `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<Recorded>, Fault> {
        let Some(Reverse((lowest, _))) = self.next.peek().copied() else {
            return Ok(None);
        };
        let mut found = None;
        while let Some(Reverse((position, place))) = self.next.peek().copied()
            && position == lowest
        {
            self.next.pop();
            found = self.advance(place)?;
        }
        Ok(found)
    }

    /// Whether there is a next event.
    pub(crate) fn is_empty(&self) -> bool {
        self.next.is_empty()
    }

    /// Lets a cursor read on, and answers with what it had read ahead before.
    fn advance(&mut self, place: usize) -> Result<Option<Recorded>, Fault> {
        let cursor = &mut self.parts[place];
        let found = cursor.advance(&self.query)?;
        if let Some(next) = &cursor.next {
            self.next.push(Reverse((next.position, place)));
        }
        Ok(found)
    }
}

impl Cursor<'_> {
    /// Reads on, and answers with what was read ahead before.
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
