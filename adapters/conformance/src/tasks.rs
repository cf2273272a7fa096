use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use cqrs_core::store::BoxFuture;
use tokio::sync::Barrier;

/// Runs two futures in one task, and polls them in turn.
pub(crate) async fn both(first: impl Future<Output = ()>, second: impl Future<Output = ()>) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut is_done = [false; 2];
    poll_fn(|context| {
        is_done[0] = is_done[0] || first.as_mut().poll(context).is_ready();
        is_done[1] = is_done[1] || second.as_mut().poll(context).is_ready();
        match is_done {
            [true, true] => Poll::Ready(()),
            _ => Poll::Pending,
        }
    })
    .await;
}

/// Runs each future in a task of its own, all released at once. Returns the results in order.
pub(crate) async fn race<F>(racers: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let racers: Vec<_> = racers.into_iter().collect();
    let start = Arc::new(Barrier::new(racers.len()));
    let tasks = racers.into_iter().map(|racer| {
        let start = start.clone();
        tokio::spawn(async move {
            start.wait().await;
            racer.await
        })
    });
    finish(tasks.collect::<Vec<_>>()).await
}

/// Waits for tasks. A panic of one of them is resumed here.
pub(crate) async fn finish<T>(tasks: Vec<tokio::task::JoinHandle<T>>) -> Vec<T> {
    let mut outcomes = Vec::with_capacity(tasks.len());
    for task in tasks {
        match task.await {
            Ok(outcome) => outcomes.push(outcome),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    outcomes
}

/// Polls a future this number of times, then drops it, like a caller that gives up.
pub(crate) async fn poll_then_drop<T>(mut future: BoxFuture<'_, T>, polls: usize) {
    for _ in 0..polls {
        let poll = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        if poll.is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}
