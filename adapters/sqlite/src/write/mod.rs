//! Writing: the only connection that writes, and a bounded queue in front of it. A thread serves the queue,
//! except while a lone caller does.

mod append;
mod blocks;
pub(crate) mod engine;
mod inline;
mod inline_policy;
mod models;
pub(crate) mod parking;
mod queue;
mod request;
pub(crate) mod shards;
mod statements;
pub(crate) mod task;
#[cfg(test)]
mod tests;
pub(crate) mod versions;
mod views;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use cqrs_core::store::{
    Append, AppendError, Appended, ModelSchema, StoreError, ViewBatch, ViewCommitError,
};
use cqrs_kit::options::WriterOptions;
use cqrs_kit::queue::lost_append;
use tokio::sync::oneshot;

use crate::error::{closed, stalled};
use crate::fault::Fault;
use crate::stall::{StallDetector, Stalled};
use crate::thread::Thread;
use crate::transaction::lease::{Lease, LeaseRequest, LeasedEngine};
use engine::Engine;
use inline::{InlineCommit, end_turn};
use models::PrepareTask;
use queue::{EngineQueue, QueueEnd};
use request::Request;
use rusqlite::Connection;
use shards::ShardTask;

pub(crate) use append::AppendTask;
pub(crate) use models::check_models;
use task::Answers;
pub(crate) use task::Task;
pub(crate) use views::ViewTask;

/// The writing thread and its queue. After this is dropped, the thread writes the waiting requests, and
/// ends.
pub(crate) struct Writer {
    queue: Arc<EngineQueue>,
    stall: StallDetector,
    _thread: Thread,
}

impl Writer {
    pub(crate) fn start(
        engine: Engine,
        stall: StallDetector,
        options: WriterOptions,
    ) -> io::Result<Self> {
        let queue = Arc::new(EngineQueue::new(LeasedEngine::new(engine), &options));
        let (served, progress) = (queue.clone(), stall.clone());
        let thread = Thread::start("cqrs-sqlite-write", move || {
            let _end = QueueEnd(&served);
            while let Some((mut engine, mut open)) = served.next_batch() {
                let begun = Instant::now();
                progress.mark_working();
                let mut answers = engine.engine().write_growing(&mut open);
                progress.mark_working();
                let took = begun.elapsed();
                // The lease ended the batch, so it comes after all of it, in the order of arrival.
                if let Some(lease_request) = open.into_lease_request() {
                    // The handler may need the worker of a task that waits for an earlier answer.
                    served.take_answers().send();
                    answers.send();
                    (engine, answers) = engine.lease(lease_request, &progress);
                }
                progress.mark_idle();
                served.put_back(engine, took);
                answer(&served, answers);
            }
        })?;
        Ok(Self {
            queue,
            stall,
            _thread: thread,
        })
    }

    /// Refuses at once if the queue is full.
    pub(crate) fn admit(&self) -> Result<(), AppendError> {
        self.queue.admit()
    }

    /// Does not wait for room in the queue: a caller can shed load only if it learns of it at once.
    pub(crate) async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (task, answer) = AppendTask::new(append)?;
        if let Some(runtime) = self.queue.push(Request::Write(Box::new(task)))? {
            let commit = InlineCommit::new(self.queue.clone(), self.stall.clone());
            runtime.spawn(async move {
                let answers = commit.run();
                end_turn().await;
                answers.send();
            });
        }
        // From here on, the append is carried out even if this future is dropped.
        self.appended(answer).await
    }

    /// Waits for the answer to an append that is in the queue. Without an answer, the append may
    /// have happened or still happen, so the error is `Indeterminate`.
    pub(crate) async fn appended(
        &self,
        answer: oneshot::Receiver<Result<Appended, AppendError>>,
    ) -> Result<Appended, AppendError> {
        let reason = match self.stall.wait(answer).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(_)) => "the SQLite store's threads ended while they had the append".to_owned(),
            Err(Stalled(waited)) => format!(
                "SQLite has not answered for {waited:?}: once the database answers, send the same \
                 command id again"
            ),
        };
        Err(lost_append(reason))
    }

    /// Waits for the answer to a commit that the writing thread has. Without an answer, the worker
    /// starts over from the checkpoint, which tells what happened.
    pub(crate) async fn committed(
        &self,
        answer: oneshot::Receiver<Result<(), ViewCommitError>>,
    ) -> Result<(), ViewCommitError> {
        let answer = self.stall.wait(answer).await.map_err(stalled)?;
        answer.unwrap_or_else(|_| Err(closed().into()))
    }

    pub(crate) async fn commit(&self, batch: ViewBatch) -> Result<(), ViewCommitError> {
        let (task, answer) = ViewTask::new(batch)?;
        self.send(task).await?;
        self.committed(answer).await
    }

    pub(crate) async fn prepare(&self, models: Vec<ModelSchema>) -> Result<(), StoreError> {
        let (task, answer) = PrepareTask::new(models);
        self.send(task).await?;
        let answer = self.stall.wait(answer).await.map_err(stalled)?;
        answer.unwrap_or_else(|_| Err(closed()))
    }

    /// Does work on shards.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (task, answer) = ShardTask::new(work);
        self.send(task).await?;
        let answer = self.stall.wait(answer).await.map_err(stalled)?;
        answer.unwrap_or_else(|_| Err(closed()))
    }

    /// Leases the engine in a transaction, after all earlier requests. Later requests wait until it is
    /// returned. Waits for room in the queue, because a [`StoreError`] has no case for overload.
    pub(crate) async fn begin(&self) -> Result<Lease, StoreError> {
        let (lease_request, lease) = LeaseRequest::new();
        self.request(Request::Lease(lease_request)).await?;
        let lease = self.stall.wait(lease).await.map_err(stalled)?;
        lease.unwrap_or_else(|_| Err(closed()))
    }

    async fn send(&self, task: impl Task + 'static) -> Result<(), StoreError> {
        self.request(Request::Write(Box::new(task))).await
    }

    /// Waits for room in the queue.
    async fn request(&self, request: Request) -> Result<(), StoreError> {
        let pushed = self.stall.wait(self.queue.push_when_free(request)).await;
        pushed.map_err(stalled)?
    }
}

/// Answers the callers of a batch: a crowd by a task of its own runtime.
fn answer(queue: &Arc<EngineQueue>, answers: Answers) {
    let (answers, runtime) = queue.leave_answers(answers);
    answers.send();
    if let Some(runtime) = runtime {
        let queue = queue.clone();
        runtime.spawn(async move { queue.take_answers().send() });
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
    }
}
