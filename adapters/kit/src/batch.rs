//! Batches of requests, taken from the queue of a writer.

use std::future::pending;
use std::mem::{replace, take};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Receiver;
use tokio::task;

/// Size at which a batch ends. Its first request may be larger, so a batch has no maximum size.
const MAX_BATCH_BYTES: usize = 8 << 20;

/// Time after which a batch that is being written grows no more: its transaction keeps other processes from
/// writing.
pub const MAX_GROWTH: Duration = Duration::from_millis(5);

/// A request that can be written together with others.
pub trait Batched {
    /// Approximate number of bytes that it writes.
    fn bytes(&self) -> usize;

    /// Whether the batch ends with this request. Defaults to `false`.
    fn ends_batch(&self) -> bool {
        false
    }
}

/// Number of batches in flight at which a writer that pipelines waits for an answer. A third one gains
/// nothing: the server has one batch to execute while the other one is being made.
pub const MAX_IN_FLIGHT: usize = 2;

/// Number of callers up to which a batch takes all of them. Two halves of so few cost more, as two
/// statements and two syncs, than their overlap gains.
const SMALL_CROWD: usize = 16;

/// Number of turns of the scheduler that bring no request, one after the other, at which a batch waits for no
/// more. In the first one, callers may be running on other threads.
const MAX_IDLE_TURNS: usize = 1;

/// The requests of a queue, in batches for a writer that sends a batch before the one ahead of it is
/// answered.
///
/// A batch consists of the waiting requests, and of those that arrive while other tasks run, until there are
/// as many as callers were counted. It never waits by the clock: a lone caller is never delayed, and under
/// load a crowd gathers by itself while the batches before are being written. Of a large crowd a batch takes half, so that one half is
/// written while the callers in the other one send their next requests.
#[derive(Debug)]
pub struct Batches<T> {
    requests: Receiver<T>,
    max: usize,
    /// The batch that is being gathered.
    next: BatchBuilder<T>,
    /// Number of callers at the last answer, or in the queue since, if those are more.
    crowd: usize,
}

impl<T: Batched> Batches<T> {
    /// Batches of up to `max` requests.
    pub fn new(requests: Receiver<T>, max: usize) -> Self {
        Self {
            requests,
            max,
            next: BatchBuilder::new(max),
            crowd: 0,
        }
    }

    /// Waits for a request while no batch is in flight, and returns a batch. `None` once the queue is
    /// closed and empty. Loses nothing if the future is dropped.
    pub async fn first(&mut self) -> Option<Vec<T>> {
        self.gather(share).await
    }

    /// As [`first`](Batches::first), for a batch behind which no other is sent: it takes all of the crowd.
    pub async fn only(&mut self) -> Option<Vec<T>> {
        self.gather(|_| usize::MAX).await
    }

    async fn gather(&mut self, share: impl Fn(usize) -> usize) -> Option<Vec<T>> {
        if self.next.requests.is_empty() {
            let first = self.requests.recv().await?;
            self.next.push(first);
        }
        let waiting = self.next.requests.len() + self.requests.len();
        self.crowd = self.crowd.max(waiting);
        let limit = share(self.crowd);
        // Callers that the last answer has reached are about to send their next request. Of those, the first
        // one wakes this task before the others have run. A turn of the scheduler lets them; it costs a lone
        // caller nothing, who is a crowd by itself.
        let mut idle_turns = 0;
        loop {
            let before = self.next.requests.len();
            self.next
                .take_up_to(limit, || self.requests.try_recv().ok());
            let has_more = self.next.requests.len() > before;
            idle_turns = if has_more { 0 } else { idle_turns + 1 };
            if !self.next.has_room(limit.min(self.crowd)) || idle_turns > MAX_IDLE_TURNS {
                break;
            }
            task::yield_now().await;
        }
        Some(self.take())
    }

    /// Waits until a share of the crowd is waiting, and returns it as a batch to be sent behind the one
    /// in flight. For a small crowd, and once the queue is closed, waits forever. Loses nothing if the
    /// future is dropped.
    pub async fn behind(&mut self) -> Vec<T> {
        if self.crowd <= SMALL_CROWD {
            return pending().await;
        }
        while self.next.has_room(share(self.crowd)) {
            match self.requests.recv().await {
                Some(request) => self.next.push(request),
                None => return pending().await,
            }
        }
        self.take()
    }

    /// Measures the crowd when a batch of `answered` requests has been answered, while `in_flight`
    /// others have been sent.
    pub fn on_answered(&mut self, answered: usize, in_flight: usize) {
        let waiting = self.next.requests.len() + self.requests.len();
        self.crowd = answered + in_flight + waiting;
    }

    fn take(&mut self) -> Vec<T> {
        replace(&mut self.next, BatchBuilder::new(self.max)).requests
    }
}

/// The part of a crowd that a batch takes.
fn share(crowd: usize) -> usize {
    if crowd <= SMALL_CROWD {
        usize::MAX
    } else {
        crowd.div_ceil(MAX_IN_FLIGHT)
    }
}

