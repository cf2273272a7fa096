//! What the macros registered in this process. The only file that names `inventory`.

use std::any::{Any, TypeId};
use std::sync::LazyLock;

use crate::error::Failure;
use crate::handler::{
    self, AggregateType, CommandFn, CommandHandler, EventHandler, Fold, Input, ParseCommand,
    ParseQuery, Projection, QueryFn, QueryHandler, ReactionReply, ReactionScope, Setup,
};
use crate::json;
use crate::message::{Aggregate, CellPlace, Command, Event, Query};
use crate::source::Source;
use crate::store::Recorded;

#[doc(hidden)]
pub use inventory::submit;

/// A command or query, as its derive registers it.
#[derive(Clone, Copy, Debug)]
pub struct MessageEntry {
    /// The wire name.
    pub name: &'static str,
    /// What it is.
    pub kind: MessageKind,
    /// What the actor must hold.
    pub permission: Option<&'static str>,
    /// Where it is.
    pub source: Source,
    /// Its documentation comment.
    pub docs: &'static str,
    /// Its JSON schema, if it derives one.
    pub schema: fn() -> Option<serde_json::Value>,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageKind {
    /// A command.
    Command,
    /// A query.
    Query,
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
            source,
            docs,
            schema,
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
            source,
            docs,
            schema,
        }
    }
}

/// An event, as its derive registers it.
#[derive(Clone, Copy, Debug)]
pub struct EventEntry {
    /// The wire name.
    pub name: &'static str,
    /// The version of the wire format.
    pub version: u32,
    /// The names of the aggregates that it concerns.
    pub concerns: &'static [&'static str],
    /// Where it is.
    pub source: Source,
    /// Its documentation comment.
    pub docs: &'static str,
    /// Its JSON schema, if it derives one.
    pub schema: fn() -> Option<serde_json::Value>,
    /// Says why a payload cannot be read, or what was read not recorded again.
    pub(crate) check: fn(&[u8]) -> Result<(), String>,
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
            source,
            docs,
            schema,
            check: |payload| match json::decode::<E>(payload) {
                Ok(event) => json::encode(&event)
                    .map(drop)
                    .map_err(|error| format!("cannot be recorded again: {error}")),
                Err(error) => Err(format!("cannot be read: {error}")),
            },
        }
    }
}

/// An aggregate, as its attribute registers it.
#[derive(Clone, Copy, Debug)]
pub struct AggregateEntry {
    /// The aggregate.
    pub aggregate: AggregateType,
    /// Where it is.
    pub source: Source,
}

impl AggregateEntry {
    /// Registers the aggregate `A`.
    pub const fn of<A: Aggregate>(source: Source) -> Self {
        Self {
            aggregate: AggregateType::of::<A>(),
            source,
        }
    }
}

/// A command handler, as its attribute registers it.
#[derive(Clone, Copy)]
pub struct CommandHandlerEntry {
    /// The function's name.
    pub name: &'static str,
    /// The command's wire name.
    pub message: &'static str,
    /// Where it is.
    pub source: Source,
    /// What it takes besides the command.
    pub inputs: fn() -> Vec<Input>,
    /// The command's type.
    pub(crate) type_id: fn() -> TypeId,
    pub(crate) place: fn() -> Option<CellPlace>,
    /// The [`CommandFn`], without its type.
    pub(crate) run: fn() -> Box<dyn Any + Send + Sync>,
    /// What the actor must hold.
    pub(crate) permission: Option<&'static str>,
    pub(crate) parse: ParseCommand,
}

impl CommandHandlerEntry {
    /// Registers the command handler `H`.
    pub const fn of<H: CommandHandler>() -> Self {
        Self {
            name: H::NAME,
            message: <H::Command as Command>::NAME,
            source: H::SOURCE,
            inputs: H::inputs,
            type_id: TypeId::of::<H::Command>,
            place: || H::Command::cell().fill::<H>(CommandFn::of::<H>()),
            run: || Box::new(CommandFn::of::<H>()),
            permission: <H::Command as Command>::PERMISSION,
            parse: handler::parse_command::<H>,
        }
    }
}

impl Registry {
    /// The error of a message that a dispatcher has no handler for.
    pub(crate) fn no_handler(&self, kind: MessageKind, message: &'static str) -> Failure {
        let handler = self.handler_of(kind, message);
        let elsewhere = handler.map(|(_, source)| source);
        Failure::NoHandler { message, elsewhere }
    }

    /// The name and place of a handler of this message, whether a dispatcher takes it in or not.
    pub(crate) fn handler_of(
        &self,
        kind: MessageKind,
        message: &str,
    ) -> Option<(&'static str, &'static Source)> {
        match kind {
            MessageKind::Command => {
                let mut handlers = self.command_handlers.iter().copied();
                let handler = handlers.find(|it| it.message == message);
                handler.map(|it| (it.name, &it.source))
            }
            MessageKind::Query => {
                let mut handlers = self.query_handlers.iter().copied();
                let handler = handlers.find(|it| it.message == message);
                handler.map(|it| (it.name, &it.source))
            }
        }
    }
}

