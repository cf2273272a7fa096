use std::marker::PhantomData;
use std::time::Duration;

use serde_json::Value;

use super::difference::{Lines, difference, fields};
use super::given_events::{new_events, run};
use super::reaction::Commands;
use crate::auth::Actor;
use crate::dispatcher::sent::SentCommand;
use crate::dispatcher::{Rehearsal, Rehearsed, RehearsedEvent};
use crate::error::Rejected;
use crate::handler::ProcessManager;
use crate::message::{AggregateId, Command, Event, IntoEvents};
use crate::registry::ProcessEntry;
use crate::store::{CustomMetadata, EventData};
use crate::{CommandId, Timestamp};

/// Maximum number of deadlines that [`ProcessManagerTest::elapsed`] has occur.
const MAX_DEADLINES: usize = 10_000;

/// Begins a test of a process manager:
/// `process_manager::<Checkout>().given(events).when(event).then_sends(command)`.
///
/// Its steps handle the events as in a program. Nothing is stored, no command is carried out, and time
/// passes by [`elapsed`](ProcessManagerTest::elapsed) only, so no test waits.
///
/// ```
/// use std::time::Duration;
///
/// use cqrs_core::prelude::*;
/// use cqrs_core::testing::process_manager;
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # #[event(name = "order-placed", version = 1)]
/// # struct OrderPlaced {
/// #     #[id(Order)]
/// #     order: u32,
/// # }
/// #
/// # #[derive(Event, Serialize, Deserialize)]
/// # #[event(name = "payment-due", version = 1)]
/// # struct PaymentDue {
/// #     #[id(Order)]
/// #     order: u32,
/// # }
/// #
/// # #[derive(Command, Clone, Serialize, Deserialize)]
/// # struct ReserveStock {
/// #     order: u32,
/// # }
/// #
/// # #[derive(Command, Clone, Serialize, Deserialize)]
/// # struct CancelOrder {
/// #     order: u32,
/// # }
/// #
/// #[derive(Default, Serialize, Deserialize)]
/// struct Checkout {
///     is_late: bool,
/// }
///
/// #[process_manager(name = "checkout", id(Order = u32))]
/// impl Checkout {
///     #[start]
///     fn placed(&mut self, event: &OrderPlaced) -> (ReserveStock, Deadline<PaymentDue>) {
///         let order = event.order;
///         let due = Deadline::after(PaymentDue { order }, Duration::from_secs(60));
///         (ReserveStock { order }, due)
///     }
///
///     #[due]
///     fn late(&mut self, due: &PaymentDue) -> (CancelOrder, End) {
///         self.is_late = true;
///         (CancelOrder { order: due.order }, End)
///     }
///
///     #[rejected]
///     fn refused(&mut self, command: &ReserveStock, _: &Rejected) -> (CancelOrder, End) {
///         (CancelOrder { order: command.order }, End)
///     }
/// }
///
/// # fn main() {
/// let order = 1;
/// let minute = Duration::from_secs(60);
/// process_manager::<Checkout>()
///     .when(OrderPlaced { order })
///     .then_sends(ReserveStock { order })
///     .then_deadline(PaymentDue { order }, minute)
///     .elapsed(minute)
///     .then_sends(CancelOrder { order })
///     .then_state(Checkout { is_late: true })
///     .then_ended();
///
/// process_manager::<Checkout>()
///     .given(OrderPlaced { order })
///     .rejected(ReserveStock { order }, "it is sold out".into())
///     .then_sends(CancelOrder { order })
///     .then_no_deadline()
///     .then_ended();
/// # }
/// ```
#[must_use = "nothing is tested until `.when(event).then_sends(..)`"]
pub fn process_manager<P: ProcessManager>() -> ProcessManagerTest<P> {
    ProcessManagerTest {
        rehearsal: Rehearsal::new(const { &ProcessEntry::of::<P>() }),
        time: Timestamp::UNIX_EPOCH,
        actor: None,
        metadata: CustomMetadata::default(),
        key: None,
        sent: Vec::new(),
        failure: None,
        of: PhantomData,
    }
}

/// A process manager with the events that it has handled. `then` calls are about what the last `when`,
/// `elapsed` or `rejected` has led to, and about the instance of the last event.
pub struct ProcessManagerTest<P> {
    rehearsal: Rehearsal,
    time: Timestamp,
    actor: Option<Actor>,
    metadata: CustomMetadata,
    /// Of the instance of the last event.
    key: Option<String>,
    /// The commands that were sent since the last `when`, `elapsed` or `rejected`.
    sent: Vec<SentCommand>,
    failure: Option<String>,
    of: PhantomData<fn() -> P>,
}

