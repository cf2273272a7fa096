use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use uuid::Uuid;

use crate::SqlError;
use crate::fault::{Fault, Kind};
use crate::link::connection::Connection;
use crate::pool::Pool;
use crate::transaction::pooled::PooledTransaction;

/// Number of appends whose ids are kept, for readers that have seen one of them. More, while they wait for the disk.
const MAX_KNOWN: usize = 1024;

/// Time for a waiting commit, after which another one sends its own. The disk may be slow; or nobody polls the
/// future that has sent it.
const MAX_LEAD: Duration = Duration::from_secs(1);

/// Maximum number of doublings of that time while nothing becomes durable: each has a connection of its own.
const MAX_LEAD_DOUBLINGS: u32 = 5;

/// The appends of handlers' transactions, in the order of the log, and how many of them are durable. Their
/// commits do not wait for the disk. One waiting commit is on its way at a time, and makes all appends
/// durable that were committed before. Those that are committed meanwhile wait for the next one, and need no
/// connection for that.
///
/// An append is durable if a connection that was open when it was sent answers after its commit: there was
/// no crash in between. If there is no such connection any more, it is looked up, and later ones do not wait for it.
#[derive(Clone, Debug)]
pub(crate) struct Flushes {
    progress: watch::Sender<FlushProgress>,
}

#[derive(Debug, Default)]
struct FlushProgress {
    /// The last appends that were sent, each with the number of connections that had been opened then. Among
    /// them are all that are committed and wait.
    sent: VecDeque<(Uuid, u64)>,
    /// Number of the last append that was sent.
    last: u64,
    /// Number of the last one that was committed.
    committed: u64,
    /// Number of the last one that was not, as far as this process knows.
    failed: u64,
    /// Number of the last one that is durable, with all before it but those that were given up.
    durable: u64,
    /// Number of the last one for which no connection could vouch.
    given_up: u64,
    /// Number of the lead that somebody has.
    lead: Option<u64>,
    /// Number of leads so far.
    leads: u64,
    /// Number of leads that have taken too long since an append became durable.
    late: u32,
}

impl FlushProgress {
    /// The number of an append, if it is one of the last ones.
    fn number(&self, id: Uuid) -> Option<u64> {
        let later = self.sent.iter().rev().zip(0..);
        let mut found = later.filter(|((sent, _), _)| *sent == id);
        found.next().map(|(_, later)| self.last - later)
    }

    /// Number of the last append that waits for nothing.
    fn settled(&self) -> u64 {
        self.durable.max(self.given_up)
    }

    /// Whether appends were committed that wait.
    fn is_waiting(&self) -> bool {
        self.committed > self.settled()
    }

    /// Whether an append has an answer, or nobody is about to give it one.
    fn is_over(&self, number: u64) -> bool {
        self.settled() >= number || self.lead.is_none()
    }

    /// Whether an append is durable. `None` if that is not known. One that was given up may be lost, although
    /// later ones are durable.
    fn is_durable(&self, number: u64) -> Option<bool> {
        (self.settled() >= number).then_some(self.given_up < number)
    }

    fn on_sent(&mut self, id: Uuid) -> u64 {
        self.last += 1;
        // None that waits is removed.
        while self.sent.len() >= MAX_KNOWN && (self.first_waiting() > 0 || !self.is_waiting()) {
            self.sent.pop_front();
        }
        self.sent.push_back((id, Connection::count()));
        self.last
    }

    /// The place of the first append that waits, or might.
    fn first_waiting(&self) -> usize {
        let waiting = usize::try_from(self.last - self.settled()).unwrap_or(usize::MAX);
        self.sent.len().saturating_sub(waiting)
    }

    /// Whether this connection was open when the first append was sent that waits.
    fn can_be_led_on(&self, connection: &Connection) -> bool {
        let first = self.sent.get(self.first_waiting());
        !self.is_waiting() || first.is_some_and(|sent| connection.is_among(sent.1))
    }

    /// Grows when somebody who waits has to look again: an append has an answer, or failed, or was committed and
    /// nobody has the lead.
    fn news(&self) -> (u64, u64, Option<u64>) {
        let without_lead = self.lead.is_none().then_some(self.committed);
        (self.settled(), self.failed, without_lead)
    }

    /// Gives up the appends that this connection cannot vouch for.
    fn give_up_before(&mut self, connection: &Connection) {
        while self.is_waiting() && !self.can_be_led_on(connection) {
            self.given_up = self.settled() + 1;
        }
    }

    /// The number of a new lead, unless somebody else has one.
    fn lead(&mut self, connection: &Connection) -> Option<u64> {
        if self.lead.is_some() || !self.can_be_led_on(connection) {
            return None;
        }
        self.leads += 1;
        self.lead = Some(self.leads);
        self.lead
    }

