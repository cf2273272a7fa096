use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use super::difference::difference;
use crate::auth::AllowAll;
use crate::dispatcher::Dispatcher;
use crate::error::CommandError;
use crate::handler::{Actor, Resources};
use crate::message::{Command, Events, NewEvents};
use crate::module::Module;
use crate::registry::{CommandHandlerEntry, Registry};
use crate::store::{Append, EventQuery, EventStore, Memory, NewEvent, Recorded};
use crate::{CommandId, Timestamp};

/// Begins a test of a decision: `given(events).when(command).then(events)`. Without history:
/// `given(())`.
///
/// The command runs through its real handler, on a store in memory, whether the handler is sync
/// or async and wherever the test runs; validation runs too, authorisation does not.
pub fn given(events: impl Events) -> Given {
    let given = Given {
        history: Vec::new(),
        resources: Resources::default(),
        actor: None,
        module: None,
        time: Timestamp::UNIX_EPOCH,
    };
    given.and(events)
}

/// What happened before, and what the handler needs.
#[must_use = "nothing is tested until `.when(command).then(..)`"]
pub struct Given {
    history: Vec<(Timestamp, Vec<NewEvent>)>,
    resources: Resources,
    actor: Option<Actor>,
    module: Option<Module>,
    time: Timestamp,
}

impl Given {
    /// More history.
    pub fn and(mut self, events: impl Events) -> Self {
        self.history.push((self.time, recorded(events)));
        self
    }

    /// What comes next happens at this time: events of `and`, or the command. Before: the epoch.
    pub fn at(mut self, time: Timestamp) -> Self {
        self.time = time;
        self
    }

    /// A service for the handler, as on the dispatcher's builder.
    pub fn provide<T: ?Sized + Send + Sync + 'static>(mut self, service: Arc<T>) -> Self {
        self.resources.insert(service);
        self
    }

    /// Who sends the command.
    pub fn by(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Where the handler is, when several modules of the test's binary handle the command.
    pub fn module(mut self, module: Module) -> Self {
        self.module = Some(module);
        self
    }

    /// The command to test.
    pub fn when<C: Command>(self, command: C) -> When<C> {
        When {
            given: self,
            command,
        }
    }
}

/// A command with its history, to be compared with what should come of it.
#[must_use = "nothing is tested until `.then(..)` or `.then_rejected(..)`"]
pub struct When<C> {
    given: Given,
    command: C,
}

impl<C: Command> When<C> {
    /// The command leads to exactly these events, in this order; `()` for none.
    ///
    /// # Panics
    /// With a table of the differences, or the error if there was one.
    #[track_caller]
    pub fn then(self, expected: impl Events) {
        let expected = recorded(expected);
        match self.run() {
            Err(error) => panic!("expected {}, but `{}`: {error}", count(&expected), C::NAME),
            Ok(actual) => {
                if let Some(table) = difference(&expected, &actual) {
                    panic!("`{}` led to other events than expected\n\n{table}", C::NAME);
                }
            }
        }
    }

    /// The domain rejects the command with exactly this error.
    ///
    /// # Panics
    /// With a table of both, when there is another error or there are events.
    #[track_caller]
    pub fn then_rejected(self, expected: C::Error)
    where
        C::Error: PartialEq + fmt::Debug,
    {
        let actual = match self.run() {
            Err(CommandError::Rejected(actual)) if actual == expected => return,
            Err(CommandError::Rejected(actual)) => format!("rejected: {actual:?}"),
            Err(error) => format!("not rejected, but {error}"),
            Ok(events) => format!("not rejected, but {}", count(&events)),
        };
        panic!(
            "`{}` was not rejected as expected\n\n  expected | rejected: {expected:?}\n≠ actual   | {actual}\n",
            C::NAME
        );
    }

    /// Something other than the domain's own error comes back: the message is invalid, a service
    /// failed. Compare with the error's text.
    ///
    /// # Panics
    /// When there are events, or the text is another.
    #[track_caller]
    pub fn then_error(self, expected: &str) {
        match self.run() {
            Err(error) => assert_eq!(error.to_string(), expected, "`{}`", C::NAME),
            Ok(events) => panic!("`{}` did not fail, but led to {}", C::NAME, count(&events)),
        }
    }

    /// Runs the command on a thread and a runtime of its own, so that it makes no difference
    /// whether the test has a runtime.
    #[track_caller]
    fn run(self) -> Result<Vec<NewEvent>, CommandError<C::Error>> {
        let handler = handler::<C>(self.given.module);
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build();
            let runtime = runtime.expect("a runtime can be started");
            runtime.block_on(self.decide(handler))
        };
        let outcome = std::thread::scope(|scope| scope.spawn(run).join());
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    async fn decide(
        self,
        handler: (usize, &'static CommandHandlerEntry),
    ) -> Result<Vec<NewEvent>, CommandError<C::Error>> {
        let Given {
            history,
            resources,
            actor,
            time,
            ..
        } = self.given;
        let store = Memory::new();
        for (time, events) in history {
            let appended = store.append(unconditional(events, time)).await;
            appended.expect("the given events fit a store");
        }
        let head = store.head().await.expect("a store in memory can be read");
        let dispatcher =
            Dispatcher::of_one(store.clone(), handler, &resources, AllowAll, move || time);
        let mut call = dispatcher.execute(self.command);
        if let Some(actor) = actor {
            call = call.actor(actor);
        }
        call.await?;
        let events = dispatcher.events(EventQuery::All).after(head).all().await;
        let events = events.expect("a store in memory can be read");
        Ok(events.iter().map(|event| new_event(event)).collect())
    }
}

#[track_caller]
fn recorded(events: impl Events) -> Vec<NewEvent> {
    let mut recorded = NewEvents::new();
    if let Err(error) = events.record(&mut recorded) {
        panic!("{error}");
    }
    recorded.into_vec()
}

#[track_caller]
fn handler<C: Command>(module: Option<Module>) -> (usize, &'static CommandHandlerEntry) {
    let registry = Registry::get();
    let handlers = registry.command_handlers.iter().copied().enumerate();
    let within = |entry: &CommandHandlerEntry| {
        module.is_none_or(|module| entry.source.is_within(module.path()))
    };
    let handlers: Vec<_> = handlers
        .filter(|(_, entry)| (entry.type_id)() == TypeId::of::<C>() && within(entry))
        .collect();
    match handlers[..] {
        [handler] => handler,
        [] => panic!(
            "`{}` has no handler: is its module linked into this test?",
            C::NAME
        ),
        _ => panic!(
            "`{}` has several handlers: say which `.module(..)`",
            C::NAME
        ),
    }
}

fn unconditional(events: Vec<NewEvent>, time: Timestamp) -> Append {
    let command = CommandId::new();
    let id = command.as_uuid();
    Append {
        command,
        fingerprint: 0,
        events,
        boundaries: Vec::new(),
        states: Vec::new(),
        time,
        actor: None,
        correlation: id,
        causation: id,
        ticket: None,
    }
}

fn new_event(event: &Recorded) -> NewEvent {
    NewEvent {
        event_type: event.event_type.clone(),
        version: event.version,
        tags: event.tags.clone(),
        payload: event.payload.clone(),
    }
}

fn count(events: &[NewEvent]) -> String {
    let names: Vec<_> = events
        .iter()
        .map(|event| event.event_type.as_str())
        .collect();
    match names[..] {
        [] => "no event".to_owned(),
        [name] => format!("the event `{name}`"),
        _ => format!("{} events: `{}`", names.len(), names.join("`, `")),
    }
}