/// A batch under construction, for a writer that has one batch at a time and a queue of its own.
#[derive(Debug)]
pub struct BatchBuilder<T> {
    requests: Vec<T>,
    /// Number of requests that were removed.
    removed: usize,
    /// Time at which the first ones were removed.
    begun: Option<Instant>,
    bytes: usize,
    max: usize,
    is_ended: bool,
}

impl<T: Batched> BatchBuilder<T> {
    /// An empty batch with room for `max` requests.
    pub const fn new(max: usize) -> Self {
        Self {
            requests: Vec::new(),
            removed: 0,
            begun: None,
            bytes: 0,
            max,
            is_ended: false,
        }
    }

    /// Takes the waiting requests that fit; `next` removes the first one from the queue. Returns whether there
    /// were none, although the batch has room.
    pub fn take_waiting(&mut self, next: impl FnMut() -> Option<T>) -> bool {
        let before = self.requests.len();
        self.is_ended |= self.begun.is_some_and(|it| it.elapsed() > MAX_GROWTH);
        self.take_up_to(usize::MAX, next);
        self.requests.len() == before && self.has_room(usize::MAX)
    }

    /// The requests of the batch, in the order of arrival.
    pub fn into_requests(self) -> Vec<T> {
        self.requests
    }

    /// Removes the requests that were taken so far, in the order of arrival. They still count: a batch that
    /// is written while it grows has the limits of any other, and from now on [`MAX_GROWTH`].
    pub fn remove_taken(&mut self) -> Vec<T> {
        self.begun.get_or_insert_with(Instant::now);
        self.removed += self.requests.len();
        take(&mut self.requests)
    }

    fn push(&mut self, request: T) {
        self.bytes = self.bytes.saturating_add(request.bytes());
        self.is_ended = request.ends_batch();
        self.requests.push(request);
    }

    /// Whether another request may be added to this batch of up to `limit`.
    fn has_room(&self, limit: usize) -> bool {
        let is_short = self.removed + self.requests.len() < self.max.min(limit);
        is_short && !self.is_ended && self.bytes < MAX_BATCH_BYTES
    }

