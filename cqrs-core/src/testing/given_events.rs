use std::future::Future;

use crate::auth::Actor;
use crate::message::{IntoEvents, NewEvents};
use crate::store::{Append, Appended, CustomMetadata, EventData, EventLog, Memory};
use crate::{CommandId, Timestamp};

/// The history of a test.
pub(super) struct GivenEvents {
    appends: Vec<Append>,
    /// Time of the next event or command.
    pub(super) time: Timestamp,
    /// Actor of the next event or command.
    pub(super) actor: Option<Actor>,
    /// Custom metadata of the next event or command.
    pub(super) metadata: CustomMetadata,
}

impl GivenEvents {
    pub(super) fn new() -> Self {
        Self {
            appends: Vec::new(),
            time: Timestamp::UNIX_EPOCH,
            actor: None,
            metadata: CustomMetadata::default(),
        }
    }

    #[track_caller]
    pub(super) fn add(&mut self, events: impl IntoEvents) {
        self.appends.push(self.append(new_events(events)));
    }

    /// Creates a store with this history.
    pub(super) async fn store(&self) -> Memory {
        let store = Memory::new();
        for append in &self.appends {
            let appended = store.append(append.clone()).await;
            appended.expect("the given events fit a store");
        }
        store
    }

    /// Appends more events to the store, now.
    pub(super) async fn happen(&self, events: Vec<EventData>, store: &Memory) -> Appended {
        let appended = store.append(self.append(events)).await;
        appended.expect("the given events fit a store")
    }

    fn append(&self, events: Vec<EventData>) -> Append {
        let append = Append::new(CommandId::new(), events)
            .at(self.time)
            .metadata(self.metadata.clone());
        match &self.actor {
            Some(actor) => append.by(actor.name()),
            None => append,
        }
    }
}

/// The events as they would be recorded.
#[track_caller]
pub(super) fn new_events(events: impl IntoEvents) -> Vec<EventData> {
    let mut recorded = NewEvents::new();
    if let Err(error) = events.record(&mut recorded) {
        panic!("{error}");
    }
    recorded.into_vec()
}

/// Runs a future on a thread and a runtime of its own, so that it works in tests with and without a
/// runtime.
#[track_caller]
pub(super) fn run<T: Send>(test: impl Future<Output = T> + Send) -> T {
    let outcome = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("a runtime can be started")
                .block_on(test)
        });
        thread.join()
    });
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
