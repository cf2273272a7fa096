//! The entries that macros registered in this process. The only file that names `inventory`, and longer than
//! 500 lines as it is one list: what is known of each kind of message and handler.

use std::any::{Any, TypeId};
use std::sync::LazyLock;
use std::time::Duration;

use crate::error::Failure;
use crate::handler::{
    self, AggregateType, CommandFn, CommandHandler, ErasedCommand, ErasedProcess, ErasedQuery,
    EventHandler, Fold, HandledEvent, Input, OnFailure, Parse, ProcessManager, Projection, QueryFn,
    QueryHandler, ReactionReply, ReactionScope, Setup, StepKind, TypedProcess, UpcastResult,
    Upcaster,
};
use crate::json;
use crate::message::{
    Aggregate, CellPlace, Command, EffectKind, Event, Field, Query, RowRule, Schemas,
};
use crate::panic::guarded;
use crate::source::Source;
use crate::store::{EventQuery, EventQueryItem, EventType, Recorded};

#[doc(hidden)]
pub use inventory::submit;

/// A command or query, as its derive registers it.
#[derive(Clone, Copy, Debug)]
pub struct MessageEntry {
    /// The wire name.
    pub name: &'static str,
    /// Command or query.
    pub kind: MessageKind,
    /// The permission that an actor needs.
    pub permission: Option<&'static str>,
    /// Whether a query shows each actor other rows.
    pub has_rows: bool,
    /// The place of the message's declaration.
    pub source: Source,
    /// The documentation comment of the message's type.
    pub docs: &'static str,
    /// The fields.
    pub fields: &'static [Field],
    /// The JSON schema, if the type derives one.
    pub schema: fn() -> Option<serde_json::Value>,
    /// The JSON schema of a query's answer or of a command's error, if that type derives one.
    pub outcome: fn() -> Option<serde_json::Value>,
}

/// Command or query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageKind {
    /// A command.
    Command,
    /// A query.
    Query,
}

impl MessageKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Query => "query",
        }
    }
}

impl MessageEntry {
    /// Registers the command `C`.
    pub const fn command<C: Command>(
        source: Source,
        docs: &'static str,
        schema: fn() -> Option<serde_json::Value>,
    ) -> Self {
        let (kind, permission) = (MessageKind::Command, C::PERMISSION);
        Self {
            name: C::NAME,
            kind,
            permission,
            has_rows: false,
            source,
            docs,
            fields: &[],
            schema,
            outcome: || None,
        }
    }

    /// Registers the query `Q`.
    pub const fn query<Q: Query>(
        source: Source,
        docs: &'static str,
        schema: fn() -> Option<serde_json::Value>,
    ) -> Self {
        let (kind, permission) = (MessageKind::Query, Q::PERMISSION);
        Self {
            name: Q::NAME,
            kind,
            permission,
            has_rows: Q::ROWS.is_some(),
            source,
            docs,
            fields: &[],
            schema,
            outcome: || None,
        }
    }

    /// Sets the [`fields`](Self::fields).
    #[must_use]
    pub const fn with_fields(self, fields: &'static [Field]) -> Self {
        Self { fields, ..self }
    }

    /// Sets the [`outcome`](Self::outcome).
    #[must_use]
    pub const fn with_outcome(self, outcome: fn() -> Option<serde_json::Value>) -> Self {
        Self { outcome, ..self }
    }
}

/// An event, as its derive registers it.
#[derive(Clone, Copy, Debug)]
pub struct EventEntry {
    /// The wire name.
    pub name: &'static str,
    /// The version of the wire format.
    pub version: u32,
    /// The names of the aggregates that the event concerns.
    pub concerns: &'static [&'static str],
    /// Those of them of which the event may have several ids.
    pub repeated: &'static [&'static str],
    /// The names of events that it replaced, and that nothing reads.
    pub retired: &'static [&'static str],
    /// Its own earlier names, under which the log may have it.
    pub was: &'static [&'static str],
    /// The place of the event's declaration.
    pub source: Source,
    /// The documentation comment of the event's type.
    pub docs: &'static str,
    /// The fields.
    pub fields: &'static [Field],
    /// The JSON schema, if the type derives one.
    pub schema: fn() -> Option<serde_json::Value>,
    /// The JSON schemas of what is written and read, if the type derives one.
    #[cfg_attr(
        not(feature = "schema"),
        expect(dead_code, reason = "for the schema lock")
    )]
    pub(crate) schemas: fn() -> Option<Schemas>,
    /// Decodes a payload, and records the event again.
    pub(crate) check: fn(&[u8]) -> Result<Vec<u8>, String>,
}

