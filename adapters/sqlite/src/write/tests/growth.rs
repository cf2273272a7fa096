//! Batches that grow while they are written.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::task::{Context, Waker};
use std::thread;

use cqrs_kit::batch::MAX_GROWTH;

use super::inline::writer;
use super::*;
use crate::stall::StallDetector;

/// An engine, and the number of its commits.
fn counting(directory: &Directory) -> (Engine, Arc<AtomicU64>) {
    let mut engine = engine(directory, &Sqlite::options());
    let commits = Arc::new(AtomicU64::new(0));
    let counted = commits.clone();
    engine.faults.1 = Some(Box::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
    }));
    (engine, commits)
}

fn poison() -> Box<dyn Task> {
    Box::new(Poison(|| Err(Fault::data("poison"))))
}

#[test]
fn tasks_that_arrive_share_the_commit() {
    let directory = Directory::new();
    let (mut engine, commits) = counting(&directory);
    let mut batches = [Batch::new(), Batch::new(), Batch::new()];
    let answers = batches
        .each_mut()
        .map(|batch| put(batch, append("a:1", b"{}")));
    engine.write_growing(batches.into_iter()).send();
    assert_eq!(answers.map(position), [1, 2, 3]);
    assert_eq!(commits.load(Ordering::Relaxed), 1);
}

#[test]
fn a_task_that_arrives_and_fails_fails_alone() {
    let directory = Directory::new();
    let (mut engine, commits) = counting(&directory);
    let (mut batch, mut arrived) = (Batch::new(), vec![poison()]);
    let first = put(&mut batch, append("a:1", b"{}"));
    let second = put(&mut arrived, append("a:1", b"{}"));
    engine.write_growing([batch, arrived].into_iter()).send();
    assert_eq!([first, second].map(position), [1, 2]);
    assert_eq!(commits.load(Ordering::Relaxed), 2);
}

#[test]
fn tasks_that_arrive_come_after_those_that_wait() {
    let directory = Directory::new();
    let (mut engine, _) = counting(&directory);
    let (mut batch, mut arrived) = (Batch::new(), Batch::new());
    let first = put(&mut batch, append("a:1", b"{}"));
    batch.push(poison());
    let second = put(&mut batch, append("a:1", b"{}"));
    let third = put(&mut arrived, append("a:1", b"{}"));
    engine.write_growing([batch, arrived].into_iter()).send();
    assert_eq!([first, second, third].map(position), [1, 2, 3]);
}

/// The number of commits for a task, and an append that is sent while the task runs for at least this long.
async fn commits_of_two(time: Duration) -> usize {
    let directory = Directory::new();
    let (committed, commits) = channel();
    let writer = writer(&directory, StallDetector::new(Duration::MAX), move || {
        let _ = committed.send(());
    });
    let (tell, told) = channel();
    let (release, released) = channel::<()>();
    let mut work = pin!(writer.work(move |_| {
        let _ = tell.send(());
        let _ = released.recv();
        Ok(())
    }));
    let mut append = pin!(writer.append(append("a:1", b"{}")));
    let mut context = Context::from_waker(Waker::noop());
    assert!(work.as_mut().poll(&mut context).is_pending());
    told.recv().unwrap();
    assert!(append.as_mut().poll(&mut context).is_pending());
    // Nothing but time ends the growth.
    thread::sleep(time);
    drop(release);
    work.await.unwrap();
    append.await.unwrap();
    commits.try_iter().count()
}

#[tokio::test]
async fn an_append_that_is_sent_while_a_task_runs_shares_its_commit() {
    // On a machine with other work, the task may take longer than batches grow.
    for _ in 0..100 {
        if commits_of_two(Duration::ZERO).await == 1 {
            return;
        }
    }
    panic!("no commit is shared");
}

#[tokio::test]
async fn other_processes_wait_for_no_batch_that_grows_on() {
    assert_eq!(commits_of_two(MAX_GROWTH).await, 2);
}