    /// Takes the waiting requests that fit into a batch of up to `limit`.
    fn take_up_to(&mut self, limit: usize, mut next: impl FnMut() -> Option<T>) {
        // In the order of arrival, with none passed over: of two callers that race, the first one wins,
        // and a large request is not starved by small ones.
        while self.has_room(limit)
            && let Some(request) = next()
        {
            self.push(request);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::iter::repeat_n;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use tokio::sync::mpsc;

    use super::*;

    #[derive(Debug, PartialEq)]
    enum Request {
        Write(usize),
        Lease,
    }

    impl Batched for Request {
        fn bytes(&self) -> usize {
            match self {
                Self::Write(bytes) => *bytes,
                Self::Lease => 0,
            }
        }

        fn ends_batch(&self) -> bool {
            *self == Self::Lease
        }
    }

    /// Sizes of the batches that are made of these requests.
    async fn batches(requests: Vec<Request>, max: usize) -> Vec<usize> {
        let (queue, waiting) = mpsc::channel(100);
        for request in requests {
            queue.send(request).await.unwrap();
        }
        drop(queue);
        let mut batches = Batches::new(waiting, max);
        let mut sizes = Vec::new();
        while let Some(batch) = batches.first().await {
            sizes.push(batch.len());
            batches.on_answered(batch.len(), 0);
        }
        sizes
    }

    fn writes<const N: usize>(bytes: [usize; N]) -> Vec<Request> {
        bytes.map(Request::Write).into_iter().collect()
    }

    #[tokio::test]
    async fn a_batch_has_what_is_waiting_up_to_its_limit() {
        assert_eq!(batches(writes([1; 5]), 100).await, [5]);
        assert_eq!(batches(writes([1; 5]), 2).await, [2, 2, 1]);
    }

    #[tokio::test]
    async fn a_batch_ends_with_the_request_that_fills_it() {
        let half = MAX_BATCH_BYTES / 2;
        let large = writes([half, half, 1, usize::MAX, usize::MAX, 1]);
        assert_eq!(batches(large, 100).await, [2, 2, 1, 1]);
    }

    #[tokio::test]
    async fn a_request_that_ends_a_batch_is_its_last() {
        let mut requests = writes([1, 1]);
        requests.push(Request::Lease);
        requests.push(Request::Lease);
        requests.extend(writes([1]));
        assert_eq!(batches(requests, 100).await, [3, 1, 1]);
    }

    #[test]
    fn a_queue_of_another_kind_gives_the_same_batches() {
        let mut waiting = VecDeque::from(writes([1; 3]));
        for expected in [2, 1] {
            let mut batch = BatchBuilder::new(2);
            batch.take_waiting(|| waiting.pop_front());
            assert_eq!(batch.into_requests().len(), expected);
        }
    }

    #[test]
    fn requests_that_were_removed_count_for_the_limits() {
        let mut waiting = VecDeque::from(writes([1, 1, MAX_BATCH_BYTES, 1]));
        let mut batch = BatchBuilder::new(100);
        batch.take_waiting(|| waiting.pop_front());
        assert_eq!(batch.remove_taken().len(), 3);
        batch.take_waiting(|| waiting.pop_front());
        assert!(batch.remove_taken().is_empty());

        let mut waiting = VecDeque::from(writes([1; 5]));
        let mut batch = BatchBuilder::new(3);
        for (queued, expected) in [(2, 2), (3, 1)] {
            let mut arrived = waiting.drain(..queued);
            batch.take_waiting(|| arrived.next());
            assert_eq!(batch.remove_taken().len(), expected);
        }
    }

    /// Batches of a crowd of this many callers, all of whom are in the queue, and its sender.
    async fn crowd(callers: usize) -> (mpsc::Sender<Request>, Batches<Request>) {
        let (queue, waiting) = mpsc::channel(1000);
        for request in repeat_n(1, callers).map(Request::Write) {
            queue.send(request).await.unwrap();
        }
        (queue, Batches::new(waiting, 1000))
    }

    fn poll<F: Future>(future: F) -> Poll<F::Output> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn a_large_crowd_is_halved_and_a_small_one_is_not() {
        let (_queue, mut batches) = crowd(40).await;
        assert_eq!(batches.first().await.unwrap().len(), 20);
        assert_eq!(batches.behind().await.len(), 20);
        let (_queue, mut batches) = crowd(16).await;
        assert_eq!(batches.first().await.unwrap().len(), 16);
    }

    #[tokio::test]
    async fn the_callers_of_the_last_answer_are_in_the_next_batch() {
        let (queue, mut batches) = crowd(10).await;
        batches.first().await.unwrap();
        batches.on_answered(10, 0);
        let callers = repeat_n(queue, 10).enumerate().map(|(place, queue)| {
            tokio::spawn(async move {
                // All but one have something else to do first.
                if place > 0 {
                    task::yield_now().await;
                }
                queue.send(Request::Write(1)).await.unwrap();
            })
        });
        let callers: Vec<_> = callers.collect();
        assert_eq!(batches.first().await.unwrap().len(), 10);
        for caller in callers {
            caller.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_batch_does_not_wait_for_callers_that_do_not_come() {
        let (queue, mut batches) = crowd(10).await;
        batches.first().await.unwrap();
        batches.on_answered(10, 0);
        queue.send(Request::Write(1)).await.unwrap();
        assert_eq!(batches.first().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_lone_caller_waits_for_no_turn() {
        let (queue, mut batches) = crowd(1).await;
        assert!(poll(batches.first()).is_ready());
        batches.on_answered(1, 0);
        queue.send(Request::Write(1)).await.unwrap();
        assert!(poll(batches.first()).is_ready());
    }

    #[tokio::test]
    async fn a_batch_behind_waits_for_half_of_the_crowd() {
        let (queue, mut batches) = crowd(40).await;
        let first = batches.first().await.unwrap();
        assert_eq!(batches.behind().await.len(), 20);
        batches.on_answered(first.len(), 20);
        for _ in 0..19 {
            queue.send(Request::Write(1)).await.unwrap();
        }
        assert!(poll(batches.behind()).is_pending());
        queue.send(Request::Write(1)).await.unwrap();
        // The requests of the future that was dropped are not lost.
        assert_eq!(batches.behind().await.len(), 20);
    }

    #[tokio::test]
    async fn a_crowd_that_became_small_has_no_batch_behind() {
        let (queue, mut batches) = crowd(40).await;
        batches.first().await.unwrap();
        batches.behind().await;
        batches.on_answered(1, 0);
        queue.send(Request::Write(1)).await.unwrap();
        assert!(poll(batches.behind()).is_pending());
        assert_eq!(batches.first().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_batch_behind_has_the_limits_of_any_other() {
        let (queue, mut batches) = crowd(40).await;
        batches.first().await.unwrap();
        batches.behind().await;
        batches.on_answered(20, 20);
        queue.send(Request::Write(MAX_BATCH_BYTES)).await.unwrap();
        assert_eq!(batches.behind().await.len(), 1, "it is large enough");
        queue.send(Request::Lease).await.unwrap();
        assert_eq!(batches.behind().await.len(), 1, "it has ended");
    }

    #[tokio::test]
    async fn a_closed_queue_is_emptied() {
        let (queue, mut batches) = crowd(40).await;
        batches.first().await.unwrap();
        batches.behind().await;
        queue.send(Request::Write(1)).await.unwrap();
        drop(queue);
        assert!(poll(batches.behind()).is_pending());
        assert_eq!(batches.first().await.unwrap().len(), 1);
        assert_eq!(batches.first().await, None);
    }
}
