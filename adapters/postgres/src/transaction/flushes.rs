use std::collections::VecDeque;

use tokio::sync::watch;
use uuid::Uuid;

use crate::SqlError;
use crate::fault::{Fault, Kind};
use crate::link::connection::Connection;
use crate::pool::Pool;
use crate::transaction::pooled::PooledTransaction;

/// Number of appends whose ids are kept, for readers that have seen one of them.
const MAX_KNOWN: usize = 1024;

/// The appends of handlers' transactions, in the order of the log, and how many of them are durable. Their
/// commits do not wait for the disk. One waiting commit is on its way at a time, and makes all appends
/// durable that were committed before. Those that are committed meanwhile wait for the next one, and need no
/// connection for that.
///
/// An append is durable if a connection that was open when it was sent answers after its commit: there was
/// no crash in between.
#[derive(Clone, Debug)]
pub(crate) struct Flushes {
    progress: watch::Sender<FlushProgress>,
}

#[derive(Debug, Default)]
struct FlushProgress {
    /// The last appends that were sent, each with the number of connections that had been opened then.
    sent: VecDeque<(Uuid, u64)>,
    /// Number of the last append that was sent.
    last: u64,
    /// Number of the last one that was committed.
    committed: u64,
    /// Number of the last one that was not, as far as this process knows.
    failed: u64,
    /// Number of the last one that is durable.
    durable: u64,
    /// Somebody has the lead.
    is_led: bool,
}

impl FlushProgress {
    /// The number of an append, if it is one of the last ones.
    fn number(&self, id: Uuid) -> Option<u64> {
        let later = self.sent.iter().rev().zip(0..);
        let mut found = later.filter(|((sent, _), _)| *sent == id);
        found.next().map(|(_, later)| self.last - later)
    }

    /// Whether this connection was open when the first append was sent that is not durable.
    fn can_be_led_on(&self, connection: &Connection) -> bool {
        let waiting = usize::try_from(self.last - self.durable).unwrap_or(usize::MAX);
        let place = self.sent.len().checked_sub(waiting);
        let first = place.and_then(|place| self.sent.get(place));
        self.committed <= self.durable || first.is_some_and(|sent| connection.is_among(sent.1))
    }

    fn lead(&mut self, connection: &Connection) -> bool {
        let leads = !self.is_led && self.can_be_led_on(connection);
        self.is_led |= leads;
        leads
    }
}

impl Flushes {
    pub(crate) fn new() -> Self {
        Self {
            progress: watch::Sender::default(),
        }
    }

    /// The holder of the permit is about to send an append with this id on this connection.
    pub(super) fn on_sent(&self, id: Uuid, connection: &Connection) -> SentAppend {
        let number = self.update(|progress| {
            progress.last += 1;
            if progress.sent.len() == MAX_KNOWN {
                progress.sent.pop_front();
            }
            progress.sent.push_back((id, Connection::count()));
            progress.last
        });
        SentAppend {
            lead: self.lead(connection),
            flushes: self.clone(),
            number,
            is_committed: false,
        }
    }

    /// Waits for the append with this id to be durable. Returns `false` if this process does not know that
    /// append, or nobody makes it durable.
    pub(crate) async fn reached(&self, id: Uuid) -> bool {
        let mut progress = self.progress.subscribe();
        let Some(number) = progress.borrow().number(id) else {
            return false;
        };
        let ended = progress.wait_for(|it| {
            let is_left = it.committed >= number && !it.is_led;
            it.durable >= number || it.failed >= number || is_left
        });
        ended.await.is_ok_and(|it| it.durable >= number)
    }

    /// The right to send waiting commits on this connection, unless somebody else has it.
    fn lead(&self, connection: &Connection) -> Option<FlushLead> {
        let leads = self.update(|progress| progress.lead(connection));
        leads.then(|| FlushLead {
            flushes: self.clone(),
            is_over: false,
        })
    }

