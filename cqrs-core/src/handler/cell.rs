use std::sync::OnceLock;

use super::{CommandFn, QueryFn};
use crate::message::{Command, Query};

/// Stands beside each command, so that dispatch reads one pointer instead of searching. Filled
/// once per process; which services, store and scope a call has is the dispatcher's.
pub struct CommandCell<C: Command>(OnceLock<Filled<CommandFn<C>>>);

/// Stands beside each query; see [`CommandCell`].
pub struct QueryCell<Q: Query>(OnceLock<Filled<QueryFn<Q>>>);

/// A handler and its number in the registry.
pub(crate) struct Filled<F> {
    pub(crate) number: usize,
    pub(crate) run: F,
}

impl<C: Command> CommandCell<C> {
    /// An empty cell.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub(crate) fn fill(&self, number: usize, run: CommandFn<C>) {
        self.0.get_or_init(|| Filled { number, run });
    }

    pub(crate) fn get(&self) -> Option<&Filled<CommandFn<C>>> {
        self.0.get()
    }
}

impl<Q: Query> QueryCell<Q> {
    /// An empty cell.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub(crate) fn fill(&self, number: usize, run: QueryFn<Q>) {
        self.0.get_or_init(|| Filled { number, run });
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&Filled<QueryFn<Q>>> {
        self.0.get()
    }
}
