//! Commits on the worker threads of callers. Tests share the one permit of the process, so any append may
//! go through the writing thread instead.

use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::Instant;

use cqrs_core::store::{EventLog, EventLogExt};
use tokio::runtime::{Builder, Handle};
use tokio::time::timeout;

use super::*;
use crate::Synchronous;
use crate::stall::{StallDetector, Watchdog};
use crate::write::Writer;

pub(super) const WRITING_THREAD: Option<&str> = Some("cqrs-sqlite-write");

/// Number of appends within which one is committed inline.
const TRIES: usize = 5_000;

pub(super) fn writer(
    directory: &Directory,
    stall: StallDetector,
    on_commit: impl FnMut() + Send + 'static,
) -> Arc<Writer> {
    // After slow commits, none is inline. These do not wait for the disk.
    let options = Sqlite::options().synchronous(Synchronous::Normal);
    let mut engine = engine(directory, &options);
    engine.faults.1 = Some(Box::new(on_commit));
    // Not in a runtime, as a database is not opened in one.
    let start = thread::spawn(move || Writer::start(engine, stall, options.writer));
    Arc::new(start.join().unwrap().unwrap())
}

/// A writer that reports the thread of each commit.
fn observed(directory: &Directory) -> (Arc<Writer>, Receiver<thread::Thread>) {
    let (committed, threads) = channel();
    let writer = writer(directory, StallDetector::new(Duration::MAX), move || {
        drop(committed.send(thread::current()));
    });
    (writer, threads)
}

/// A writer whose first inline commit hangs until it is released.
struct Hanging {
    writer: Arc<Writer>,
    hangs_now: Arc<AtomicBool>,
    release: Sender<()>,
}

impl Hanging {
    fn new(directory: &Directory, stall: StallDetector) -> Self {
        let (release, released) = channel();
        let hangs_now = Arc::new(AtomicBool::new(false));
        let hangs = hangs_now.clone();
        let writer = writer(directory, stall, move || {
            if thread::current().name() != WRITING_THREAD {
                hangs.store(true, Ordering::Release);
                let _ = released.recv();
            }
        });
        Self {
            writer,
            hangs_now,
            release,
        }
    }

    /// Sends appends until one hangs, and returns it. Its caller has stopped waiting, after a timeout.
    async fn hang(&self) -> Append {
        for _ in 0..TRIES {
            let sent = append("a:1", b"{}");
            let (writer, command) = (self.writer.clone(), sent.clone());
            let hangs_now = self.hangs_now.clone();
            let call = async move {
                let mut call = Box::pin(writer.append(command));
                while timeout(Duration::from_millis(20), &mut call).await.is_err() {
                    if hangs_now.load(Ordering::Acquire) {
                        return true;
                    }
                }
                false
            };
            if tokio::spawn(call).await.unwrap() {
                return sent;
            }
        }
        panic!("no commit was inline");
    }
}

