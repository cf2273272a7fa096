use std::sync::Arc;
use std::time::Duration;

use super::difference::{Lines, difference, fields};
use super::given_events::{GivenEvents, new_events, run};
use crate::Timestamp;
use crate::auth::{Actor, AllowAll};
use crate::dispatcher::sent::{SentCommand, SentCommands};
use crate::dispatcher::{Dispatcher, Reaction, WaitingCommand};
use crate::error::Result;
use crate::handler::Services;
use crate::message::{Command, Event, IntoEvents};
use crate::module::Module;
use crate::registry::{ReactionEntry, Registry};
use crate::store::{EventData, EventLog, EventQuery, Position, ReadRange, Recorded};
use crate::wiring::{Plan, Problems, Scope, Stores};

/// Begins a test of the reaction with this name:
/// `reaction("reward").given(events).when(event).then_sent(command)`.
///
/// The reaction runs once, on a store in memory. The commands that it sends run through their real
/// handlers, without authorization; other reactions and process managers do not run. Commands that it
/// schedules do not run: [`then_schedules`](Reacted::then_schedules) compares them.
pub fn reaction(name: &str) -> ReactionTest {
    ReactionTest {
        name: name.to_owned(),
        history: GivenEvents::new(),
        services: Services::default(),
        scope: Scope::default(),
    }
}

/// The history of a test, and the services of the reaction and of the handlers of its commands.
#[must_use = "nothing is tested until `.when(event).then_sent(..)`"]
pub struct ReactionTest {
    name: String,
    history: GivenEvents,
    services: Services,
    scope: Scope,
}

impl ReactionTest {
    /// Adds events to the history, to which the reaction does not react.
    #[track_caller]
    pub fn given(mut self, events: impl IntoEvents) -> Self {
        self.history.add(events);
        self
    }

    /// Sets the time of the following events. Defaults to the epoch.
    pub fn at(mut self, time: Timestamp) -> Self {
        self.history.time = time;
        self
    }

    /// Sets the actor of the following events. Defaults to none.
    pub fn by(mut self, actor: Actor) -> Self {
        self.history.actor = Some(actor);
        self
    }

    /// Adds custom metadata to the following events.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.history.metadata.set(key, value);
        self
    }

    /// Provides a service to the reaction and to the handlers of its commands.
    pub fn provide<T: ?Sized + Send + Sync + 'static>(mut self, service: Arc<T>) -> Self {
        self.services.insert(service);
        self
    }

    /// Sets the module of the reaction and of the handlers of its commands. Needed if several
    /// modules of the test's binary have the same names.
    pub fn module(mut self, module: Module) -> Self {
        self.scope.add(module);
        self
    }

    /// Records the event, and runs the reaction to it.
    ///
    /// # Panics
    /// When no such reaction exists, or it reacts to another event.
    #[track_caller]
    #[must_use = "nothing is tested until `.then_sent(..)`"]
    pub fn when<E: Event>(self, event: E) -> Reacted {
        let reactions = Registry::get().reactions.iter().copied();
        let mut known: Vec<_> = reactions
            .filter(|it| self.scope.includes(it.source))
            .collect();
        let names: Vec<_> = known.iter().map(|it| format!("`{}`", it.name)).collect();
        known.retain(|it| it.name == self.name);
        let entry = match known[..] {
            [entry] => entry,
            [] if names.is_empty() => panic!(
                "there is no reaction `{}`, nor any other: mark its function with \
                 `#[event_handler]`, or name its module with `.module(..)`",
                self.name
            ),
            [] => panic!(
                "there is no reaction `{}`; the reactions are: {}",
                self.name,
                names.join(", ")
            ),
            _ => panic!(
                "several reactions are named `{}`: choose one with `.module(..)`",
                self.name
            ),
        };
        assert!(
            entry.event == E::NAME,
            "`{}` reacts to `{}`, not to `{}`",
            self.name,
            entry.event,
            E::NAME
        );
        let event = new_events(event);
        run(self.react(entry, event))
    }

    async fn react(self, entry: &'static ReactionEntry, event: Vec<EventData>) -> Reacted {
        let store = self.history.store().await;
        let last = self.history.happen(event, &store).await.last;
        let recorded = event_at(&store, last).await;
        // Other problems of the wiring are left to `verify`.
        let mut plan = Plan::new(Registry::get(), &self.scope, &mut Problems::default());
        plan.reactions.clear();
        plan.processes.clear();
        // A store in memory has no transactions.
        plan.projections.retain(|it| !it.takes_transaction());
        let time = self.history.time;
        let sent = Arc::new(SentCommands::default());
        let dispatcher = Dispatcher::builder()
            .services(self.services.clone())
            .authorizer(AllowAll)
            .clock(move || time)
            .record(sent.clone())
            .start(plan, Stores::of(Arc::new(store)))
            .await
            .expect("a store in memory can be prepared");
        let reaction = Reaction::new(entry, &self.services, dispatcher.clone());
        let result = reaction.react(&recorded).await;
        let scheduled = dispatcher.waiting_commands().await;
        Reacted {
            name: entry.name,
            time,
            sent: sent.take(),
            scheduled: scheduled.expect("what was recorded is read back"),
            result,
        }
    }
}

async fn event_at(store: &impl EventLog, position: Position) -> Arc<Recorded> {
    let range = ReadRange::after(position.before());
    let page = store
        .read(EventQuery::All, range)
        .await
        .expect("a store in memory can be read");
    page.events.into_iter().next().expect("it was recorded")
}