impl EventEntry {
    /// Registers the event `E`.
    pub const fn of<E: Event>(
        concerns: &'static [&'static str],
        source: Source,
        docs: &'static str,
        schema: fn() -> Option<serde_json::Value>,
    ) -> Self {
        Self {
            name: E::NAME,
            version: E::VERSION,
            concerns,
            repeated: &[],
            retired: &[],
            was: &[],
            source,
            docs,
            fields: &[],
            schema,
            schemas: || None,
            check: |payload| match json::decode::<E>(payload) {
                Ok(event) => json::encode(&event)
                    .map_err(|error| format!("cannot be recorded again: {error}")),
                Err(error) => Err(format!("cannot be read: {error}")),
            },
        }
    }

    /// Sets the schemas of what is written and read.
    #[must_use]
    pub const fn with_schemas(self, schemas: fn() -> Option<Schemas>) -> Self {
        Self { schemas, ..self }
    }

    /// Sets the [`fields`](Self::fields).
    #[must_use]
    pub const fn with_fields(self, fields: &'static [Field]) -> Self {
        Self { fields, ..self }
    }

    /// Sets [`repeated`](Self::repeated).
    #[must_use]
    pub const fn with_repeated(self, repeated: &'static [&'static str]) -> Self {
        Self { repeated, ..self }
    }

    /// Sets [`retired`](Self::retired).
    #[must_use]
    pub const fn with_retired(self, retired: &'static [&'static str]) -> Self {
        Self { retired, ..self }
    }

    /// Sets [`was`](Self::was).
    #[must_use]
    pub const fn with_was(self, was: &'static [&'static str]) -> Self {
        Self { was, ..self }
    }

    /// The name, and the earlier ones.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        [self.name].into_iter().chain(self.was.iter().copied())
    }
}

/// An upcaster, as its attribute registers it.
#[derive(Clone, Copy)]
pub struct UpcasterEntry {
    /// The function's name.
    pub name: &'static str,
    /// The wire name of its event.
    pub event: &'static str,
    /// The version that it takes.
    pub from: u32,
    /// Hash of the function, as it is written.
    pub(crate) fingerprint: u64,
    /// The place of the function.
    pub source: Source,
    pub(crate) run: fn(&[u8]) -> UpcastResult,
}

impl UpcasterEntry {
    /// Registers the upcaster `U`.
    pub const fn of<U: Upcaster>() -> Self {
        Self {
            name: U::NAME,
            event: U::EVENT,
            from: U::FROM,
            fingerprint: U::FINGERPRINT,
            source: U::SOURCE,
            run: |payload| guarded(|| U::NAME, || U::upcast(json::decode(payload)?))?,
        }
    }
}

/// An aggregate, as its attribute registers it.
#[derive(Clone, Copy, Debug)]
pub struct AggregateEntry {
    /// The aggregate.
    pub aggregate: AggregateType,
    /// Its name in the log, if that is an earlier one.
    pub was: Option<&'static str>,
    /// The documentation comment of the `impl` block.
    pub docs: &'static str,
    /// The place of the aggregate's declaration.
    pub source: Source,
    /// The JSON schemas of its stored state, if it is stored and the type derives one.
    #[cfg_attr(
        not(feature = "schema"),
        expect(dead_code, reason = "for the schema lock")
    )]
    pub(crate) schemas: fn() -> Option<Schemas>,
}

impl AggregateEntry {
    /// Registers the aggregate `A`.
    pub const fn of<A: Aggregate>(source: Source) -> Self {
        Self {
            aggregate: AggregateType::of::<A>(),
            was: A::WAS,
            docs: "",
            source,
            schemas: || None,
        }
    }