/// The thread of a task, and that of the commit of its append.
async fn commit(
    writer: &Arc<Writer>,
    threads: Receiver<thread::Thread>,
) -> (ThreadId, thread::Thread, Receiver<thread::Thread>) {
    let writer = writer.clone();
    let call = async move {
        let caller = thread::current().id();
        writer.append(append("a:1", b"{}")).await.unwrap();
        (caller, threads.recv().unwrap(), threads)
    };
    tokio::spawn(call).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_caller_commits_on_its_own_worker() {
    let directory = Directory::new();
    let (writer, mut threads) = observed(&directory);
    for _ in 0..TRIES {
        let (caller, committer, rest) = commit(&writer, threads).await;
        if committer.id() == caller {
            return;
        }
        threads = rest;
    }
    panic!("no commit was inline");
}

/// Number of times that the runtime's workers have stopped to wait, and whether one waits now.
fn parked(runtime: &Handle) -> (u64, bool) {
    let metrics = runtime.metrics();
    let workers = 0..metrics.num_workers();
    let changes = workers.map(|worker| metrics.worker_park_unpark_count(worker));
    changes.fold((0, false), |(times, waits), changes| {
        (times + changes.div_ceil(2), waits || changes % 2 == 1)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_caller_wakes_no_other_worker() {
    let directory = Directory::new();
    let runtime = Handle::current();
    let queued = Arc::new(AtomicU64::new(0));
    let count = queued.clone();
    let writer = writer(&directory, StallDetector::new(Duration::MAX), move || {
        if thread::current().name() == WRITING_THREAD {
            count.fetch_add(1, Ordering::Relaxed);
        } else {
            // A worker that is woken during this commit has stopped to wait before.
            while !parked(&runtime).1 {
                thread::yield_now();
            }
        }
    });
    let appends = 1_000;
    let call = async move {
        let (before, _) = parked(&Handle::current());
        for _ in 0..appends {
            writer.append(append("a:1", b"{}")).await.unwrap();
        }
        let (after, _) = parked(&Handle::current());
        after - before
    };
    let parked = tokio::spawn(call).await.unwrap();
    // While the writing thread commits, both workers have nothing to do.
    let queued = queued.load(Ordering::Relaxed);
    let most = 4 * queued + (appends - queued.min(appends)) / 8;
    assert!(
        parked <= most,
        "{parked} times, beside {queued} commits of the writing thread"
    );
}

/// Tells that it is woken, and keeps the thread that wakes it until it is released.
struct HoldOnWake {
    woken: Sender<()>,
    released: Mutex<Receiver<()>>,
}

impl Wake for HoldOnWake {
    fn wake(self: Arc<Self>) {
        let _ = self.woken.send(());
        let _ = self.released.lock().unwrap().recv();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_overtakes_the_thread_of_its_answer_finds_the_engine_free() {
    let directory = Directory::new();
    let (writer, threads) = observed(&directory);
    for _ in 0..TRIES / 10 {
        let (tell, told) = channel();
        let (release, released) = channel();
        let waker = Waker::from(Arc::new(HoldOnWake {
            woken: tell,
            released: Mutex::new(released),
        }));
        // This is no task, so the writing thread commits.
        let mut first = Box::pin(writer.append(append("a:1", b"{}")));
        let polled = first.as_mut().poll(&mut Context::from_waker(&waker));
        assert_eq!(threads.recv().unwrap().name(), WRITING_THREAD);
        if polled.is_ready() {
            // It was answered before it was asked for its answer, and wakes nobody.
            continue;
        }
        told.recv().unwrap();

        let next = writer.clone();
        let call = tokio::spawn(async move { next.append(append("a:1", b"{}")).await });
        let committer = threads.recv_timeout(Duration::from_millis(20));
        drop(release);
        call.await.unwrap().unwrap();
        if committer.is_ok_and(|committer| committer.name() != WRITING_THREAD) {
            return;
        }
        // It was left to the writing thread, which has committed it by now.
        while threads.try_recv().is_ok() {}
    }
    panic!("the engine was not free");
}

#[test]
fn a_runtime_without_a_spare_worker_leaves_commits_to_the_writing_thread() {
    let directory = Directory::new();
    let (writer, mut threads) = observed(&directory);
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        let runtime = builder.worker_threads(1).build().unwrap();
        for _ in 0..10 {
            let (_, committer, rest) = runtime.block_on(commit(&writer, threads));
            assert_eq!(committer.name(), WRITING_THREAD);
            threads = rest;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_an_inline_commit_hangs_callers_are_answered_and_tasks_run() {
    let limit = Duration::from_millis(500);
    let directory = Directory::new();
    let stall = StallDetector::new(limit);
    let watched = [stall.clone(), StallDetector::new(limit)];
    let _watchdog = Watchdog::start(limit, watched).unwrap();
    let hanging = Hanging::new(&directory, stall);
    let hung = hanging.hang().await;
    let Hanging {
        writer, release, ..
    } = hanging;

    let late = append("a:1", b"{}");
    let (waiting, sent) = (writer.clone(), late.clone());
    let answer = tokio::spawn(async move { waiting.append(sent).await });
    let unknown = answer.await.unwrap().unwrap_err();
    assert!(
        matches!(unknown, AppendError::Indeterminate { .. }),
        "{unknown}"
    );

    // Another store would block the other worker.
    let elsewhere = Directory::new();
    let (other, mut threads) = observed(&elsewhere);
    for _ in 0..10 {
        let (_, committer, rest) = commit(&other, threads).await;
        assert_eq!(committer.name(), WRITING_THREAD);
        threads = rest;
    }

    drop(release);
    for command in [hung, late] {
        let known = loop {
            match writer.append(command.clone()).await {
                Ok(known) => break known,
                Err(AppendError::Indeterminate { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        };
        assert!(known.replayed, "both were carried out");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_does_not_return_to_its_runtime_is_answered() {
    let directory = Directory::new();
    let (writer, _threads) = observed(&directory);
    let call = async move {
        let mut call = Box::pin(writer.append(append("a:1", b"{}")));
        let mut context = Context::from_waker(Waker::noop());
        let begun = Instant::now();
        while call.as_mut().poll(&mut context).is_pending() {
            assert!(begun.elapsed() < Duration::from_secs(60));
            thread::yield_now();
        }
    };
    tokio::spawn(call).await.unwrap();
    assert_eq!(head(&directory), 1);
}

#[test]
fn an_append_is_carried_out_when_its_runtime_ends_first() {
    let directory = Directory::new();
    for number in 1..=20 {
        let (writer, _threads) = observed(&directory);
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        let sender = writer.clone();
        let call = async move {
            let mut dropped = Box::pin(sender.append(append("a:1", b"{}")));
            let mut context = Context::from_waker(Waker::noop());
            let _ = dropped.as_mut().poll(&mut context);
        };
        runtime.block_on(runtime.spawn(call)).unwrap();
        runtime.shutdown_background();
        drop(writer);
        assert_eq!(head(&directory), number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_writer_waits_for_an_inline_commit() {
    let directory = Directory::new();
    let hanging = Hanging::new(&directory, StallDetector::new(Duration::MAX));
    hanging.hang().await;
    let Hanging {
        writer, release, ..
    } = hanging;
    let before = head(&directory);
    let (ended, end) = channel();
    let closing = thread::spawn(move || {
        drop(writer);
        let _ = ended.send(());
    });
    assert!(end.try_recv().is_err());
    drop(release);
    closing.join().unwrap();
    assert_eq!(head(&directory), before + 1);
}

/// Drops a future when it is woken.
struct DropOnWake(Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl Wake for DropOnWake {
    fn wake(self: Arc<Self>) {
        drop(self.0.lock().unwrap().take());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waker_of_an_inline_commit_may_drop_the_last_clone_of_its_store() {
    let directory = Directory::new();
    for number in 1..=20 {
        let store = Sqlite::open(directory.database()).await.unwrap();
        let call = async move {
            let append = Box::pin(async move {
                let _ = store.append(append("a:1", b"{}")).await;
            });
            let call = Arc::new(DropOnWake(Mutex::new(Some(append))));
            let waker = Waker::from(call.clone());
            let mut append = call.0.lock().unwrap();
            let polled = append
                .as_mut()
                .map(|append| append.as_mut().poll(&mut Context::from_waker(&waker)));
            assert_eq!(polled, Some(Poll::Pending));
        };
        tokio::spawn(call).await.unwrap();
        let other = Sqlite::open(directory.database()).await.unwrap();
        while other.head().await.unwrap().get() < number {}
    }
}