/// The effects of a reaction.
pub struct Reacted {
    name: &'static str,
    /// The time of its event.
    time: Timestamp,
    sent: Vec<SentCommand>,
    /// What waits for its time.
    scheduled: Vec<WaitingCommand>,
    result: Result<()>,
}

#[allow(
    clippy::return_self_not_must_use,
    reason = "a test ends with any of the `then` calls"
)]
impl Reacted {
    /// Asserts that the reaction sent exactly these commands, in this order, and did not fail. `()`
    /// stands for no command. Scheduled commands are not among them.
    ///
    /// # Panics
    /// With a table of the differences, or with the error.
    #[track_caller]
    pub fn then_sent(self, expected: impl Commands) -> Self {
        let name = self.name;
        self.check();
        if let Some(table) = difference(&listed(expected), &self.sent) {
            panic!("`{name}` sent other commands than expected\n\n{table}");
        }
        self
    }

    /// Asserts that the reaction has scheduled exactly these commands for the time that is this long after its
    /// event, in this order, and did not fail. A command that it has moved is there for its new time, and one that
    /// it has canceled is not.
    ///
    /// # Panics
    /// With a table of the differences, or with the error.
    #[track_caller]
    pub fn then_schedules(self, expected: impl Commands, after: Duration) -> Self {
        let due = self.time.checked_add(after).unwrap_or(Timestamp::MAX);
        let commands = listed(expected).into_iter();
        let waiting: Vec<_> = commands
            .map(|command| WaitingCommand { command, due })
            .collect();
        let mut actual = self.scheduled.clone();
        // Those for other times have `then` calls of their own.
        if actual.iter().any(|it| it.due == due) {
            actual.retain(|it| it.due == due);
        }
        self.compare_scheduled(&waiting, &actual);
        self
    }

    /// Asserts that the reaction has scheduled nothing that is still to come, and did not fail.
    ///
    /// # Panics
    /// With a table of what it has scheduled, or with the error.
    #[track_caller]
    pub fn then_schedules_nothing(self) -> Self {
        self.compare_scheduled(&[], &self.scheduled);
        self
    }

    #[track_caller]
    fn compare_scheduled(&self, expected: &[WaitingCommand], actual: &[WaitingCommand]) {
        let name = self.name;
        self.check();
        if let Some(table) = difference(expected, actual) {
            panic!("`{name}` has scheduled other commands than expected\n\n{table}");
        }
    }

    #[track_caller]
    fn check(&self) {
        if let Err(error) = &self.result {
            panic!("`{}` failed: {error}", self.name);
        }
    }

    /// Asserts that the reaction failed with this error text.
    ///
    /// # Panics
    /// When it did not fail, or the text differs.
    #[track_caller]
    pub fn then_error(self, expected: &str) {
        match self.result {
            Ok(()) => panic!("`{}` did not fail", self.name),
            Err(error) => assert_eq!(error.to_string(), expected, "`{}`", self.name),
        }
    }

    /// The commands that the reaction sent, including rejected ones, but no scheduled ones.
    pub fn sent(&self) -> &[SentCommand] {
        &self.sent
    }

    /// The reaction's result.
    ///
    /// # Errors
    /// The reaction's error.
    pub fn result(self) -> Result<()> {
        self.result
    }
}

impl Lines for SentCommand {
    const NOTHING: &'static str = "(no command)";

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.name.to_owned()];
        lines.extend(fields(&self.body));
        lines
    }
}

impl Lines for WaitingCommand {
    const NOTHING: &'static str = "(no command)";

    fn lines(&self) -> Vec<String> {
        let mut lines = self.command.lines();
        lines.insert(1, format!("  due {}", self.due));
        lines
    }
}

/// The commands, in order.
fn listed(expected: impl Commands) -> Vec<SentCommand> {
    let mut commands = Vec::new();
    expected.list(&mut commands);
    commands
}

/// The commands that a test expects: a command, a `Vec`, `Option` or tuple of commands, or `()` for
/// none.
pub trait Commands {
    /// Adds the commands, in order.
    fn list(self, commands: &mut Vec<SentCommand>);
}

#[diagnostic::do_not_recommend]
impl<C: Command> Commands for C {
    fn list(self, commands: &mut Vec<SentCommand>) {
        commands.push(SentCommand::new(&self));
    }
}

#[diagnostic::do_not_recommend]
impl Commands for () {
    fn list(self, _: &mut Vec<SentCommand>) {}
}

#[diagnostic::do_not_recommend]
impl<C: Commands> Commands for Option<C> {
    fn list(self, commands: &mut Vec<SentCommand>) {
        if let Some(command) = self {
            command.list(commands);
        }
    }
}

#[diagnostic::do_not_recommend]
impl<C: Commands> Commands for Vec<C> {
    fn list(self, commands: &mut Vec<SentCommand>) {
        for command in self {
            command.list(commands);
        }
    }
}

macro_rules! tuples {
    ($($name:ident)+) => {
        #[diagnostic::do_not_recommend]
        impl<$($name: Commands),+> Commands for ($($name,)+) {
            #[allow(non_snake_case)]
            fn list(self, commands: &mut Vec<SentCommand>) {
                let ($($name,)+) = self;
                $($name.list(commands);)+
            }
        }
    };
}

tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