    /// Sets [`docs`](Self::docs).
    #[must_use]
    pub const fn with_docs(self, docs: &'static str) -> Self {
        Self { docs, ..self }
    }

    /// Sets the schemas of the stored state.
    #[must_use]
    pub const fn with_schemas(self, schemas: fn() -> Option<Schemas>) -> Self {
        Self { schemas, ..self }
    }

    /// The name in the log and in the keys of stored states.
    #[cfg_attr(
        not(feature = "schema"),
        expect(dead_code, reason = "for the schema lock")
    )]
    pub(crate) fn stored_name(&self) -> &'static str {
        self.was.unwrap_or(self.aggregate.name)
    }
}

/// A command handler or a query handler, as its attribute registers it. `M` is the message without
/// its type.
pub struct HandlerEntry<M: ?Sized> {
    /// The function's name.
    pub(crate) name: &'static str,
    /// The message's wire name.
    pub(crate) message: &'static str,
    /// The function's documentation comment.
    pub(crate) docs: &'static str,
    /// The place of the function.
    pub(crate) source: Source,
    pub(crate) is_async: bool,
    /// The function's inputs, without the message.
    pub(crate) inputs: fn() -> Vec<Input>,
    /// The wire names of the events that a command handler may return.
    pub(crate) emits: fn() -> Vec<&'static str>,
    /// The message's type.
    pub(crate) type_id: fn() -> TypeId,
    /// Puts the handler into the message's cell, and returns its place.
    pub(crate) place: fn() -> Option<CellPlace>,
    /// The [`CommandFn`] or [`QueryFn`], without its type.
    pub(crate) run: fn() -> Box<dyn Any + Send + Sync>,
    /// The permission that an actor needs.
    pub(crate) permission: Option<&'static str>,
    /// What an actor may see of the read models of a query.
    pub(crate) rows: Option<fn() -> Vec<RowRule>>,
    pub(crate) parse: Parse<M>,
}

/// The entry of a command handler.
pub(crate) type CommandHandlerEntry = HandlerEntry<dyn ErasedCommand>;

/// The entry of a query handler.
pub(crate) type QueryHandlerEntry = HandlerEntry<dyn ErasedQuery>;

impl HandlerEntry<dyn ErasedCommand> {
    /// Registers the command handler `H`.
    pub const fn command<H: CommandHandler<Command: Command>>() -> Self {
        Self {
            name: H::NAME,
            message: <H::Command as Command>::NAME,
            docs: "",
            source: H::SOURCE,
            is_async: H::IS_ASYNC,
            inputs: H::inputs,
            emits: H::emits,
            type_id: TypeId::of::<H::Command>,
            place: || H::Command::cell().fill::<H>(CommandFn::of::<H>()),
            run: || Box::new(CommandFn::of::<H>()),
            permission: <H::Command as Command>::PERMISSION,
            rows: None,
            parse: handler::parse_command::<H>,
        }
    }
}

impl HandlerEntry<dyn ErasedQuery> {
    /// Registers the query handler `H`.
    pub const fn query<H: QueryHandler>() -> Self {
        Self {
            name: H::NAME,
            message: <H::Query as Query>::NAME,
            docs: "",
            source: H::SOURCE,
            is_async: H::IS_ASYNC,
            inputs: H::inputs,
            emits: Vec::new,
            type_id: TypeId::of::<H::Query>,
            place: || H::Query::cell().fill::<H>(QueryFn::of::<H>()),
            run: || Box::new(QueryFn::of::<H>()),
            permission: <H::Query as Query>::PERMISSION,
            rows: <H::Query as Query>::ROWS,
            parse: handler::parse_query::<H>,
        }
    }
}

/// The part of a handler's entry that the wiring checks and describes.
#[derive(Clone, Copy)]
pub(crate) struct HandlerSummary {
    pub(crate) kind: MessageKind,
    /// The message's wire name.
    pub(crate) message: &'static str,
    /// The function's name.
    pub(crate) name: &'static str,
    pub(crate) source: Source,
    pub(crate) docs: &'static str,
    pub(crate) inputs: fn() -> Vec<Input>,
    /// The wire names of the events that a command handler may return.
    pub(crate) emits: fn() -> Vec<&'static str>,
}

