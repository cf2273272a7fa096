//! Shutdown and rest come when handlers have ended. A handler that waits for either would wait for
//! its own end.

use std::future::Future;

use tokio::task::futures::TaskLocalFuture;

use super::Decisions;

tokio::task_local! {
    /// The async handler that this task runs, the innermost if there are several. A sync handler
    /// cannot wait.
    static RUNNING: Running;
}

#[derive(Clone, Copy)]
pub(crate) struct Running {
    /// Address of what decides the dispatcher's commands, which cannot move while a handler runs. Another one may be
    /// waited for.
    dispatcher: usize,
    handler: &'static str,
}

impl Decisions {
    /// Runs a command handler, a projection or a reaction.
    pub(crate) fn running<F: Future>(
        &self,
        handler: &'static str,
        future: F,
    ) -> TaskLocalFuture<Running, F> {
        let running = Running {
            dispatcher: self.address(),
            handler,
        };
        RUNNING.scope(running, future)
    }

    /// The handler of this dispatcher that this task runs.
    pub(crate) fn running_handler(&self) -> Option<&'static str> {
        let running = RUNNING.try_with(|running| *running).ok();
        let running = running.filter(|it| it.dispatcher == self.address());
        running.map(|it| it.handler)
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}
