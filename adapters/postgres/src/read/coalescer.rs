use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::fault::{Fault, Kind};

/// Maximum number of statements in flight for one key: one being answered while another is on its
/// way.
const MAX_IN_FLIGHT: usize = 2;

/// A load of which several can share a statement.
pub(crate) trait SharedLoad: Send + Sync + 'static {
    /// Requests with one key can share a statement. A program has few keys.
    type Key: Clone + Eq + Hash + Send + Sync;
    type Request: Clone + Send + Sync;
    type Answer: Send;

    /// Maximum size of the requests of a statement together. A larger request has its own statement.
    const MAX_SIZE: usize;

    /// The share of [`MAX_SIZE`](Self::MAX_SIZE) that a request takes.
    fn size(&self, request: &Self::Request) -> usize;

    /// Answers all requests, in their order.
    fn load(
        &self,
        key: &Self::Key,
        requests: Vec<Self::Request>,
    ) -> impl Future<Output = Result<Vec<Self::Answer>, Fault>> + Send;
}

/// Lets concurrent callers share statements. A lone caller is never delayed. While [`MAX_IN_FLIGHT`]
/// statements of a key are in flight, further callers wait, and the next statement answers all of
/// them. It is sent after their requests, so no answer is older than its request.
pub(crate) struct Coalescer<L: SharedLoad>(Arc<CoalescerState<L>>);

struct CoalescerState<L: SharedLoad> {
    load: L,
    queues: Mutex<HashMap<L::Key, LoadQueue<L>>>,
}

/// The requests with one key.
struct LoadQueue<L: SharedLoad> {
    in_flight: usize,
    waiting: VecDeque<WaitingCaller<L>>,
}

struct WaitingCaller<L: SharedLoad> {
    request: L::Request,
    answer: oneshot::Sender<Result<L::Answer, Fault>>,
}

/// The right to have a statement in flight. The next one begins when it is dropped.
struct LoadSlot<L: SharedLoad> {
    state: Arc<CoalescerState<L>>,
    key: L::Key,
}

impl<L: SharedLoad> Coalescer<L> {
    pub(crate) fn new(load: L) -> Self {
        let queues = Mutex::default();
        Self(Arc::new(CoalescerState { load, queues }))
    }

    pub(crate) async fn load(&self, key: L::Key, request: L::Request) -> Result<L::Answer, Fault> {
        let state = &self.0;
        if state.load.size(&request) > L::MAX_SIZE {
            return state.load_alone(&key, request).await;
        }
        let waits = {
            let mut queues = state.lock();
            let queue = queues.entry(key.clone()).or_default();
            if queue.in_flight < MAX_IN_FLIGHT {
                queue.in_flight += 1;
                None
            } else {
                let (answer, waits) = oneshot::channel();
                let request = request.clone();
                queue.waiting.push_back(WaitingCaller { request, answer });
                Some(waits)
            }
        };
        let Some(waits) = waits else {
            let state = state.clone();
            let slot = LoadSlot { state, key };
            let loaded = slot.state.load_alone(&slot.key, request).await;
            if let Err(fault) = &loaded {
                slot.on_fault(fault);
            }
            return loaded;
        };
        match waits.await {
            Ok(answer) => answer,
            // The statement failed because of a request, perhaps that of another caller.
            Err(_) => state.load_alone(&key, request).await,
        }
    }
}

impl<L: SharedLoad> CoalescerState<L> {
    async fn load_alone(&self, key: &L::Key, request: L::Request) -> Result<L::Answer, Fault> {
        let answers = self.load.load(key, vec![request]).await?;
        answers
            .into_iter()
            .next()
            .ok_or_else(|| Fault::corrupt("a request was not answered"))
    }

    /// No other code runs while the lock is held, so a poisoned one still guards whole data.
    fn lock(&self) -> MutexGuard<'_, HashMap<L::Key, LoadQueue<L>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a slot, or hands it to the callers that are waiting, which it returns.
    fn end(&self, key: &L::Key) -> Vec<WaitingCaller<L>> {
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(key) else {
            return Vec::new();
        };
        let mut size = 0;
        let fitting = queue.waiting.iter().take_while(|next| {
            size += self.load.size(&next.request);
            size <= L::MAX_SIZE
        });
        // The size of a request may have grown since it began to wait.
        let count = fitting.count().max(1).min(queue.waiting.len());
        let callers: Vec<_> = queue.waiting.drain(..count).collect();
        if callers.is_empty() {
            queue.in_flight -= 1;
        }
        callers
    }
}

impl<L: SharedLoad> LoadSlot<L> {
    /// Fails those who wait behind a load whose connection was lost. Each repeats its own for as long as it has
    /// patience, of which it has used up some here.
    fn on_fault(&self, fault: &Fault) {
        if fault.kind() != Kind::Lost {
            return;
        }
        let waiting = {
            let mut queues = self.state.lock();
            let queue = queues.get_mut(&self.key);
            queue.map(|queue| std::mem::take(&mut queue.waiting))
        };
        for caller in waiting.into_iter().flatten() {
            let _ = caller.answer.send(Err(fault.clone()));
        }
    }

    /// Answers all of these callers with one statement.
    async fn run_batch(self, mut callers: Vec<WaitingCaller<L>>) {
        // A caller that is gone needs no answer.
        callers.retain(|caller| !caller.answer.is_closed());
        if callers.is_empty() {
            return;
        }
        let requests = callers.iter().map(|caller| caller.request.clone());
        match self.state.load.load(&self.key, requests.collect()).await {
            Ok(answers) => {
                for (caller, answer) in callers.into_iter().zip(answers) {
                    let _ = caller.answer.send(Ok(answer));
                }
            }
            // One of the requests cannot be answered, and the fault does not tell which. Dropping the
            // senders lets each caller retry alone.
            Err(fault) if fault.kind() == Kind::Data => {}
            Err(fault) => {
                self.on_fault(&fault);
                for caller in callers {
                    let _ = caller.answer.send(Err(fault.clone()));
                }
            }
        }
    }
}

impl<L: SharedLoad> Drop for LoadSlot<L> {
    fn drop(&mut self) {
        let callers = self.state.end(&self.key);
        if callers.is_empty() {
            return;
        }
        let next = Self {
            state: self.state.clone(),
            key: self.key.clone(),
        };
        // Without a runtime, as during a shutdown, the dropped senders tell the callers.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(next.run_batch(callers));
        }
    }
}

impl<L: SharedLoad> Default for LoadQueue<L> {
    fn default() -> Self {
        Self {
            in_flight: 0,
            waiting: VecDeque::new(),
        }
    }
}
