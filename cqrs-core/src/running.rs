//! Shutdown and rest come when handlers have ended. A handler that waits for either would wait for
//! its own end.

use std::future::Future;
use std::sync::Arc;

use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    /// The async handler that this task runs, the innermost if there are several. A sync handler
    /// cannot wait.
    static RUNNING: Running;
}

#[derive(Clone)]
pub(crate) struct Running {
    dispatcher: usize,
    handler: &'static str,
    /// The handler of another dispatcher that waits for this one.
    outer: Option<Arc<Self>>,
}

/// Runs a command handler, a projection or a reaction. `dispatcher` is an address in it that does not
/// change while a handler runs.
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

/// The handler of this dispatcher that this task runs.
pub(crate) fn running_handler(dispatcher: usize) -> Option<&'static str> {
    let handler = RUNNING.try_with(|running| running.handler_of(dispatcher));
    handler.ok().flatten()
}

/// Runs a handler's future elsewhere than in its task.
pub(crate) async fn still_running<F: Future>(running: Option<Running>, future: F) -> F::Output {
    match running {
        Some(running) => RUNNING.scope(running, future).await,
        None => future.await,
    }
}

impl Running {
    /// The handler that this task runs.
    pub(crate) fn current() -> Option<Self> {
        RUNNING.try_with(Self::clone).ok()
    }

    /// What to remember of this handler while it waits for one of the other dispatcher.
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
