use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::dialect::Table;
use crate::fault::{Fault, Kind};
use crate::link::Pool;
use crate::read::views;

/// Maximum number of statements in flight for one read model: one being answered while another is on
/// its way.
const MAX_IN_FLIGHT: usize = 2;

/// Maximum number of keys in a statement for several callers. A larger request has its own statement.
const MAX_COALESCED_KEYS: usize = 256;

/// The views of one caller, in the order of its keys.
type Found = Result<Vec<Option<Vec<u8>>>, Fault>;

/// Loads views by key, and lets concurrent callers share statements. A lone caller is never delayed.
/// While [`MAX_IN_FLIGHT`] statements of a read model are in flight, further callers wait, and the next
/// statement answers all of them. It is sent after their requests, so no answer is older than its
/// request.
///
/// On a local server and a debug build, 16 callers load 10,000 to 12,000 views a second with this and
/// 4,300 without, 256 callers 50,000 and 4,400; one caller loads as many either way.
#[derive(Clone)]
pub(crate) struct ViewLoadCoalescer(Arc<CoalescerState>);

struct CoalescerState {
    /// Connections that answer queries.
    reads: Pool,
    models: Mutex<HashMap<String, Model>>,
}

/// The loads of one read model.
#[derive(Default)]
struct Model {
    in_flight: usize,
    waiting: VecDeque<WaitingCaller>,
}

struct WaitingCaller {
    keys: Vec<String>,
    found: oneshot::Sender<Found>,
}

/// The right to have a statement in flight. The next one begins when it is dropped.
struct LoadSlot {
    loads: ViewLoadCoalescer,
    table: Table,
}

impl ViewLoadCoalescer {
    pub(crate) fn new(reads: Pool) -> Self {
        let models = Mutex::default();
        Self(Arc::new(CoalescerState { reads, models }))
    }

    /// The views with these keys, `None` where there is none, in the order of the keys.
    pub(crate) async fn load(&self, table: Table, keys: Vec<String>) -> Found {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        if keys.len() > MAX_COALESCED_KEYS {
            return self.select(&table, &keys).await;
        }
        let waits = {
            let mut models = self.lock();
            let model = models.entry(table.model().to_owned()).or_default();
            if model.in_flight < MAX_IN_FLIGHT {
                model.in_flight += 1;
                None
            } else {
                let (found, waits) = oneshot::channel();
                let keys = keys.clone();
                model.waiting.push_back(WaitingCaller { keys, found });
                Some(waits)
            }
        };
        let Some(waits) = waits else {
            let loads = self.clone();
            let slot = LoadSlot { loads, table };
            return slot.loads.select(&slot.table, &keys).await;
        };
        match waits.await {
            Ok(found) => found,
            // The statement failed because of a key, perhaps that of another caller.
            Err(_) => self.select(&table, &keys).await,
        }
    }

    async fn select(&self, table: &Table, keys: &[String]) -> Found {
        views::load(&self.0.reads, table, keys).await
    }

    /// No other code runs while the lock is held, so a poisoned one still guards whole data.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Model>> {
        self.0.models.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a slot, or hands it to the callers that are waiting, which it returns.
    fn end(&self, table: &Table) -> Vec<WaitingCaller> {
        let mut loads = self.lock();
        let Some(model) = loads.get_mut(table.model()) else {
            return Vec::new();
        };
        let mut keys = 0;
        let fitting = model.waiting.iter().take_while(|next| {
            keys += next.keys.len();
            keys <= MAX_COALESCED_KEYS
        });
        let count = fitting.count();
        let callers: Vec<_> = model.waiting.drain(..count).collect();
        if callers.is_empty() {
            model.in_flight -= 1;
        }
        callers
    }
}

impl LoadSlot {
    /// Answers all of these callers with one statement.
    async fn run_batch(self, mut callers: Vec<WaitingCaller>) {
        // A caller that is gone needs no answer.
        callers.retain(|caller| !caller.found.is_closed());
        if callers.is_empty() {
            return;
        }
        let mut keys = Vec::with_capacity(callers.len());
        for caller in &mut callers {
            keys.extend(caller.keys.iter().cloned());
        }
        match self.loads.select(&self.table, &keys).await {
            Ok(found) => {
                let mut found = found.into_iter();
                for WaitingCaller { keys, found: to } in callers {
                    let _ = to.send(Ok(found.by_ref().take(keys.len()).collect()));
                }
            }
            // One of the keys cannot be read, and the fault does not tell which. Dropping the senders
            // lets each caller retry alone.
            Err(fault) if fault.kind() == Kind::Data => {}
            Err(fault) => {
                for caller in callers {
                    let _ = caller.found.send(Err(fault.clone()));
                }
            }
        }
    }
}

impl Drop for LoadSlot {
    fn drop(&mut self) {
        let callers = self.loads.end(&self.table);
        if callers.is_empty() {
            return;
        }
        let next = Self {
            loads: self.loads.clone(),
            table: self.table.clone(),
        };
        // Without a runtime, as during a shutdown, the dropped senders tell the callers.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(next.run_batch(callers));
        }
    }
}
