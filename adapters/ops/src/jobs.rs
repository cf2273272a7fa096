use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use cqrs_core::app::Comparison;
use cqrs_core::error::OperationError;
use cqrs_core::{Dispatcher, Timestamp};

use crate::refusal::Refusal;

/// What takes longer than a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Task {
    Rebuild,
    Compare,
}

/// A task of this process: the last one of its kind for a projection.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) began: Timestamp,
    pub(crate) state: JobState,
}

#[derive(Clone)]
pub(crate) enum JobState {
    /// With its progress.
    Running(String),
    Rebuilt,
    Compared(Box<Comparison>),
    Failed(String),
}

/// The tasks of this process, by their projections.
#[derive(Default)]
pub(crate) struct Jobs(Mutex<BTreeMap<(Task, String), Job>>);

impl Jobs {
    /// Begins a task for a projection.
    pub(crate) fn begin(
        self: &Arc<Self>,
        dispatcher: &Dispatcher,
        task: Task,
        projection: &str,
    ) -> Result<(), Refusal> {
        let key = (task, projection.to_owned());
        let began = Job {
            began: Timestamp::now(),
            state: JobState::Running("begins".to_owned()),
        };
        let mut jobs = self.lock();
        if let Some(job) = jobs.get(&key)
            && matches!(job.state, JobState::Running(_))
        {
            let text = format!("This is going on for `{projection}` already.");
            return Err(Refusal::new(StatusCode::CONFLICT, text));
        }
        jobs.insert(key.clone(), began);
        drop(jobs);
        let running = RunningJob {
            jobs: self.clone(),
            key,
        };
        tokio::spawn(running.run(dispatcher.clone()));
        Ok(())
    }

    /// The last task of this kind for a projection.
    pub(crate) fn get(&self, task: Task, projection: &str) -> Option<Job> {
        self.lock().get(&(task, projection.to_owned())).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Task, String), Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that is running. When it is dropped without a result, it has failed.
struct RunningJob {
    jobs: Arc<Jobs>,
    key: (Task, String),
}

impl RunningJob {
    async fn run(self, dispatcher: Dispatcher) {
        let result = match self.key.0 {
            Task::Rebuild => self.rebuild(&dispatcher).await,
            Task::Compare => {
                let subscriptions = dispatcher.subscriptions();
                let compared = Box::pin(subscriptions.compare(&self.key.1)).await;
                compared.map(|found| JobState::Compared(Box::new(found)))
            }
        };
        self.show(result.unwrap_or_else(|error| JobState::Failed(error.to_string())));
    }

    async fn rebuild(&self, dispatcher: &Dispatcher) -> Result<JobState, OperationError> {
        let subscriptions = dispatcher.subscriptions();
        let mut rebuild = Box::pin(subscriptions.rebuild(&self.key.1)).await?;
        while let Some(progress) = Box::pin(rebuild.next()).await {
            self.show(JobState::Running(progress?.to_string()));
        }
        Ok(JobState::Rebuilt)
    }

    fn show(&self, state: JobState) {
        if let Some(job) = self.jobs.lock().get_mut(&self.key) {
            job.state = state;
        }
    }
}

impl Drop for RunningJob {
    fn drop(&mut self) {
        if let Some(job) = self.jobs.lock().get_mut(&self.key)
            && matches!(job.state, JobState::Running(_))
        {
            job.state = JobState::Failed("it has ended without a result".to_owned());
        }
    }
}
