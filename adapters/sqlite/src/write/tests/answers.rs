//! Answers to crowds, which a task of their runtime sends.

use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use cqrs_core::store::{AppendError, Appended};

use super::inline::{WRITING_THREAD, writer};
use crate::stall::StallDetector;
use crate::testing::{Directory, append};
use crate::write::Writer;

const CALLERS: usize = 8;

type Calls = Vec<Pin<Box<dyn Future<Output = Result<Appended, AppendError>> + Send>>>;

/// A writer whose first commit waits until this sender is dropped.
fn held(directory: &Directory) -> (Arc<Writer>, Sender<()>) {
    let (release, released) = channel::<()>();
    let writer = writer(directory, StallDetector::new(Duration::MAX), move || {
        let _ = released.recv();
    });
    (writer, release)
}

/// Appends of a crowd, all of which have been sent.
fn crowd(writer: &Arc<Writer>, waker: &Waker) -> Calls {
    let calls = (0..CALLERS).map(|_| {
        let writer = writer.clone();
        let call = async move { writer.append(append("a:1", b"{}")).await };
        let mut call: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(call);
        assert!(poll(&mut call, waker).is_pending());
        call
    });
    calls.collect()
}

fn poll<F: Future + ?Sized>(call: &mut Pin<Box<F>>, waker: &Waker) -> Poll<F::Output> {
    call.as_mut().poll(&mut Context::from_waker(waker))
}

/// Waits for all answers without leaving the thread to other tasks.
fn wait(mut calls: Calls, waker: &Waker) {
    let begun = Instant::now();
    while !calls.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        calls.retain_mut(|call| poll(call, waker).map(Result::unwrap).is_pending());
        thread::yield_now();
    }
}

/// Counts the wake-ups by the writing thread, and those by others.
#[derive(Default)]
struct WakeUps(Mutex<(usize, usize)>);

impl Wake for WakeUps {
    fn wake(self: Arc<Self>) {
        let mut counts = self.0.lock().unwrap();
        if thread::current().name() == WRITING_THREAD {
            counts.0 += 1;
        } else {
            counts.1 += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_is_answered_by_a_worker_of_its_runtime() {
    for _ in 0..100 {
        let call = async {
            let directory = Directory::new();
            let (writer, release) = held(&directory);
            let wake_ups = Arc::new(WakeUps::default());
            let waker = Waker::from(wake_ups.clone());
            let calls = crowd(&writer, &waker);
            drop(release);
            wait(calls, &waker);
            *wake_ups.0.lock().unwrap()
        };
        let (by_thread, by_others) = tokio::spawn(call).await.unwrap();
        // One batch may be small. The worker may also have been late, or not have had to wake anybody.
        if by_others > by_thread {
            return;
        }
    }
    panic!("the writing thread answers crowds itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_occupies_all_workers_is_answered() {
    let directory = Directory::new();
    let (writer, release) = held(&directory);
    let meeting = Arc::new((Barrier::new(2), Mutex::new(Some(release))));
    let callers = [(); 2].map(|()| {
        let (writer, meeting) = (writer.clone(), meeting.clone());
        tokio::spawn(async move {
            let (barrier, release) = &*meeting;
            // From here on, both workers are occupied.
            barrier.wait();
            let calls = crowd(&writer, Waker::noop());
            barrier.wait();
            drop(release.lock().unwrap().take());
            wait(calls, Waker::noop());
            barrier.wait();
        })
    });
    for caller in callers {
        caller.await.unwrap();
    }
}

#[tokio::test]
async fn a_crowd_of_a_runtime_with_one_worker_is_answered_by_the_writing_thread() {
    let directory = Directory::new();
    let (writer, release) = held(&directory);
    let call = async move {
        let wake_ups = Arc::new(WakeUps::default());
        let waker = Waker::from(wake_ups.clone());
        let calls = crowd(&writer, &waker);
        drop(release);
        wait(calls, &waker);
        *wake_ups.0.lock().unwrap()
    };
    let (_, by_others) = tokio::spawn(call).await.unwrap();
    assert_eq!(by_others, 0);
}
