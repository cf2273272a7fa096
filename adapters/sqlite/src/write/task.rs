use cqrs_core::Position;
use cqrs_core::store::{ConflictWindow, Recorded};
use rusqlite::{CachedStatement, Connection};
use tokio::sync::oneshot;

use crate::fault::Fault;
use crate::row::Head;
use crate::sql;

/// What the writing thread does for one caller, together with others in one transaction.
pub(crate) trait Task: Send {
    /// Decides and writes. Keeps the answer, which may also be a refusal that wrote nothing, until
    /// the transaction is committed. Is run from the start again when it was not.
    fn run(&mut self, log: &mut Log<'_>) -> Result<(), Fault>;

    /// Whether the last run wrote what it is for. If not, it wrote nothing: it refused, or found
    /// that to be done already.
    fn is_effective(&self) -> bool;

    /// Whether what the last run wrote is there; `None` if it wrote nothing that would tell.
    fn is_there(&self, conn: &Connection) -> Result<Option<bool>, Fault>;

    /// The events that the last run wrote, once that is committed.
    fn take_events(&mut self) -> Vec<Recorded> {
        Vec::new()
    }

    /// Gives the caller the answer of the last run.
    fn answer(self: Box<Self>);

    /// Tells the caller why there is none.
    fn fail(self: Box<Self>, fault: Fault);

    /// How much it writes, about.
    fn bytes(&self) -> usize;
}

/// Tasks that share a transaction.
pub(crate) type Batch = Vec<Box<dyn Task>>;

/// The log inside a transaction.
pub(crate) struct Log<'t> {
    pub(crate) conn: &'t Connection,
    /// The types and tags of the last events, this transaction's included.
    pub(crate) window: &'t mut ConflictWindow,
    /// The last event's position, this transaction's included.
    pub(crate) head: Position,
    /// The last event's time in microseconds.
    pub(crate) time: i64,
    pub(crate) insert_command: CachedStatement<'t>,
    pub(crate) insert_event: CachedStatement<'t>,
    pub(crate) insert_tag: CachedStatement<'t>,
}

impl<'t> Log<'t> {
    pub(crate) fn new(
        conn: &'t Connection,
        window: &'t mut ConflictWindow,
        head: Head,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            conn,
            window,
            head: head.position,
            time: head.time,
            insert_command: conn.prepare_cached(sql::INSERT_COMMAND)?,
            insert_event: conn.prepare_cached(sql::INSERT_EVENT)?,
            insert_tag: conn.prepare_cached(sql::INSERT_TAG)?,
        })
    }
}

/// Where an answer goes, and the answer once it is decided.
pub(crate) struct Reply<T> {
    decided: Option<T>,
    caller: oneshot::Sender<T>,
}

impl<T> Reply<T> {
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

    /// A caller that is gone does not matter: what was done stays done.
    pub(crate) fn send(self) {
        if let Some(answer) = self.decided {
            let _ = self.caller.send(answer);
        }
    }

    pub(crate) fn send_instead(self, answer: T) {
        let _ = self.caller.send(answer);
    }
}
