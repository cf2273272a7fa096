//! Batches of requests, taken from the queue of a writer.

use std::thread;

use tokio::sync::mpsc::Receiver;
use tokio::task;

/// Size at which a batch ends. Its first request may be larger, so a batch has no maximum size.
const MAX_BATCH_BYTES: usize = 8 << 20;

/// A request that can be written together with others.
pub trait Batched {
    /// Approximate number of bytes that it writes.
    fn bytes(&self) -> usize;

    /// Whether the batch ends with this request. Defaults to `false`.
    fn ends_batch(&self) -> bool {
        false
    }
}

/// Waits for a request, and takes up to `max` of the waiting ones, in order. `None` once the queue is
/// closed and empty.
///
/// A batch consists of the waiting requests, and of those that arrive while other tasks run. It never
/// waits by the clock: a lone caller is never delayed, and under load a crowd gathers by itself while
/// the batch before is being written.
pub async fn drain_batch<T: Batched>(requests: &mut Receiver<T>, max: usize) -> Option<Vec<T>> {
    let mut batch = BatchBuilder::new(requests.recv().await?, max);
    // Callers that the previous batch has answered may be about to send their next request. One turn
    // of the scheduler lets them, and costs a lone caller nothing. It ends when a turn brings nothing.
    while batch.take_waiting(requests) {
        task::yield_now().await;
    }
    Some(batch.requests)
}

/// [`drain_batch`] for a writer on a thread of its own.
///
/// # Panics
/// Within a runtime, whose threads must not be blocked.
pub fn drain_batch_blocking<T: Batched>(requests: &mut Receiver<T>, max: usize) -> Option<Vec<T>> {
    let mut batch = BatchBuilder::new(requests.blocking_recv()?, max);
    while batch.take_waiting(requests) {
        thread::yield_now();
    }
    Some(batch.requests)
}

struct BatchBuilder<T> {
    requests: Vec<T>,
    bytes: usize,
    max: usize,
    is_ended: bool,
}

impl<T: Batched> BatchBuilder<T> {
    fn new(first: T, max: usize) -> Self {
        let mut batch = Self {
            requests: Vec::new(),
            bytes: 0,
            max,
            is_ended: false,
        };
        batch.push(first);
        batch
    }

    fn push(&mut self, request: T) {
        self.bytes = self.bytes.saturating_add(request.bytes());
        self.is_ended = request.ends_batch();
        self.requests.push(request);
    }

    fn has_room(&self) -> bool {
        !self.is_ended && self.requests.len() < self.max && self.bytes < MAX_BATCH_BYTES
    }

    /// Takes the waiting requests that fit. Returns whether there were any and others may follow.
    fn take_waiting(&mut self, requests: &mut Receiver<T>) -> bool {
        let before = self.requests.len();
        // In the order of arrival, with none passed over: of two callers that race, the first one wins,
        // and a large request is not starved by small ones.
        while self.has_room()
            && let Ok(request) = requests.try_recv()
        {
            self.push(request);
        }
        self.requests.len() > before && self.has_room()
    }
}

#[cfg(test)]
mod tests {
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
        let (queue, mut waiting) = mpsc::channel(100);
        for request in requests {
            queue.send(request).await.unwrap();
        }
        drop(queue);
        let mut sizes = Vec::new();
        while let Some(batch) = drain_batch(&mut waiting, max).await {
            sizes.push(batch.len());
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
    fn a_thread_takes_the_same_batches() {
        let (queue, mut waiting) = mpsc::channel(100);
        for request in writes([1; 3]) {
            queue.blocking_send(request).unwrap();
        }
        drop(queue);
        let batch = drain_batch_blocking(&mut waiting, 2).unwrap();
        assert_eq!(batch, writes([1; 2]));
        assert_eq!(drain_batch_blocking(&mut waiting, 2).unwrap().len(), 1);
        assert!(drain_batch_blocking(&mut waiting, 2).is_none());
    }
}