impl<M: ?Sized> HandlerEntry<M> {
    /// Sets the documentation comment.
    #[must_use]
    pub const fn with_docs(self, docs: &'static str) -> Self {
        Self { docs, ..self }
    }

    /// The part that the wiring checks and describes.
    pub(crate) fn summary(&self, kind: MessageKind) -> HandlerSummary {
        HandlerSummary {
            kind,
            message: self.message,
            name: self.name,
            source: self.source,
            docs: self.docs,
            inputs: self.inputs,
            emits: self.emits,
        }
    }
}

/// A projection, as its attribute registers it.
#[derive(Clone, Copy)]
pub struct ProjectionEntry {
    /// The name.
    pub name: &'static str,
    /// Its name in the store, if that is an earlier one.
    pub was: Option<&'static str>,
    /// The version.
    pub version: u32,
    /// The name of the aggregate by whose id its events are divided.
    pub partition: Option<&'static str>,
    /// What becomes of an event that keeps failing.
    pub on_failure: OnFailure,
    /// See [`Projection::OTHER_ITEMS`].
    pub other_items: &'static [(&'static str, u64)],
    /// See [`Projection::UNCHANGED`].
    pub unchanged: Option<u64>,
    /// The documentation comment of the `impl` block.
    pub docs: &'static str,
    /// The place of the projection's declaration.
    pub source: Source,
    /// The `#[on]` methods.
    pub folds: fn() -> Vec<Fold>,
    /// The `#[setup]` method.
    pub setup: fn() -> Option<Setup>,
}

impl ProjectionEntry {
    /// Registers the projection `P`.
    pub const fn of<P: Projection>() -> Self {
        Self {
            name: P::NAME,
            was: P::WAS,
            version: P::VERSION,
            partition: P::PARTITION,
            on_failure: P::ON_FAILURE,
            other_items: P::OTHER_ITEMS,
            unchanged: P::UNCHANGED,
            docs: "",
            source: P::SOURCE,
            folds: P::folds,
            setup: P::setup,
        }
    }

    /// Sets [`docs`](Self::docs).
    #[must_use]
    pub const fn with_docs(self, docs: &'static str) -> Self {
        Self { docs, ..self }
    }

    /// The name under which its checkpoint and its read models are stored.
    pub(crate) fn stored_name(&self) -> &'static str {
        self.was.unwrap_or(self.name)
    }
}

/// A reaction, as its attribute registers it.
#[derive(Clone, Copy)]
pub struct ReactionEntry {
    /// The function's name.
    pub name: &'static str,
    /// Its name in the store, if that is an earlier one.
    pub was: Option<&'static str>,
    /// The wire name of the event.
    pub event: &'static str,
    /// Whether a new reaction starts with the first event of the log.
    pub from_start: bool,
    /// The name of the aggregate by whose id its events are divided.
    pub partition: Option<&'static str>,
    /// What becomes of an event that keeps failing.
    pub on_failure: OnFailure,
    /// The function's documentation comment.
    pub docs: &'static str,
    /// The place of the function.
    pub source: Source,
    /// The function's inputs, without the event.
    pub inputs: fn() -> Vec<Input>,
    /// The wire names of the commands that the function may return.
    pub sends: fn() -> Vec<&'static str>,
    pub(crate) run: for<'a> fn(&'a Recorded, &'a ReactionScope<'a>) -> ReactionReply<'a>,
}

impl ReactionEntry {
    /// Registers the reaction `H`.
    pub const fn of<H: EventHandler>() -> Self {
        Self {
            name: H::NAME,
            was: H::WAS,
            event: <H::Event as HandledEvent>::NAME,
            from_start: H::FROM_START,
            partition: H::PARTITION,
            on_failure: H::ON_FAILURE,
            docs: "",
            source: H::SOURCE,
            inputs: H::inputs,
            sends: H::sends,
            run: |recorded, scope| match H::Event::decode(recorded) {
                Ok(event) => H::handle(event, scope),
                Err(error) => ReactionReply::Now(Err(error)),
            },
        }
    }

    /// Sets [`docs`](Self::docs).
    #[must_use]
    pub const fn with_docs(self, docs: &'static str) -> Self {
        Self { docs, ..self }
    }

