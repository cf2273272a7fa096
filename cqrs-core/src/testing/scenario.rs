use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use super::difference::{Lines, difference};
use super::given_events::{GivenEvents, new_events, run};
use super::log_without_sql::LogWithoutSql;
use crate::auth::Actor;
use crate::auth::AllowAll;
use crate::dispatcher::Dispatcher;
use crate::error::CommandError;
use crate::handler::Services;
use crate::message::{Command, Event, IntoEvents};
use crate::module::Module;
use crate::registry::{CommandHandlerEntry, Registry};
use crate::store::{EventData, EventLogExt, EventQuery, Recorded};
use crate::wiring::{Plan, Stores, ViewStores};
use crate::{CommandId, Timestamp};

/// Begins a test of a decision: `given(events).when(command).then(events)`. `given(())` begins
/// without history.
///
/// The command runs through its real handler, sync or async, on a store in memory, in tests with
/// and without a runtime. Validation runs, authorization does not. The statements of a handler with
/// [`Writes`](crate::Writes) are not executed: [`When::statements`] returns them.
#[track_caller]
pub fn given(events: impl IntoEvents) -> Given {
    let given = Given {
        history: GivenEvents::new(),
        services: Services::default(),
        module: None,
        id: None,
    };
    given.and(events)
}

/// The history of a test, and the services of the handler.
#[must_use = "nothing is tested until `.when(command).then(..)`"]
pub struct Given {
    history: GivenEvents,
    services: Services,
    module: Option<Module>,
    id: Option<CommandId>,
}

impl Given {
    /// Adds events to the history.
    #[track_caller]
    pub fn and(mut self, events: impl IntoEvents) -> Self {
        self.history.add(events);
        self
    }

    /// Sets the time of the following events of `and`, and of the command. Defaults to the epoch.
    pub fn at(mut self, time: Timestamp) -> Self {
        self.history.time = time;
        self
    }

    /// Sets the actor of the following events of `and`, and of the command. Defaults to none.
    pub fn by(mut self, actor: Actor) -> Self {
        self.history.actor = Some(actor);
        self
    }

    /// Adds custom metadata to the following events of `and`, and to the command.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.history.metadata.set(key, value);
        self
    }

    /// Sets the command's id. Defaults to a new id.
    pub fn id(mut self, id: CommandId) -> Self {
        self.id = Some(id);
        self
    }

    /// Provides a service to the handler, as on the dispatcher's builder.
    pub fn provide<T: ?Sized + Send + Sync + 'static>(mut self, service: Arc<T>) -> Self {
        self.services.insert(service);
        self
    }

    /// Sets the handler's module. Needed if several modules of the test's binary handle the
    /// command.
    pub fn module(mut self, module: Module) -> Self {
        self.module = Some(module);
        self
    }

    /// Sets the command to test.
    pub fn when<C: Command>(self, command: C) -> When<C> {
        When {
            given: self,
            command,
        }
    }
}

/// A command with its history, to compare with the expected outcome.
#[must_use = "nothing is tested until `.then(..)` or `.then_rejected(..)`"]
pub struct When<C> {
    given: Given,
    command: C,
}

impl<C: Command> When<C> {
    /// Asserts that the command leads to exactly these events, in this order. `()` stands for no
    /// event.
    ///
    /// # Panics
    /// With a table of the differences, or the error if there was one.
    #[track_caller]
    pub fn then(self, expected: impl IntoEvents) {
        let expected = new_events(expected);
        let actual: Vec<_> = match self.outcome() {
            Err(error) => panic!("expected {}, but `{}`: {error}", count(&expected), C::NAME),
            Ok(events) => events.into_iter().map(|event| event.data).collect(),
        };
        if let Some(table) = difference(&expected, &actual) {
            panic!("`{}` led to other events than expected\n\n{table}", C::NAME);
        }
    }

    /// Asserts that the command leads to exactly one event, an `E` for which the function returns
    /// `true`.
    ///
    /// # Panics
    /// With the events, or the error if there was one.
    #[track_caller]
    pub fn then_event<E: Event>(self, matches: impl FnOnce(&E) -> bool) {
        let events = self.events();
        let event = match &events[..] {
            [event] if event.data.event_type.as_str() == E::NAME => event
                .decode::<E>()
                .unwrap_or_else(|error| panic!("`{}`: {error}", C::NAME)),
            _ => panic!(
                "`{}` did not lead to one `{}`\n\n{}",
                C::NAME,
                E::NAME,
                listed(events)
            ),
        };
        assert!(
            matches(&event),
            "the event of `{}` does not match\n\n{}",
            C::NAME,
            listed(events)
        );
    }

    /// Asserts that the command leads to events for which the function returns `true`.
    ///
    /// # Panics
    /// With the events, or the error if there was one.
    #[track_caller]
    pub fn then_matching(self, matches: impl FnOnce(&[Recorded]) -> bool) {
        let events = self.events();
        assert!(
            matches(&events),
            "the events of `{}` do not match\n\n{}",
            C::NAME,
            listed(events)
        );
    }

    /// Asserts that the domain rejects the command with exactly this error.
    ///
    /// # Panics
    /// With a table of both, if the command led to events or to another error.
    #[track_caller]
    pub fn then_rejected(self, expected: C::Error)
    where
        C::Error: PartialEq,
    {
        let actual = match self.outcome() {
            Err(CommandError::Rejected(actual)) if actual == expected => return,
            outcome => described(outcome),
        };
        panic!(
            "`{}` was not rejected as expected\n\n  expected | rejected: {expected:?}\n≠ actual   | {actual}\n",
            C::NAME
        );
    }

