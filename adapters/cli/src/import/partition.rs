use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cqrs_core::{Actor, Dispatcher};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::line::Line;
use super::line_outcome::LineOutcome;
use crate::args::OnError;

/// Number of commands in progress, so that the store can commit them together.
const PARTITIONS: usize = 64;

/// Maximum number of lines that wait in a partition.
const QUEUED_LINES: usize = 16;

/// A line to send, and the channel for its outcome.
pub(crate) struct Job {
    pub(crate) line: Line,
    pub(crate) reply: oneshot::Sender<LineOutcome>,
}

/// Commands about one aggregate are sent one after another, by the same partition.
pub(crate) struct Partitions(Vec<mpsc::Sender<Job>>);

impl Partitions {
    /// Starts the partitions, which end with the `JoinSet`. Stopping at the first line that fails
    /// requires that no other command is in progress, and therefore a single partition. Once
    /// `stopping` is set, no partition starts another line.
    pub(crate) fn start(
        dispatcher: &Dispatcher,
        actor: &Actor,
        on_error: OnError,
        stopping: &Arc<AtomicBool>,
    ) -> (Self, JoinSet<()>) {
        let count = if on_error == OnError::Stop {
            1
        } else {
            PARTITIONS
        };
        let mut tasks = JoinSet::new();
        let mut partitions = Vec::new();
        for _ in 0..count {
            let (jobs, queue) = mpsc::channel(QUEUED_LINES);
            partitions.push(jobs);
            tasks.spawn(run(
                dispatcher.clone(),
                actor.clone(),
                queue,
                on_error,
                stopping.clone(),
            ));
        }
        (Self(partitions), tasks)
    }

    /// Passes a line to its partition, and waits while that is full. Returns false if the partition
    /// has stopped.
    pub(crate) fn send(&self, job: Job) -> bool {
        let mut hash = DefaultHasher::new();
        job.line.subject.hash(&mut hash);
        let partition = usize::try_from(hash.finish() % self.0.len() as u64).unwrap_or_default();
        self.0[partition].blocking_send(job).is_ok()
    }
}

/// Sends lines one after another.
async fn run(
    dispatcher: Dispatcher,
    actor: Actor,
    mut queue: mpsc::Receiver<Job>,
    on_error: OnError,
    stopping: Arc<AtomicBool>,
) {
    while let Some(Job { line, reply }) = queue.recv().await {
        if stopping.load(Ordering::Relaxed) {
            break;
        }
        let call = dispatcher.execute_json(&line.command, line.data.as_bytes());
        let outcome = LineOutcome::from(call.id(line.id).actor(actor.clone()).await);
        let continues = match &outcome {
            LineOutcome::Failed(_) => false,
            outcome => outcome.is_success() || on_error == OnError::Skip,
        };
        // The report waits for it, unless the whole import was dropped.
        let _ = reply.send(outcome);
        if !continues {
            break;
        }
    }
}