    /// The name under which its checkpoint is stored, and which the ids of its commands are derived from.
    pub(crate) fn stored_name(&self) -> &'static str {
        self.was.unwrap_or(self.name)
    }
}

/// A process manager, as its attribute registers it.
#[derive(Clone, Copy)]
pub struct ProcessEntry {
    /// The name.
    pub name: &'static str,
    /// Its name in the store and in the log, if that is an earlier one.
    pub was: Option<&'static str>,
    /// The name of the tag whose id an instance has.
    pub key: &'static str,
    /// Hash of the `impl` block.
    pub fingerprint: u64,
    /// How long an ended instance is kept.
    pub keep: Option<Duration>,
    /// Whether a new process manager starts with the first event of the log.
    pub(crate) from_start: bool,
    /// The documentation comment of the `impl` block.
    pub docs: &'static str,
    /// The place of the `impl` block.
    pub source: Source,
    /// The marked methods.
    pub(crate) steps: fn() -> Vec<ProcessStep>,
    pub(crate) process: fn() -> Box<dyn ErasedProcess>,
    /// The JSON schemas of the state, if the type derives one.
    #[cfg_attr(
        not(feature = "schema"),
        expect(dead_code, reason = "for the schema lock")
    )]
    pub(crate) schemas: fn() -> Option<Schemas>,
    /// Checks that a state can be read.
    #[cfg_attr(
        not(feature = "schema"),
        expect(dead_code, reason = "for the schema lock")
    )]
    pub(crate) check: fn(&[u8]) -> Result<(), String>,
}

/// A step of a process manager without its type.
#[derive(Clone)]
pub(crate) struct ProcessStep {
    pub(crate) name: &'static str,
    pub(crate) line: u32,
    pub(crate) kind: StepKind,
    /// The wire name of its event. `None` for a rejected command.
    pub(crate) event: Option<&'static str>,
    pub(crate) effects: Vec<EffectKind>,
}

impl ProcessEntry {
    /// Registers the process manager `P`.
    pub const fn of<P: ProcessManager>() -> Self {
        Self {
            name: P::NAME,
            was: P::WAS,
            key: P::KEY,
            fingerprint: P::FINGERPRINT,
            keep: P::KEEP,
            from_start: false,
            docs: "",
            source: P::SOURCE,
            steps: || {
                let steps = P::steps().into_iter();
                let erased = steps.map(|step| ProcessStep {
                    name: step.name,
                    line: step.line,
                    kind: step.kind,
                    event: step.event,
                    effects: (step.effects)(),
                });
                erased.collect()
            },
            process: || Box::new(TypedProcess::<P>::new()),
            schemas: || None,
            check: |state| {
                let read = P::restore(state);
                read.map(drop).map_err(|error| error.to_string())
            },
        }
    }

    /// Sets the schemas of the state.
    #[must_use]
    pub const fn with_schemas(self, schemas: fn() -> Option<Schemas>) -> Self {
        Self { schemas, ..self }
    }

    /// Sets [`docs`](Self::docs).
    #[must_use]
    pub const fn with_docs(self, docs: &'static str) -> Self {
        Self { docs, ..self }
    }

    /// The name under which its instances are stored.
    pub(crate) fn stored_name(&self) -> &'static str {
        self.was.unwrap_or(self.name)
    }

    /// The stored name of its subscription.
    pub(crate) fn subscription(&self) -> String {
        format!("process:{}", self.stored_name())
    }

    /// The events of all instances.
    pub(crate) fn query(&self) -> EventQuery {
        let own = (self.steps)().into_iter().filter_map(|step| step.event);
        let types = own.map(EventType::new);
        EventQuery::Items(vec![EventQueryItem {
            types: types.chain([self.rejection().into()]).collect(),
            tags: Vec::new(),
        }])
    }

    /// The wire name of the event that one of its commands was rejected. No event of a program has one of
    /// this form.
    pub(crate) fn rejection(&self) -> String {
        format!("{RESERVED}{}:rejected", self.stored_name())
    }
}

/// The beginning of the wire names that belong to the framework.
pub(crate) const RESERVED: &str = "process:";