    /// Asserts that the domain rejects the command with an error for which the function returns
    /// `true`: `.then_rejected_with(|error| matches!(error, CatalogError::NotFound(_)))`.
    ///
    /// # Panics
    /// With the actual outcome.
    #[track_caller]
    pub fn then_rejected_with(self, matches: impl FnOnce(&C::Error) -> bool) {
        let actual = match self.outcome() {
            Err(CommandError::Rejected(actual)) if matches(&actual) => return,
            outcome => described(outcome),
        };
        panic!(
            "`{}` was not rejected as expected\n\n≠ actual | {actual}\n",
            C::NAME
        );
    }

    /// Asserts that the command fails with this error text. For errors other than the domain's own,
    /// such as an invalid message or a failed service.
    ///
    /// # Panics
    /// When the command led to events, or the text differs.
    #[track_caller]
    pub fn then_error(self, expected: &str) {
        match self.outcome() {
            Err(error) => assert_eq!(error.to_string(), expected, "`{}`", C::NAME),
            Ok(events) => panic!(
                "`{}` did not fail, but led to {}",
                C::NAME,
                count(
                    &events
                        .into_iter()
                        .map(|event| event.data)
                        .collect::<Vec<_>>()
                )
            ),
        }
    }

    /// Returns the recorded events, with time, actor and command id.
    ///
    /// # Panics
    /// With the error, if there was one.
    #[track_caller]
    pub fn events(self) -> Vec<Recorded> {
        match self.outcome() {
            Ok(events) => events,
            Err(error) => panic!("`{}`: {error}", C::NAME),
        }
    }

    /// Returns the statements that the handler has recorded in its [`Writes`](crate::Writes), each as
    /// text with its parameters: `DELETE FROM stock WHERE article = $1 [7]`.
    ///
    /// # Panics
    /// With the error, if there was one.
    #[track_caller]
    pub fn statements(self) -> Vec<String> {
        match self.decided() {
            Ok(decided) => decided.statements,
            Err(error) => panic!("`{}`: {error}", C::NAME),
        }
    }

    /// Returns the recorded events, or the error.
    ///
    /// # Errors
    /// As [`Dispatcher::execute`].
    #[track_caller]
    pub fn outcome(self) -> Result<Vec<Recorded>, CommandError<C::Error>> {
        self.decided().map(|decided| decided.events)
    }

    #[track_caller]
    fn decided(self) -> Result<Decided, CommandError<C::Error>> {
        let handler = handler::<C>(self.given.module);
        run(self.decide(handler))
    }

    async fn decide(
        self,
        handler: &'static CommandHandlerEntry,
    ) -> Result<Decided, CommandError<C::Error>> {
        let Given {
            history,
            services,
            id,
            ..
        } = self.given;
        let store = history.store().await;
        let plan = Plan {
            command_handlers: vec![handler],
            ..Plan::of_aggregates(Registry::get())
        };
        let head = store.head().await.expect("a store in memory can be read");
        let log = Arc::new(LogWithoutSql::new(store.clone()));
        let stores = Stores {
            log: log.clone(),
            views: ViewStores::of(Arc::new(store)),
            are_shared: false,
        };
        let time = history.time;
        let dispatcher = Dispatcher::builder()
            .services(services)
            .authorizer(AllowAll)
            .clock(move || time)
            .start(plan, stores)
            .await
            .expect("a store in memory can be prepared");
        let mut call = dispatcher.execute(self.command);
        if let Some(id) = id {
            call = call.id(id);
        }
        if let Some(actor) = history.actor {
            call = call.actor(actor);
        }
        call.with_metadata(history.metadata).await?;
        let events = dispatcher
            .events(EventQuery::All)
            .after(head)
            .all()
            .await
            .expect("a store in memory can be read");
        Ok(Decided {
            events: events.iter().map(|event| Recorded::clone(event)).collect(),
            statements: log.statements(),
        })
    }
}

/// The outcome of a command that succeeded.
struct Decided {
    events: Vec<Recorded>,
    statements: Vec<String>,
}

#[track_caller]
fn handler<C: Command>(module: Option<Module>) -> &'static CommandHandlerEntry {
    let handlers: Vec<_> = Registry::get()
        .command_handlers
        .iter()
        .copied()
        .filter(|entry| (entry.type_id)() == TypeId::of::<C>())
        .filter(|entry| module.is_none_or(|module| entry.source.is_within(module.path())))
        .collect();
    match handlers[..] {
        [handler] => handler,
        [] => panic!(
            "`{}` has no handler: is its module linked into this test?",
            C::NAME
        ),
        _ => panic!(
            "`{}` has several handlers: choose one with `.module(..)`",
            C::NAME
        ),
    }
}

fn listed(events: Vec<Recorded>) -> String {
    let events = events.into_iter().map(|event| event.data);
    let lines: Vec<_> = events.flat_map(|event| event.lines()).collect();
    format!("  {}\n", lines.join("\n  "))
}

fn described<E: fmt::Debug + fmt::Display>(
    outcome: Result<Vec<Recorded>, CommandError<E>>,
) -> String {
    match outcome {
        Err(CommandError::Rejected(error)) => format!("rejected: {error:?}"),
        Err(error) => format!("not rejected, but {error}"),
        Ok(events) => {
            let events: Vec<_> = events.into_iter().map(|event| event.data).collect();
            format!("not rejected, but {}", count(&events))
        }
    }
}

fn count(events: &[EventData]) -> String {
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
