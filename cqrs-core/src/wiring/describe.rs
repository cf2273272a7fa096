use std::collections::HashMap;

use super::{Plan, Problem, Problems};
use crate::handler::{Input, InputKind};
use crate::registry::{EventEntry, MessageEntry, MessageKind};
use crate::source::Source;

/// What a dispatcher is made of, for people and tools.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// Commands, then queries, by name.
    pub messages: Vec<MessageDescription>,
    /// Events, by name.
    pub events: Vec<EventDescription>,
    /// What is probably a mistake, but works: a service that no handler takes, or one that was
    /// provided several times.
    pub warnings: Vec<Problem>,
}

/// A message and its handler.
#[derive(Clone, Debug)]
pub struct MessageDescription {
    /// The message.
    pub message: MessageEntry,
    /// The handler's name.
    pub handler: &'static str,
    /// Where the handler is.
    pub handled_at: Source,
    /// The names of the aggregates that it decides about.
    pub aggregates: Vec<&'static str>,
    /// The names of the read models that it answers from.
    pub read_models: Vec<&'static str>,
    /// The types of the services that it takes.
    pub services: Vec<&'static str>,
}

/// An event and who listens.
#[derive(Clone, Debug)]
pub struct EventDescription {
    /// The event.
    pub event: EventEntry,
    /// Who listens.
    pub listeners: Vec<Listener>,
}

/// Something that events reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// `aggregate`, `projection` or `event handler`.
    pub kind: &'static str,
    /// Its name; with the method for a projection.
    pub name: String,
    /// Where it is.
    pub source: Source,
}

impl Description {
    pub(crate) fn new(plan: &Plan, warnings: Problems) -> Self {
        let handlers = handlers(plan);
        let mut messages: Vec<_> = plan
            .messages
            .iter()
            .filter_map(|it| Some(message(it, handlers.get(&(it.kind, it.name))?)))
            .collect();
        messages.sort_by_key(|it| (it.message.kind == MessageKind::Query, it.message.name));
        let events = plan.events.iter();
        let events = events.map(|event| EventDescription {
            event: **event,
            listeners: listeners(plan, event.name),
        });
        Self {
            messages,
            events: events.collect(),
            warnings: warnings.into_vec(),
        }
    }
}

/// A handler of a command or a query.
struct Handler {
    name: &'static str,
    source: Source,
    inputs: fn() -> Vec<Input>,
}

fn handlers(plan: &Plan) -> HashMap<(MessageKind, &'static str), Handler> {
    let commands = plan.command_handlers.iter().map(|it| {
        let handler = Handler {
            name: it.name,
            source: it.source,
            inputs: it.inputs,
        };
        ((MessageKind::Command, it.message), handler)
    });
    let queries = plan.query_handlers.iter().map(|it| {
        let handler = Handler {
            name: it.name,
            source: it.source,
            inputs: it.inputs,
        };
        ((MessageKind::Query, it.message), handler)
    });
    commands.chain(queries).collect()
}

fn message(message: &MessageEntry, handler: &Handler) -> MessageDescription {
    let mut description = MessageDescription {
        message: *message,
        handler: handler.name,
        handled_at: handler.source,
        aggregates: Vec::new(),
        read_models: Vec::new(),
        services: Vec::new(),
    };
    for input in (handler.inputs)() {
        match input.kind {
            InputKind::Aggregate(aggregate) => description.aggregates.push(aggregate.name),
            InputKind::Resource(resource) => description.services.push(resource.name),
            InputKind::Views(model) => description.read_models.push(model.name),
            InputKind::Transaction(store) => description.services.push(store.name),
            InputKind::Context | InputKind::Given => {}
        }
    }
    description
}

fn listeners(plan: &Plan, event: &str) -> Vec<Listener> {
    let mut listeners = Vec::new();
    for entry in &plan.aggregates {
        if entry.aggregate.events.contains(&event) {
            let (kind, name) = ("aggregate", entry.aggregate.name.to_owned());
            listeners.push(Listener {
                kind,
                name,
                source: entry.source,
            });
        }
    }
    for projection in &plan.projections {
        for fold in projection.folds.iter().filter(|fold| fold.event == event) {
            let name = format!("{}::{}", projection.entry.name, fold.name);
            let source = Source {
                line: fold.line,
                ..projection.entry.source
            };
            listeners.push(Listener {
                kind: "projection",
                name,
                source,
            });
        }
    }
    for reaction in plan.reactions.iter().filter(|it| it.event == event) {
        let (kind, name) = ("event handler", reaction.name.to_owned());
        listeners.push(Listener {
            kind,
            name,
            source: reaction.source,
        });
    }
    listeners
}
