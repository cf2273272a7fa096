use std::collections::VecDeque;
use std::mem::{replace, take};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use cqrs_core::store::{AppendError, StoreError};
use cqrs_kit::batch::BatchBuilder;
use cqrs_kit::options::WriterOptions;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, TryAcquireError};

use super::inline_policy::{InlinePolicy, MAX_INLINE_DELAY, inline_runtime};
use super::request::{Request, split};
use super::task::{Answers, Batch, MANY_ANSWERS};
use crate::error::closed;
use crate::transaction::lease::{LeaseRequest, LeasedEngine};

/// The requests for the engine in the order of arrival, and the engine while it is free.
///
/// Invariants:
///
/// - A thread serves requests only after it has taken the engine, and takes the first ones. So requests
///   are served in the order of arrival, whichever thread serves them.
/// - Requests that wait beside a free engine have somebody to serve them: the writing thread, if it was
///   called, or an inline commit, which the writing thread replaces after [`MAX_INLINE_DELAY`].
pub(crate) struct EngineQueue {
    state: Mutex<EngineQueueState>,
    /// Wakes the writing thread.
    call: Condvar,
    /// The places of the queue. Fair, so requests that wait for one get it in the order of arrival.
    places: Semaphore,
    capacity: usize,
    max_batch: usize,
}

/// A batch that grows while it is written: callers that decide on other cores meanwhile get into it.
pub(crate) struct OpenBatch<'q> {
    queue: &'q EngineQueue,
    builder: BatchBuilder<Request>,
    lease_request: Option<LeaseRequest>,
}

struct EngineQueueState {
    requests: VecDeque<Request>,
    /// `None` while a thread or a handler has it.
    engine: Option<LeasedEngine>,
    policy: InlinePolicy,
    /// Whether the writing thread has to serve the requests.
    is_called: bool,
    /// Whether the writing thread waits on the condition variable.
    is_waiting: bool,
    /// Whether the writing thread looks for inline commits that do not begin.
    is_guarding: bool,
    /// Number of inline commits that were requested so far.
    inline_requests: u64,
    /// The runtime of the first request since the queue was empty, if its worker threads can send answers.
    runtime: Option<Handle>,
    /// Answers for a task of such a runtime to send.
    answers: Answers,
    /// Number of callers that were answered last, who may be about to send their next requests.
    answered: usize,
    phase: QueuePhase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum QueuePhase {
    Open,
    /// The requests in it are still served.
    Closed,
    /// The writing thread has ended.
    Ended,
}

/// Ends the queue when the writing thread ends, if only by a panic: waiting callers learn of it.
pub(crate) struct QueueEnd<'q>(pub(crate) &'q EngineQueue);

impl EngineQueue {
    pub(crate) fn new(engine: LeasedEngine, options: &WriterOptions) -> Self {
        let capacity = options.queue().min(Semaphore::MAX_PERMITS);
        Self {
            state: Mutex::new(EngineQueueState {
                requests: VecDeque::new(),
                engine: Some(engine),
                policy: InlinePolicy::default(),
                is_called: false,
                is_waiting: false,
                is_guarding: false,
                inline_requests: 0,
                runtime: None,
                answers: Answers::default(),
                answered: 0,
                phase: QueuePhase::Open,
            }),
            call: Condvar::new(),
            places: Semaphore::new(capacity),
            capacity,
            max_batch: options.max_batch(),
        }
    }

    /// Refuses at once if the queue is full. Reserves no place, so a push may still be refused. This
    /// spares a command its decision when the append would have no chance.
    pub(crate) fn admit(&self) -> Result<(), AppendError> {
        match self.places.available_permits() {
            0 => Err(self.overloaded()),
            _ => Ok(()),
        }
    }