    /// How long a lead may take.
    fn max_lead(&self) -> Duration {
        MAX_LEAD * 2_u32.pow(self.late.min(MAX_LEAD_DOUBLINGS))
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
        let number = self.change(|progress| progress.on_sent(id));
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
        let end = progress.wait_for(|it| {
            let is_left = it.committed >= number && it.lead.is_none();
            it.settled() >= number || it.failed >= number || is_left
        });
        let ended = timeout(MAX_LEAD, end).await;
        ended.is_ok_and(|it| it.is_ok_and(|it| it.is_durable(number) == Some(true)))
    }

    /// The right to send waiting commits on this connection, unless somebody else has it.
    fn lead(&self, connection: &Connection) -> Option<FlushLead> {
        self.led(self.change(|progress| progress.lead(connection)))
    }

    /// Sends waiting commits in place of whoever had the lead, which has lost its connection, was dropped, or is
    /// not polled.
    async fn lead_instead(&self, connections: &Pool) -> Result<(), Fault> {
        let connection = connections.get().await?;
        if let Some(lead) = self.take_over(&connection) {
            lead.run(&connection).await?;
        }
        Ok(())
    }

    /// The right to send waiting commits, after others have failed to make their appends durable.
    fn take_over(&self, connection: &Connection) -> Option<FlushLead> {
        self.led(self.change(|progress| {
            if progress.lead.is_some() {
                return None;
            }
            progress.give_up_before(connection);
            let is_waiting = progress.is_waiting();
            is_waiting.then(|| progress.lead(connection)).flatten()
        }))
    }

    fn led(&self, number: Option<u64>) -> Option<FlushLead> {
        number.map(|number| FlushLead {
            flushes: self.clone(),
            number,
        })
    }

    /// Takes away a lead that has taken too long, unless something became durable meanwhile.
    fn depose(&self, lead: Option<u64>, durable: u64) {
        self.change(|progress| {
            if lead.is_some() && (progress.lead, progress.durable) == (lead, durable) {
                progress.lead = None;
                progress.late += 1;
            }
        });
    }

    /// Changes the progress. Whoever waits is woken only if there is [news](FlushProgress::news): an append that was
    /// sent or committed is none for the others.
    fn change<T: Default>(&self, change: impl FnOnce(&mut FlushProgress) -> T) -> T {
        let mut answer = T::default();
        self.progress.send_if_modified(|progress| {
            let before = progress.news();
            answer = change(progress);
            progress.news() > before
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
        self.flushes.change(|progress| progress.committed = number);
    }

    /// It is to become durable. `is_flushed`: the waiting commit behind it was answered.
    pub(super) fn wait(mut self, connection: &Connection, is_flushed: bool) -> CommittedAppend {
        let lead = match self.lead.take() {
            Some(lead) if is_flushed => lead.is_left(self.number).then_some(lead),
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
            let flushes = &self.flushes;
            flushes.change(|progress| progress.failed = progress.failed.max(number));
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
            let (lead, durable, longest) = {
                let now = progress.borrow();
                (now.lead, now.durable, now.max_lead())
            };
            let ended = progress.wait_for(|it| it.is_over(self.number));
            if timeout(longest, ended).await.is_err() {
                self.flushes.depose(lead, durable);
                continue;
            }
            let is_durable = progress.borrow().is_durable(self.number);
            match is_durable {
                Some(true) => return Ok(()),
                Some(false) => {
                    let late =
                        "the connection was opened after a commit that did not wait for the disk";
                    return Err(Fault::new(Kind::Lost, late));
                }
                // Rare, and boxed, so that the future of a transaction is small.
                None => Box::pin(self.flushes.lead_instead(connections)).await?,
            }
        }
    }
}

/// The right to send waiting commits, one after the other.
pub(super) struct FlushLead {
    flushes: Flushes,
    number: u64,
}

impl FlushLead {
    /// Sends waiting commits for as long as there are appends that need one.
    pub(super) async fn run(self, connection: &Connection) -> Result<(), SqlError> {
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

    /// All up to this append are durable. Returns whether others were committed since that are left to this lead.
    fn is_left(&self, number: u64) -> bool {
        self.flushes.change(|progress| {
            progress.durable = progress.durable.max(number);
            progress.late = 0;
            let is_own = progress.lead == Some(self.number);
            let is_left = is_own && progress.is_waiting();
            if is_own && !is_left {
                progress.lead = None;
            }
            is_left
        })
    }
}

impl Drop for FlushLead {
    fn drop(&mut self) {
        self.flushes.change(|progress| {
            if progress.lead == Some(self.number) {
                progress.lead = None;
            }
        });
    }
}