/// The name of the process manager that sends scheduled commands.
pub(crate) const SCHEDULED_COMMANDS: &str = "scheduled-commands";

/// An entry that a macro submits.
pub(crate) trait Registered: inventory::Collect {
    /// The name by which entries are sorted.
    fn sort_key(&self) -> &'static str;

    /// The place of the item.
    fn source(&self) -> Source;
}

macro_rules! entries {
    ($($entry:ty: $($name:ident).+, $($source:ident).+;)+) => {$(
        inventory::collect!($entry);

        impl Registered for $entry {
            fn sort_key(&self) -> &'static str {
                self.$($name).+
            }

            fn source(&self) -> Source {
                self.$($source).+
            }
        }
    )+};
}

entries! {
    MessageEntry: name, source;
    EventEntry: name, source;
    AggregateEntry: aggregate.name, source;
    CommandHandlerEntry: message, source;
    QueryHandlerEntry: message, source;
    ProjectionEntry: name, source;
    ReactionEntry: name, source;
    ProcessEntry: name, source;
    UpcasterEntry: event, source;
}

/// All entries of this process, sorted by name and place, so that nothing depends on the order in
/// which the linker laid them out.
pub(crate) struct Registry {
    /// Commands and queries.
    pub(crate) messages: Vec<&'static MessageEntry>,
    pub(crate) events: Vec<&'static EventEntry>,
    pub(crate) aggregates: Vec<&'static AggregateEntry>,
    pub(crate) command_handlers: Vec<&'static CommandHandlerEntry>,
    pub(crate) query_handlers: Vec<&'static QueryHandlerEntry>,
    pub(crate) projections: Vec<&'static ProjectionEntry>,
    pub(crate) reactions: Vec<&'static ReactionEntry>,
    pub(crate) processes: Vec<&'static ProcessEntry>,
    pub(crate) upcasters: Vec<&'static UpcasterEntry>,
}

impl Registry {
    /// The registry of this process.
    pub(crate) fn get() -> &'static Self {
        static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry {
            messages: sorted(),
            events: sorted(),
            aggregates: sorted(),
            command_handlers: sorted(),
            query_handlers: sorted(),
            projections: sorted(),
            reactions: sorted(),
            processes: sorted(),
            upcasters: sorted(),
        });
        &REGISTRY
    }

    /// The places of all entries.
    pub(crate) fn sources(&self) -> Vec<Source> {
        fn add<T: Registered>(entries: &[&'static T], sources: &mut Vec<Source>) {
            sources.extend(entries.iter().map(|it| it.source()));
        }
        let mut sources = Vec::new();
        add(&self.messages, &mut sources);
        add(&self.events, &mut sources);
        add(&self.aggregates, &mut sources);
        add(&self.command_handlers, &mut sources);
        add(&self.query_handlers, &mut sources);
        add(&self.projections, &mut sources);
        add(&self.reactions, &mut sources);
        add(&self.processes, &mut sources);
        add(&self.upcasters, &mut sources);
        sources
    }

    /// The handler of this message in any module, whether or not it belongs to a dispatcher.
    pub(crate) fn handler_of(&self, kind: MessageKind, message: &str) -> Option<HandlerSummary> {
        fn find<M: ?Sized>(
            handlers: &[&'static HandlerEntry<M>],
            kind: MessageKind,
            message: &str,
        ) -> Option<HandlerSummary> {
            let handler = handlers.iter().find(|it| it.message == message)?;
            Some(handler.summary(kind))
        }
        match kind {
            MessageKind::Command => find(&self.command_handlers, kind, message),
            MessageKind::Query => find(&self.query_handlers, kind, message),
        }
    }

    /// The error of a message without a handler in the dispatcher.
    pub(crate) fn no_handler(&self, kind: MessageKind, message: &'static str) -> Failure {
        let elsewhere = self.handler_of(kind, message).map(|it| it.source);
        Failure::NoHandler { message, elsewhere }
    }
}

fn sorted<T: Registered>() -> Vec<&'static T> {
    let mut entries: Vec<_> = inventory::iter::<T>.into_iter().collect();
    entries.sort_by_key(|entry| {
        let Source { file, line, module } = entry.source();
        (entry.sort_key(), module, file, line)
    });
    entries
}
