use std::sync::{Mutex, PoisonError};

use crate::CommandId;
use crate::store::{
    Append, AppendError, AppendWrites, Appended, BoxFuture, Capabilities, EventLog, EventPage,
    EventQuery, Heads, Memory, ReadRange, StoreError, StoredCommand,
};

/// A log in memory that keeps the statements of its last append, and executes none.
pub(super) struct LogWithoutSql {
    log: Memory,
    writes: Mutex<Option<AppendWrites>>,
}

impl LogWithoutSql {
    pub(super) fn new(log: Memory) -> Self {
        Self {
            log,
            writes: Mutex::default(),
        }
    }

    /// Each statement with its parameters.
    pub(super) fn statements(&self) -> Vec<String> {
        let writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        writes.iter().flat_map(AppendWrites::texts).collect()
    }
}

#[deny(clippy::missing_trait_methods)]
impl EventLog for LogWithoutSql {
    fn append(&self, mut append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        let writes = append.writes.take();
        *self.writes.lock().unwrap_or_else(PoisonError::into_inner) = writes;
        self.log.append(append)
    }

    fn read(
        &self,
        query: EventQuery,
        range: ReadRange,
    ) -> BoxFuture<'_, Result<EventPage, StoreError>> {
        self.log.read(query, range)
    }

    fn command(&self, id: CommandId) -> BoxFuture<'_, Result<Option<StoredCommand>, StoreError>> {
        self.log.command(id)
    }

    fn heads(&self) -> &Heads {
        self.log.heads()
    }

    fn capabilities(&self) -> Capabilities<'_> {
        self.log.capabilities()
    }
}
