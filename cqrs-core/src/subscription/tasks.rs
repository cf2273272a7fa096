use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The tasks of a dispatcher: coordinators, workers and observers. They end with the last clone of the
/// dispatcher, which has the only strong reference to this.
pub(crate) struct Tasks {
    all: Mutex<JoinSet<()>>,
    /// Not aborted: a coordinator ends by itself, once nothing that it has sent to its store is under way
    /// that could undo its leave.
    coordinators: Mutex<JoinSet<()>>,
    /// Dropped with this.
    alive: watch::Sender<()>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            all: Mutex::default(),
            coordinators: Mutex::default(),
            alive: watch::Sender::new(()),
        }
    }
}

impl Tasks {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.all);
        // Those that have ended.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Spawns a task that ends by itself when these tasks are [gone](Self::gone). It must not hold them.
    pub(crate) fn spawn_coordinator(&self, task: impl Future<Output = ()> + Send + 'static) {
        lock(&self.coordinators).spawn(task);
    }

    /// Completes when the last clone of the dispatcher is gone.
    pub(crate) fn gone(&self) -> impl Future<Output = ()> + use<> {
        let mut alive = self.alive.subscribe();
        async move { while alive.changed().await.is_ok() {} }
    }

    /// Waits until the tasks have ended, but no longer than this, and aborts the others. The last step of a
    /// coordinator gives up the shards of this process, so that another one need not wait for them.
    pub(crate) async fn end(&self, limit: Duration) {
        let mut tasks = std::mem::take(&mut *lock(&self.all));
        let mut coordinators = std::mem::take(&mut *lock(&self.coordinators));
        let ended = async {
            while tasks.join_next().await.is_some() {}
            while coordinators.join_next().await.is_some() {}
        };
        // What is left of the tasks is aborted when they are dropped.
        let _ = timeout(limit, ended).await;
        coordinators.detach_all();
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        lock(&self.coordinators).detach_all();
    }
}

fn lock(tasks: &Mutex<JoinSet<()>>) -> MutexGuard<'_, JoinSet<()>> {
    tasks.lock().unwrap_or_else(PoisonError::into_inner)
}
