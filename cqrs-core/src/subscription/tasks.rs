use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

/// The tasks of a dispatcher: coordinators, workers and observers. They end with the last clone of the
/// dispatcher, which has the only strong reference to this.
#[derive(Default)]
pub(crate) struct Tasks(Mutex<JoinSet<()>>);

impl Tasks {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Waits until the tasks have ended, but no longer than this, and aborts the others. The last step of a
    /// task gives up the shards of this process, so that another one need not wait for them.
    pub(crate) async fn end(&self, limit: Duration) {
        let mut tasks = {
            let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        let ended = async { while tasks.join_next().await.is_some() {} };
        // What is left is aborted when it is dropped.
        let _ = timeout(limit, ended).await;
    }
}