#[allow(
    clippy::return_self_not_must_use,
    reason = "a test ends with any of the `then` calls"
)]
impl<P: ProcessManager> ProcessManagerTest<P> {
    /// Adds events to the history. The process manager handles them; what it sends is not compared. As in a
    /// program, those that no step takes do not reach it.
    ///
    /// # Panics
    /// With the error, if a step fails.
    #[track_caller]
    pub fn given(mut self, events: impl IntoEvents) -> Self {
        let mut taken = new_events(events);
        taken.retain(|data| self.rehearsal.takes(&data.event_type));
        self.record(taken);
        self.check();
        self.sent.clear();
        self
    }

    /// Sets the time of the following events. Defaults to the epoch. Deadlines that are due by then do not
    /// occur, unless [`elapsed`](Self::elapsed) follows.
    pub fn at(mut self, time: Timestamp) -> Self {
        self.time = time;
        self
    }

    /// Sets the actor of the following events. Defaults to none.
    pub fn by(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Adds custom metadata to the following events. As in a program, deadlines and rejections have that of the event
    /// that has led to them.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.set(key, value);
        self
    }

    /// Has the process manager handle an event, or several.
    ///
    /// # Panics
    /// When no step takes the event.
    #[track_caller]
    pub fn when(mut self, events: impl IntoEvents) -> Self {
        self.check();
        self.sent.clear();
        let events = new_events(events);
        for data in &events {
            assert!(
                self.rehearsal.takes(&data.event_type),
                "no step of `{}` takes `{}`",
                P::NAME,
                data.event_type
            );
        }
        self.record(events);
        self
    }

    /// Lets time pass. The deadlines that are due meanwhile occur, each at its time.
    ///
    /// # Panics
    /// When so many are due that they must have no end.
    #[track_caller]
    pub fn elapsed(mut self, duration: Duration) -> Self {
        self.check();
        self.sent.clear();
        let until = self.time.checked_add(duration).unwrap_or(Timestamp::MAX);
        for _ in 0..MAX_DEADLINES {
            let Some(next) = self.rehearsal.next_due(until) else {
                self.time = until;
                return self;
            };
            // One that was set for a time that is past occurs at once.
            let time = next.time.max(self.time);
            self.time = time;
            self.handle(RehearsedEvent { time, ..next });
            if self.failure.is_some() {
                return self;
            }
        }
        panic!(
            "`{}` sets one deadline after the other: {MAX_DEADLINES} were due",
            P::NAME
        );
    }

    /// Has the process manager handle the rejection of a command that it has sent, also after its end.
    ///
    /// # Panics
    /// When it has not sent the command, or has no `#[rejected]` for it.
    #[track_caller]
    pub fn rejected<C: Command>(mut self, command: C, reason: C::Error) -> Self {
        self.check();
        self.sent.clear();
        let (command, reason) = (SentCommand::new(&command), Rejected::of(reason, |_| None));
        let rejection = self.rehearsal.rejection(&command, &reason, self.time);
        match rejection {
            Ok(next) => self.handle(next),
            Err(error) => panic!("`{}`: {error}", P::NAME),
        }
        self
    }

    /// Turns to the instance with this id.
    pub fn of(mut self, id: &P::Id) -> Self {
        self.key = Some(id.tag(P::KEY).id().to_owned());
        self
    }

    /// Asserts that exactly these commands were sent, in this order. `()` stands for no command.
    ///
    /// # Panics
    /// With a table of the differences, or with the error if a step failed.
    #[track_caller]
    pub fn then_sends(self, expected: impl Commands) -> Self {
        self.check();
        let mut commands = Vec::new();
        expected.list(&mut commands);
        if let Some(table) = difference(&commands, &self.sent) {
            panic!("`{}` sent other commands than expected\n\n{table}", P::NAME);
        }
        self
    }

    /// Asserts that the instance waits for a deadline with this event, which is due after the duration from
    /// now.
    ///
    /// # Panics
    /// With a table of the differences.
    #[track_caller]
    pub fn then_deadline<E: Event>(self, event: E, after: Duration) -> Self {
        let due = self.time.checked_add(after).unwrap_or(Timestamp::MAX);
        let expected: Vec<_> = new_events(event)
            .into_iter()
            .map(|event| WaitingDeadline { event, due })
            .collect();
        let mut actual = self.deadlines();
        if actual
            .iter()
            .any(|it| it.event.event_type.as_str() == E::NAME)
        {
            actual.retain(|it| it.event.event_type.as_str() == E::NAME);
        }
        Self::compare_deadlines(&expected, &actual);
        self
    }

