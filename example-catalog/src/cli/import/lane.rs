use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cqrs_core::{Actor, Dispatcher};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::line::Line;
use super::outcome::Outcome;
use crate::cli::args::OnError;

/// How many commands are on their way at once, so that the store can commit them together.
const LANES: usize = 64;

/// How many lines wait in a lane.
const QUEUE: usize = 16;

/// A line to send, and where its outcome is awaited.
pub struct Job {
    pub line: Line,
    pub reply: oneshot::Sender<Outcome>,
}

/// Commands about one product go one after the other through the same lane.
pub struct Lanes(Vec<mpsc::Sender<Job>>);

impl Lanes {
    /// Starts the lanes; they end with the `JoinSet`. To stop at the first line that is not
    /// carried out, no other may be on its way: there is one lane then.
    /// Once the import is stopping, no lane begins with another line.
    pub fn start(
        dispatcher: &Dispatcher,
        actor: &Actor,
        on_error: OnError,
        stopping: &Arc<AtomicBool>,
    ) -> (Self, JoinSet<()>) {
        let count = if on_error == OnError::Stop { 1 } else { LANES };
        let mut tasks = JoinSet::new();
        let start = |_| {
            let (jobs, queue) = mpsc::channel(QUEUE);
            let (dispatcher, actor) = (dispatcher.clone(), actor.clone());
            tasks.spawn(run(dispatcher, actor, queue, on_error, stopping.clone()));
            jobs
        };
        let lanes = (0..count).map(start).collect();
        (Self(lanes), tasks)
    }

    /// Hands a line to its lane, and waits while that is full; false when the lane has stopped.
    pub fn send(&self, job: Job) -> bool {
        let mut hash = DefaultHasher::new();
        job.line.product.hash(&mut hash);
        let lane = usize::try_from(hash.finish() % self.0.len() as u64).unwrap_or_default();
        self.0[lane].blocking_send(job).is_ok()
    }
}

/// Sends lines one after the other.
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
        let outcome = Outcome::from(call.id(line.id).actor(actor.clone()).await);
        let goes_on = match &outcome {
            Outcome::Failed(_) => false,
            outcome => outcome.is_carried_out() || on_error == OnError::Skip,
        };
        // The report waits for it, unless the whole import is gone.
        let _ = reply.send(outcome);
        if !goes_on {
            break;
        }
    }
}