    /// Adds an append without waiting for room. Returns the runtime of the calling task if the append has
    /// to be committed inline.
    pub(crate) fn push(&self, append: Request) -> Result<Option<Handle>, AppendError> {
        let place = self.places.try_acquire().map_err(|error| match error {
            TryAcquireError::NoPermits => self.overloaded(),
            TryAcquireError::Closed => closed().into(),
        })?;
        let mut state = self.lock();
        if state.phase == QueuePhase::Ended {
            return Err(closed().into());
        }
        place.forget();
        let is_first = state.requests.is_empty();
        let is_alone = state.engine.is_some() && is_first;
        let runtime = is_first.then(inline_runtime).flatten();
        state.requests.push_back(append);
        if !state.policy.allows(is_alone) || runtime.is_none() {
            if is_first {
                state.runtime = runtime;
            }
            self.call_thread(&mut state);
            return Ok(None);
        }
        state.inline_requests += 1;
        if !state.is_guarding {
            state.is_guarding = true;
            self.wake_thread(&mut state);
        }
        Ok(runtime)
    }

    /// Adds a request for the writing thread, and waits for room.
    pub(crate) async fn push_when_free(&self, request: Request) -> Result<(), StoreError> {
        let place = self.places.acquire().await.map_err(|_| closed())?;
        let mut state = self.lock();
        if state.phase == QueuePhase::Ended {
            return Err(closed());
        }
        place.forget();
        state.requests.push_back(request);
        self.call_thread(&mut state);
        Ok(())
    }

    /// Waits until the writing thread has requests to serve, and takes the engine. `None` after the end of the
    /// queue, when all requests are served.
    pub(crate) fn next_batch(&self) -> Option<(LeasedEngine, OpenBatch<'_>)> {
        let engine = self.wait_for_work()?;
        let open = OpenBatch {
            queue: self,
            builder: BatchBuilder::new(self.max_batch),
            lease_request: None,
        };
        Some((engine, open))
    }

    /// Takes the engine and the first tasks for an inline commit, if no other thread has them.
    pub(crate) fn take_inline(&self) -> Option<(LeasedEngine, Vec<Request>)> {
        let mut state = self.lock();
        let engine = state.engine.take()?;
        let mut batch = BatchBuilder::new(self.max_batch);
        // A handler may hold its lease for long, so leases are left to the writing thread.
        batch.take_waiting(|| {
            let is_task = matches!(state.requests.front(), Some(Request::Write(_)));
            is_task.then(|| state.requests.pop_front())?
        });
        let requests = batch.into_requests();
        if requests.is_empty() {
            state.engine = Some(engine);
            return None;
        }
        self.places.add_permits(requests.len());
        Some((engine, requests))
    }

    /// Returns the engine after the requests were served, which took this long.
    pub(crate) fn put_back(&self, engine: LeasedEngine, took: Duration) {
        let mut state = self.lock();
        state.engine = Some(engine);
        state.policy.on_commit(took);
        if state.is_closed() || !state.requests.is_empty() {
            self.call_thread(&mut state);
        }
    }

    /// Leaves the answers to a crowd for a task of its runtime, which is returned. Returns the answers that
    /// the calling thread has to send: these, if they are few, and those of an earlier batch, if the task
    /// that should send them has not begun.
    pub(crate) fn leave_answers(&self, answers: Answers) -> (Answers, Option<Handle>) {
        let mut state = self.lock();
        state.answered = answers.count();
        let mut late = take(&mut state.answers);
        // The requests that wait are of that runtime as well.
        let has_waiting = !state.requests.is_empty();
        let of_waiting = has_waiting.then(|| state.runtime.clone()).flatten();
        let runtime =
            replace(&mut state.runtime, of_waiting).filter(|_| answers.count() >= MANY_ANSWERS);
        if runtime.is_some() {
            state.answers = answers;
        } else {
            late.append(answers);
        }
        (late, runtime)
    }

    /// Takes the answers that were left for a task.
    pub(crate) fn take_answers(&self) -> Answers {
        take(&mut self.lock().answers)
    }

    /// Calls the writing thread for requests that an inline commit has left.
    pub(crate) fn hand_over(&self) {
        let mut state = self.lock();
        if !state.requests.is_empty() {
            self.call_thread(&mut state);
        }
    }