    /// Changes the progress, of which nobody is told.
    fn update<T: Default>(&self, change: impl FnOnce(&mut FlushProgress) -> T) -> T {
        let mut answer = T::default();
        self.progress.send_if_modified(|progress| {
            answer = change(progress);
            false
        });
        answer
    }
}

/// An append that is on its way.
pub(super) struct SentAppend {
    flushes: Flushes,
    number: u64,
    lead: Option<FlushLead>,
    is_committed: bool,
}

impl SentAppend {
    /// Whether a waiting commit is to be sent behind it.
    pub(super) fn has_lead(&self) -> bool {
        self.lead.is_some()
    }

    /// It was committed.
    pub(super) fn on_committed(&mut self) {
        self.is_committed = true;
        let number = self.number;
        self.flushes
            .progress
            .send_modify(|progress| progress.committed = number);
    }

    /// It is to become durable. `is_flushed`: the waiting commit behind it was answered.
    pub(super) fn wait(mut self, connection: &Connection, is_flushed: bool) -> CommittedAppend {
        let lead = match self.lead.take() {
            Some(mut lead) if is_flushed => lead.is_left(self.number).then_some(lead),
            Some(lead) => Some(lead),
            None => self.flushes.lead(connection),
        };
        CommittedAppend {
            flushes: self.flushes.clone(),
            number: self.number,
            lead,
        }
    }
}

impl Drop for SentAppend {
    fn drop(&mut self) {
        if !self.is_committed {
            let number = self.number;
            self.flushes
                .progress
                .send_modify(|progress| progress.failed = progress.failed.max(number));
        }
    }
}

/// An append whose commit has not waited.
pub(super) struct CommittedAppend {
    flushes: Flushes,
    number: u64,
    lead: Option<FlushLead>,
}

impl CommittedAppend {
    /// Waits until it is durable. The connection of its transaction is needed only for the lead.
    pub(super) async fn durable(
        mut self,
        transaction: PooledTransaction,
        connections: &Pool,
    ) -> Result<(), Fault> {
        match self.lead.take() {
            // Others wait for it, also if this future is dropped.
            Some(lead) => drop(tokio::spawn(async move { lead.run(&transaction).await })),
            None => drop(transaction),
        }
        let mut progress = self.flushes.progress.subscribe();
        loop {
            let ended = progress.wait_for(|it| it.durable >= self.number || !it.is_led);
            if ended.await.is_ok_and(|it| it.durable >= self.number) {
                return Ok(());
            }
            // Whoever had the lead has lost its connection, or was dropped.
            let connection = connections.get().await?;
            if let Some(lead) = self.flushes.lead(&connection) {
                lead.run(&connection).await?;
            } else if !progress.borrow().is_led {
                let late =
                    "the connection was opened after a commit that did not wait for the disk";
                return Err(Fault::new(Kind::Lost, late));
            }
        }
    }
}

/// The right to send waiting commits, one after the other.
pub(super) struct FlushLead {
    flushes: Flushes,
    is_over: bool,
}

impl FlushLead {
    /// Sends waiting commits for as long as there are appends that need one.
    pub(super) async fn run(mut self, connection: &Connection) -> Result<(), SqlError> {
        loop {
            let (committed, can_go_on) = {
                let progress = self.flushes.progress.borrow();
                (progress.committed, progress.can_be_led_on(connection))
            };
            if !can_go_on {
                return Ok(());
            }
            connection.flush().await?;
            if !self.is_left(committed) {
                return Ok(());
            }
        }
    }

    /// All up to this one are durable. Returns whether others were committed since; if not, this is over.
    fn is_left(&mut self, number: u64) -> bool {
        let mut is_left = false;
        self.flushes.progress.send_modify(|progress| {
            progress.durable = progress.durable.max(number);
            is_left = progress.committed > progress.durable;
            progress.is_led = is_left;
        });
        self.is_over = !is_left;
        is_left
    }
}

impl Drop for FlushLead {
    fn drop(&mut self) {
        if !self.is_over {
            self.flushes
                .progress
                .send_modify(|progress| progress.is_led = false);
        }
    }
}
