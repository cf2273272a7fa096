use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use cqrs_core::CommandId;

use crate::problem::Problem;

/// The commands with an `Idempotency-Key` that this router is carrying out.
#[derive(Clone, Default)]
pub(crate) struct RunningKeys(Arc<Mutex<HashSet<CommandId>>>);

/// A command that is being carried out until this is dropped: with its answer, or with its connection.
pub(crate) struct RunningKey {
    keys: RunningKeys,
    id: CommandId,
}

impl RunningKeys {
    /// Begins a command. Refuses it if another request with its key has not been answered yet.
    pub(crate) fn begin(&self, id: CommandId) -> Result<RunningKey, Problem> {
        if !self.ids().insert(id) {
            let detail = "a request with this `Idempotency-Key` is still being carried out";
            return Err(Problem::new(StatusCode::CONFLICT, "in-progress", detail).retry_after(1));
        }
        let keys = self.clone();
        Ok(RunningKey { keys, id })
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<CommandId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningKey {
    fn drop(&mut self) {
        self.keys.ids().remove(&self.id);
    }
}