    /// Ends the queue. Requests in it are still served.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        if state.phase == QueuePhase::Open {
            state.phase = QueuePhase::Closed;
        }
        self.wake_thread(&mut state);
    }

    /// Waits until requests are to be served, and takes the engine.
    fn wait_for_work(&self) -> Option<LeasedEngine> {
        let mut state = self.lock();
        loop {
            if (state.is_called || state.is_closed()) && state.engine.is_some() {
                state.is_called = false;
                if !state.requests.is_empty() {
                    return state.engine.take();
                }
                if state.is_closed() {
                    return None;
                }
            }
            state = self.wait(state);
        }
    }

    /// Waits for a call. While there are inline commits, returns regularly to serve requests whose inline
    /// commit has not begun: a task that never returns to its runtime keeps those behind it waiting. For the
    /// same reason, sends answers that no task has sent.
    fn wait<'s>(
        &'s self,
        mut state: MutexGuard<'s, EngineQueueState>,
    ) -> MutexGuard<'s, EngineQueueState> {
        state.is_waiting = true;
        if state.is_guarding || !state.answers.is_empty() {
            let seen = state.inline_requests;
            let waited = self.call.wait_timeout(state, MAX_INLINE_DELAY);
            let (guarded, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = guarded;
            if timeout.timed_out() && state.inline_requests == seen && state.engine.is_some() {
                state.is_called |= !state.requests.is_empty();
                state.is_guarding = state.is_called;
            }
            if timeout.timed_out() && !state.answers.is_empty() {
                let late = take(&mut state.answers);
                drop(state);
                late.send();
                state = self.lock();
            }
        } else {
            state = self
                .call
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.is_waiting = false;
        state
    }

    fn call_thread(&self, state: &mut EngineQueueState) {
        state.is_called = true;
        self.wake_thread(state);
    }

    /// Notifying costs a system call, so it is done only for a thread that waits, and once.
    fn wake_thread(&self, state: &mut EngineQueueState) {
        if take(&mut state.is_waiting) {
            self.call.notify_one();
        }
    }

    fn overloaded(&self) -> AppendError {
        AppendError::Overloaded {
            waiting: self.capacity - self.places.available_permits(),
        }
    }

    /// No request is served while the lock is held, so a poisoned lock guards whole data.
    fn lock(&self) -> MutexGuard<'_, EngineQueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EngineQueueState {
    fn is_closed(&self) -> bool {
        self.phase >= QueuePhase::Closed
    }
}

impl Iterator for OpenBatch<'_> {
    type Item = Batch;

    /// Takes the tasks that have arrived. `None` if there are none.
    fn next(&mut self) -> Option<Batch> {
        // Where there is no crowd, other processes would wait for the yield, which takes long on a busy machine.
        if self.has_to_wait() {
            thread::yield_now();
            self.has_to_wait();
        }
        let requests = self.builder.remove_taken();
        self.queue.places.add_permits(requests.len());
        let (tasks, lease_request) = split(requests);
        self.lease_request = self.lease_request.take().or(lease_request);
        (!tasks.is_empty()).then_some(tasks)
    }
}

impl OpenBatch<'_> {
    /// The lease that ended the batch.
    pub(crate) fn into_lease_request(self) -> Option<LeaseRequest> {
        self.lease_request
    }

    /// Takes the requests that wait. Returns whether there are none, but a crowd may be about to send some.
    fn has_to_wait(&mut self) -> bool {
        let mut state = self.queue.lock();
        self.builder.take_waiting(|| state.requests.pop_front()) && state.answered > 1
    }
}

impl Drop for QueueEnd<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.phase = QueuePhase::Ended;
        let engine = state.engine.take();
        let requests = take(&mut state.requests);
        let answers = take(&mut state.answers);
        drop(state);
        answers.send();
        self.0.places.close();
        // Closes the connection; callers whose requests are dropped learn that the answer is lost.
        drop((engine, requests));
    }
}
