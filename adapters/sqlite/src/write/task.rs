use std::collections::HashSet;

use cqrs_core::CommandId;
use cqrs_core::store::{AppendToken, Recorded};
use cqrs_kit::decider::ConflictWindow;
use rusqlite::{CachedStatement, Connection, Params};
use tokio::sync::oneshot;

use super::blocks::Blocks;
use crate::fault::Fault;
use crate::row::Head;
use crate::sql;
use crate::thread::ignore_panic;
use crate::transaction::guard::Guard;

/// The work of the writing thread for one caller. Several tasks share a transaction.
pub(crate) trait Task: Send {
    /// Decides and writes. The answer, which may be a refusal, is kept until the transaction is
    /// committed. After a rollback, the task runs again from the start.
    fn run(&mut self, log: &mut Log<'_>) -> Result<(), Fault>;

    /// Whether the last run wrote something. If not, it refused, or its work was done before.
    fn is_effective(&self) -> bool;

    /// Whether the writes of the last run are in the database. `None` if it wrote nothing that could
    /// be recognized.
    fn is_there(&self, conn: &Connection) -> Result<Option<bool>, Fault>;

    /// Takes the events that the last run wrote, after the commit.
    fn take_events(&mut self) -> Vec<Recorded> {
        Vec::new()
    }

    /// Sends the answer of the last run to the caller.
    fn answer(self: Box<Self>);

    /// Sends an error to the caller.
    fn fail(self: Box<Self>, fault: Fault);

    /// Approximate number of bytes that it writes.
    fn bytes(&self) -> usize;
}

/// Tasks that share a transaction.
pub(crate) type Batch = Vec<Box<dyn Task>>;

/// Number of answers from which on a task of the callers' runtime sends them, instead of the writing thread. A
/// task that is woken by another thread may cost a system call, and a worker that wakes up for it alone. One that
/// is woken by a worker is put into the list of that worker.
pub(super) const MANY_ANSWERS: usize = 3;

/// Answers to tasks whose transactions have ended. They are sent once the engine is free: a caller that
/// was answered before could run ahead of this thread, and its next request would find the engine in use.
#[derive(Default)]
#[must_use]
pub(crate) struct Answers(Vec<(Batch, Option<Fault>)>);

impl Answers {
    /// Adds the answers to a batch: those of its last run, or this fault.
    pub(crate) fn add(&mut self, batch: Batch, fault: Option<Fault>) {
        self.0.push((batch, fault));
    }

    /// Adds these answers.
    pub(crate) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(|(batch, _)| batch.len()).sum()
    }

    /// Sends the answers to the callers.
    pub(crate) fn send(self) {
        for (batch, fault) in self.0 {
            for task in batch {
                ignore_panic(|| match &fault {
                    None => task.answer(),
                    Some(fault) => task.fail(fault.clone()),
                });
            }
        }
    }
}

/// What the engine knows of the log without reading it.
pub(crate) struct EngineMemory {
    pub(crate) window: ConflictWindow,
    pub(crate) uncommitted: Vec<AppendToken>,
    pub(crate) resent: HashSet<CommandId>,
    pub(crate) blocks: Blocks,
}

/// The log as a transaction sees it, with the events that it has inserted so far.
pub(crate) struct Log<'t> {
    pub(crate) conn: &'t Connection,
    pub(crate) guard: &'t Guard,
    /// The types and tags of the recent events, including those of this transaction.
    pub(crate) window: &'t mut ConflictWindow,
    /// The tokens that this transaction has added to the window.
    pub(crate) uncommitted: &'t mut Vec<AppendToken>,
    /// Commands that were sent again under an id that a dispatcher had assigned, and recorded since the
    /// file was opened. Their first sending may still be on its way here.
    pub(crate) resent: &'t mut HashSet<CommandId>,
    pub(crate) blocks: &'t mut Blocks,
    /// The end of the log, including the events of this transaction.
    pub(crate) head: Head,
    pub(crate) insert_command: LazyStatement<'t>,
    pub(crate) insert_event: LazyStatement<'t>,
    pub(crate) insert_plain_event: LazyStatement<'t>,
    pub(crate) insert_tag: LazyStatement<'t>,
}

impl<'t> Log<'t> {
    pub(crate) fn new(
        conn: &'t Connection,
        guard: &'t Guard,
        EngineMemory {
            window,
            uncommitted,
            resent,
            blocks,
        }: &'t mut EngineMemory,
        head: Head,
    ) -> Self {
        Self {
            conn,
            guard,
            window,
            uncommitted,
            resent,
            blocks,
            head,
            insert_command: LazyStatement::new(conn, sql::INSERT_COMMAND),
            insert_event: LazyStatement::new(conn, sql::INSERT_EVENT),
            insert_plain_event: LazyStatement::new(conn, sql::INSERT_PLAIN_EVENT),
            insert_tag: LazyStatement::new(conn, sql::INSERT_TAG),
        }
    }
}

/// A statement that a transaction takes from the cache when it first needs it, which most do with few of them.
pub(crate) struct LazyStatement<'t> {
    conn: &'t Connection,
    sql: &'static str,
    taken: Option<CachedStatement<'t>>,
}

impl<'t> LazyStatement<'t> {
    fn new(conn: &'t Connection, sql: &'static str) -> Self {
        Self {
            conn,
            sql,
            taken: None,
        }
    }

    pub(crate) fn execute(&mut self, params: impl Params) -> rusqlite::Result<usize> {
        self.statement()?.execute(params)
    }

    /// Inserts a row, and returns its number.
    pub(crate) fn insert(&mut self, params: impl Params) -> rusqlite::Result<i64> {
        self.statement()?.insert(params)
    }

    fn statement(&mut self) -> rusqlite::Result<&mut CachedStatement<'t>> {
        match &mut self.taken {
            Some(taken) => Ok(taken),
            none => Ok(none.insert(self.conn.prepare_cached(self.sql)?)),
        }
    }
}

/// The channel to a caller, with the answer that is sent after the commit.
pub(crate) struct Responder<T> {
    decided: Option<T>,
    caller: oneshot::Sender<T>,
}

impl<T> Responder<T> {
    pub(crate) fn new() -> (Self, oneshot::Receiver<T>) {
        let (caller, answer) = oneshot::channel();
        (
            Self {
                decided: None,
                caller,
            },
            answer,
        )
    }

    pub(crate) fn decide(&mut self, answer: T) {
        self.decided = Some(answer);
    }

    pub(crate) fn decided(&self) -> Option<&T> {
        self.decided.as_ref()
    }

    /// Sends the answer. If the caller's future was dropped, the work is done all the same.
    pub(crate) fn send(self) {
        if let Some(answer) = self.decided {
            let _ = self.caller.send(answer);
        }
    }

    pub(crate) fn send_instead(self, answer: T) {
        let _ = self.caller.send(answer);
    }
}