/// A query handler, as its attribute registers it.
#[derive(Clone, Copy)]
pub struct QueryHandlerEntry {
    /// The function's name.
    pub name: &'static str,
    /// The query's wire name.
    pub message: &'static str,
    /// Where it is.
    pub source: Source,
    /// What it takes besides the query.
    pub inputs: fn() -> Vec<Input>,
    pub(crate) place: fn() -> Option<CellPlace>,
    /// The [`QueryFn`], without its type.
    pub(crate) run: fn() -> Box<dyn Any + Send + Sync>,
    /// What the actor must hold.
    pub(crate) permission: Option<&'static str>,
    pub(crate) parse: ParseQuery,
}

impl QueryHandlerEntry {
    /// Registers the query handler `H`.
    pub const fn of<H: QueryHandler>() -> Self {
        Self {
            name: H::NAME,
            message: <H::Query as Query>::NAME,
            source: H::SOURCE,
            inputs: H::inputs,
            place: || H::Query::cell().fill::<H>(QueryFn::of::<H>()),
            run: || Box::new(QueryFn::of::<H>()),
            permission: <H::Query as Query>::PERMISSION,
            parse: handler::parse_query::<H>,
        }
    }
}

/// A projection, as its attribute registers it.
#[derive(Clone, Copy)]
pub struct ProjectionEntry {
    /// The name.
    pub name: &'static str,
    /// The version.
    pub version: u32,
    /// Where it is.
    pub source: Source,
    /// Its `#[on]` methods.
    pub folds: fn() -> Vec<Fold>,
    /// Its `#[setup]` method.
    pub setup: fn() -> Option<Setup>,
}

impl ProjectionEntry {
    /// Registers the projection `P`.
    pub const fn of<P: Projection>() -> Self {
        Self {
            name: P::NAME,
            version: P::VERSION,
            source: P::SOURCE,
            folds: P::folds,
            setup: P::setup,
        }
    }
}

/// A reaction, as its attribute registers it.
#[derive(Clone, Copy)]
pub struct ReactionEntry {
    /// The function's name.
    pub name: &'static str,
    /// The wire name of the event.
    pub event: &'static str,
    /// Whether it begins with the log's first event.
    pub from_start: bool,
    /// Where it is.
    pub source: Source,
    /// What it takes besides the event.
    pub inputs: fn() -> Vec<Input>,
    pub(crate) run: for<'a> fn(&'a Recorded, &'a ReactionScope<'a>) -> ReactionReply<'a>,
}

impl ReactionEntry {
    /// Registers the reaction `H`.
    pub const fn of<H: EventHandler>() -> Self {
        Self {
            name: H::NAME,
            event: <H::Event as Event>::NAME,
            from_start: H::FROM_START,
            source: H::SOURCE,
            inputs: H::inputs,
            run: |recorded, scope| match recorded.decode() {
                Ok(event) => H::handle(event, scope),
                Err(error) => ReactionReply::Now(Err(error)),
            },
        }
    }
}

inventory::collect!(MessageEntry);
inventory::collect!(EventEntry);
inventory::collect!(AggregateEntry);
inventory::collect!(CommandHandlerEntry);
inventory::collect!(QueryHandlerEntry);
inventory::collect!(ProjectionEntry);
inventory::collect!(ReactionEntry);

/// Everything that is registered in this process, sorted by name and place, so that nothing
/// depends on the order in which the linker laid it out.
pub struct Registry {
    /// Commands and queries.
    pub messages: Vec<&'static MessageEntry>,
    /// Events.
    pub events: Vec<&'static EventEntry>,
    /// Aggregates.
    pub aggregates: Vec<&'static AggregateEntry>,
    /// Command handlers.
    pub command_handlers: Vec<&'static CommandHandlerEntry>,
    /// Query handlers.
    pub query_handlers: Vec<&'static QueryHandlerEntry>,
    /// Projections.
    pub projections: Vec<&'static ProjectionEntry>,
    /// Reactions.
    pub reactions: Vec<&'static ReactionEntry>,
}

impl Registry {
    /// The registry of this process.
    pub fn get() -> &'static Self {
        static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::collect);
        &REGISTRY
    }

    fn collect() -> Self {
        fn sorted<T: inventory::Collect>(
            name: impl Fn(&T) -> &'static str,
            source: impl Fn(&T) -> Source,
        ) -> Vec<&'static T> {
            let mut entries: Vec<_> = inventory::iter::<T>.into_iter().collect();
            entries.sort_by_key(|entry| {
                let source = source(entry);
                (name(entry), source.module, source.file, source.line)
            });
            entries
        }
        Self {
            messages: sorted(|entry: &MessageEntry| entry.name, |entry| entry.source),
            events: sorted(|entry: &EventEntry| entry.name, |entry| entry.source),
            aggregates: sorted(
                |entry: &AggregateEntry| entry.aggregate.name,
                |entry| entry.source,
            ),
            command_handlers: sorted(|entry: &CommandHandlerEntry| entry.message, |e| e.source),
            query_handlers: sorted(|entry: &QueryHandlerEntry| entry.message, |e| e.source),
            projections: sorted(|entry: &ProjectionEntry| entry.name, |entry| entry.source),
            reactions: sorted(|entry: &ReactionEntry| entry.name, |entry| entry.source),
        }
    }
}
