//! Tracks the handlers that run in a task. `shutdown` and `wait_until_idle` wait for all handlers
//! to end, so a handler that awaited either would wait for itself.

use std::future::Future;
use std::sync::Arc;

use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    /// The innermost async handler that this task runs. Only async handlers matter: a sync handler
    /// cannot wait.
    static RUNNING: Running;
}

#[derive(Clone)]
pub(crate) struct Running {
    dispatcher: usize,
    handler: &'static str,
    /// The handler of another dispatcher that is waiting for this one.
    outer: Option<Arc<Self>>,
}

/// Runs a command handler, a projection or a reaction. `dispatcher` identifies the dispatcher: an
/// address inside it, stable while a handler runs.
pub(crate) fn running<F: Future>(
    dispatcher: usize,
    handler: &'static str,
    future: F,
) -> TaskLocalFuture<Running, F> {
    let outer = RUNNING.try_with(|outer| outer.around(dispatcher));
    let running = Running {
        dispatcher,
        handler,
        outer: outer.ok().flatten(),
    };
    RUNNING.scope(running, future)
}

/// The handler of this dispatcher that is running in the current task, if any.
pub(crate) fn running_handler(dispatcher: usize) -> Option<&'static str> {
    let handler = RUNNING.try_with(|running| running.handler_of(dispatcher));
    handler.ok().flatten()
}

/// Runs a handler's future outside its own task.
pub(crate) async fn still_running<F: Future>(running: Option<Running>, future: F) -> F::Output {
    match running {
        Some(running) => RUNNING.scope(running, future).await,
        None => future.await,
    }
}

impl Running {
    /// The handler running in the current task.
    pub(crate) fn current() -> Option<Self> {
        RUNNING.try_with(Self::clone).ok()
    }

    /// The outer handler to record while this one waits for a handler of the other dispatcher.
    fn around(&self, dispatcher: usize) -> Option<Arc<Self>> {
        if self.dispatcher == dispatcher {
            self.outer.clone()
        } else {
            Some(Arc::new(self.clone()))
        }
    }

    fn handler_of(&self, dispatcher: usize) -> Option<&'static str> {
        let mut running = Some(self);
        while let Some(it) = running {
            if it.dispatcher == dispatcher {
                return Some(it.handler);
            }
            running = it.outer.as_deref();
        }
        None
    }
}
