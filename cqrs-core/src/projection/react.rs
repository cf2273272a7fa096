use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tracing::Instrument;

use crate::dispatcher::Dispatcher;
use crate::error::{Error, Result};
use crate::handler::{Reacted, ReactionScope, Resources};
use crate::panic::{Guarded, panic_message};
use crate::registry::ReactionEntry;
use crate::store::Recorded;
use crate::trace;

/// Runs an event handler.
pub(crate) struct Reactor {
    entry: &'static ReactionEntry,
    services: Box<[Option<Arc<dyn Any + Send + Sync>>]>,
}

impl Reactor {
    pub(crate) fn new(entry: &'static ReactionEntry, resources: &Resources) -> Self {
        Self {
            entry,
            services: resources.resolve(&(entry.inputs)()),
        }
    }

    /// Reacts to one event. Returns the handler's name.
    pub(crate) async fn react(
        &self,
        recorded: &Recorded,
        dispatcher: &Dispatcher,
    ) -> (&'static str, Result<()>) {
        let scope = ReactionScope {
            recorded,
            services: &self.services,
            dispatcher,
        };
        let panicked = |message| Error::message(format!("it panicked: {message}"));
        let span = trace::react(self.entry.name, recorded);
        let run = || span.in_scope(|| (self.entry.run)(recorded, &scope));
        let result = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Reacted::Now(result)) => result,
            Ok(Reacted::Later(future)) => {
                let future = Guarded(future).instrument(span);
                let reacting = dispatcher.inner.reacting(self.entry.name, recorded, future);
                reacting.await.unwrap_or_else(|it| Err(panicked(it)))
            }
            Err(panic) => Err(panicked(panic_message(&*panic))),
        };
        (self.entry.name, result)
    }
}