    /// Asserts that the instance waits for no deadline.
    ///
    /// # Panics
    /// With a table of its deadlines.
    #[track_caller]
    pub fn then_no_deadline(self) -> Self {
        Self::compare_deadlines(&[], &self.deadlines());
        self
    }

    /// Asserts that the state of the instance is exactly the expected one.
    ///
    /// # Panics
    /// With a table of the differences.
    #[track_caller]
    pub fn then_state(self, expected: P) -> Self {
        let expected = match expected.save() {
            Ok(json) => serde_json::from_slice(&json).unwrap_or_default(),
            Err(error) => panic!("`{}`: the expected state: {error}", P::NAME),
        };
        let actual = self.instance().state;
        if let Some(table) = difference(&[JsonState(expected)], &[JsonState(actual)]) {
            panic!("the state of `{}` differs\n\n{table}", P::NAME);
        }
        self
    }

    /// Asserts that the instance has ended.
    ///
    /// # Panics
    /// When it has not.
    #[track_caller]
    pub fn then_ended(self) -> Self {
        assert!(
            self.instance().has_ended,
            "the instance of `{}` has not ended",
            P::NAME
        );
        self
    }

    /// Asserts that the instance has begun and has not ended.
    ///
    /// # Panics
    /// When it has ended.
    #[track_caller]
    pub fn then_running(self) -> Self {
        assert!(
            !self.instance().has_ended,
            "the instance of `{}` has ended",
            P::NAME
        );
        self
    }

    /// Asserts that a step failed with this error text.
    ///
    /// # Panics
    /// When none failed, or the text differs.
    #[track_caller]
    pub fn then_error(self, expected: &str) {
        match self.failure {
            None => panic!("no step of `{}` failed", P::NAME),
            Some(error) => assert_eq!(error, expected, "`{}`", P::NAME),
        }
    }

    /// The commands that the last `when`, `elapsed` or `rejected` led to.
    pub fn sent(&self) -> &[SentCommand] {
        &self.sent
    }

    #[track_caller]
    fn record(&mut self, events: Vec<EventData>) {
        for data in events {
            let actor = self.actor.as_ref().map(|actor| actor.name().to_owned());
            let (command, time) = (CommandId::new(), self.time);
            self.handle(RehearsedEvent {
                data,
                command,
                time,
                actor,
                metadata: self.metadata.clone(),
            });
        }
    }

    #[track_caller]
    fn handle(&mut self, next: RehearsedEvent) {
        if self.failure.is_some() {
            return;
        }
        self.key = self.rehearsal.keys(&next.data).next().map(str::to_owned);
        match run(self.rehearsal.handle(next)) {
            Ok(commands) => self.sent.extend(commands),
            Err(error) => self.failure = Some(error),
        }
    }

    #[track_caller]
    fn check(&self) {
        if let Some(error) = &self.failure {
            panic!("`{}`: {error}", P::NAME);
        }
    }

    /// The instance of the last event.
    #[track_caller]
    fn instance(&self) -> Rehearsed {
        self.check();
        let key = self.key.as_deref().unwrap_or_default();
        self.rehearsal
            .instance(key)
            .unwrap_or_else(|| panic!("no instance of `{}` has begun for `{key}`", P::NAME))
    }

    #[track_caller]
    fn deadlines(&self) -> Vec<WaitingDeadline> {
        let deadlines = self.instance().deadlines.into_iter();
        let waiting = deadlines.map(|(event, due)| WaitingDeadline { event, due });
        waiting.collect()
    }

    #[track_caller]
    fn compare_deadlines(expected: &[WaitingDeadline], actual: &[WaitingDeadline]) {
        if let Some(table) = difference(expected, actual) {
            panic!("the deadlines of `{}` differ\n\n{table}", P::NAME);
        }
    }
}

/// A deadline that an instance waits for.
#[derive(Debug, PartialEq)]
struct WaitingDeadline {
    event: EventData,
    due: Timestamp,
}

impl Lines for WaitingDeadline {
    const NOTHING: &'static str = "(no deadline)";

    fn lines(&self) -> Vec<String> {
        let mut lines = self.event.lines();
        lines.insert(1, format!("  due {}", self.due));
        lines
    }
}

/// A state of an instance.
#[derive(Debug, PartialEq)]
struct JsonState(Value);

impl Lines for JsonState {
    const NOTHING: &'static str = "(no state)";

    fn lines(&self) -> Vec<String> {
        fields(&self.0)
    }
}
