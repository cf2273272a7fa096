use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::fault::Fault;
use crate::files::Files;

/// Time for which a read relies on the last check of the database's files.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// A connection that reads, and the files that it has open.
pub(crate) struct ReadConnection {
    pub(crate) conn: Connection,
    files: Arc<Files>,
    checked: Cell<Instant>,
}

impl ReadConnection {
    pub(crate) fn new(conn: Connection, files: Arc<Files>) -> Self {
        Self {
            conn,
            files,
            checked: Cell::new(Instant::now()),
        }
    }

    /// Checks that the files are still at their path.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        self.files.check()?;
        self.checked.set(Instant::now());
        Ok(())
    }

    /// Checks the files, unless that was done within [`CHECK_INTERVAL`].
    pub(crate) fn check_sometimes(&self) -> Result<(), Fault> {
        if self.checked.get().elapsed() < CHECK_INTERVAL {
            return Ok(());
        }
        self.check()
    }
}
