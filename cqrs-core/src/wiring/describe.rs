use std::collections::HashMap;

use serde_json::Value;

use super::{Plan, Problem, Problems};
use crate::handler::InputKind;
use crate::registry::{EventEntry, HandlerSummary, MessageEntry, MessageKind};
use crate::source::Source;

/// The messages and events of a dispatcher, for people and tools.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Description {
    /// Commands, by name.
    pub commands: Vec<MessageDescription>,
    /// Queries, by name.
    pub queries: Vec<MessageDescription>,
    /// Events, by name.
    pub events: Vec<EventDescription>,
    /// Probable mistakes that do not prevent the dispatcher from working: a service that no handler
    /// takes, or one that was provided several times.
    pub warnings: Vec<Problem>,
}

/// A command or query, and its handler.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MessageDescription {
    /// The wire name.
    pub name: &'static str,
    /// The permission that an actor needs, if any.
    pub permission: Option<&'static str>,
    /// The documentation comment of the message's type.
    pub docs: &'static str,
    /// The place of the message's declaration.
    pub source: Source,
    /// The handler's name.
    pub handler: &'static str,
    /// The place of the handler.
    pub handler_source: Source,
    /// The names of the aggregates that the handler takes.
    pub aggregates: Vec<&'static str>,
    /// The names of the read models that the handler takes.
    pub read_models: Vec<&'static str>,
    /// The types of the services that the handler takes.
    pub services: Vec<&'static str>,
    schema: fn() -> Option<Value>,
}

impl MessageDescription {
    /// The JSON schema, if the type derives `JsonSchema`.
    pub fn schema(&self) -> Option<Value> {
        (self.schema)()
    }
}

/// An event and its listeners.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EventDescription {
    /// The wire name.
    pub name: &'static str,
    /// The version of the wire format.
    pub version: u32,
    /// The documentation comment of the event's type.
    pub docs: &'static str,
    /// The place of the event's declaration.
    pub source: Source,
    /// The names of the aggregates that the event concerns.
    pub aggregates: &'static [&'static str],
    /// The aggregates, projections and event handlers that the event reaches.
    pub listeners: Vec<Listener>,
    schema: fn() -> Option<Value>,
}

impl EventDescription {
    /// The JSON schema, if the type derives `JsonSchema`.
    pub fn schema(&self) -> Option<Value> {
        (self.schema)()
    }
}

/// An aggregate, projection, event handler or process manager that an event reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listener {
    /// `aggregate`, `projection`, `event handler` or `process manager`.
    pub kind: &'static str,
    /// The name of the listener. For a projection and a process manager, with the method.
    pub name: String,
    /// The place of the listener's declaration.
    pub source: Source,
    /// The wire names of the commands that an event handler or a method of a process manager returns. Those
    /// that an event handler sends itself are not known.
    pub sends: Vec<&'static str>,
}

impl Description {
    pub(crate) fn new(plan: &Plan, warnings: Problems) -> Self {
        let events = plan.events.iter().map(|it| event(it, plan));
        Self {
            commands: messages(plan, MessageKind::Command),
            queries: messages(plan, MessageKind::Query),
            events: events.collect(),
            warnings: warnings.into_vec(),
        }
    }
}

/// The commands or the queries, by name.
fn messages(plan: &Plan, kind: MessageKind) -> Vec<MessageDescription> {
    let handlers: HashMap<_, _> = plan
        .handlers()
        .filter(|it| it.kind == kind)
        .map(|it| (it.message, it))
        .collect();
    let of_kind = plan.messages.iter().filter(|it| it.kind == kind);
    let mut messages: Vec<_> = of_kind
        .filter_map(|it| Some(message(it, handlers.get(it.name)?)))
        .collect();
    messages.sort_by_key(|it| it.name);
    messages
}

fn message(message: &MessageEntry, handler: &HandlerSummary) -> MessageDescription {
    let mut description = MessageDescription {
        name: message.name,
        permission: message.permission,
        docs: message.docs,
        source: message.source,
        handler: handler.name,
        handler_source: handler.source,
        aggregates: Vec::new(),
        read_models: Vec::new(),
        services: Vec::new(),
        schema: message.schema,
    };
    for input in (handler.inputs)() {
        match input.kind {
            InputKind::Aggregate(aggregate) => description.aggregates.push(aggregate.name),
            InputKind::Service(service) => description.services.push(service.name),
            InputKind::Views(model) => description.read_models.push(model.name),
            InputKind::Transaction(store) | InputKind::Writes(store) | InputKind::Reader(store) => {
                description.services.push(store.name);
            }
            InputKind::Context | InputKind::Builtin => {}
        }
    }
    description
}

fn event(event: &EventEntry, plan: &Plan) -> EventDescription {
    EventDescription {
        name: event.name,
        version: event.version,
        docs: event.docs,
        source: event.source,
        aggregates: event.concerns,
        listeners: listeners(plan, event.name),
        schema: event.schema,
    }
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
                sends: Vec::new(),
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
                sends: Vec::new(),
            });
        }
    }
    for reaction in plan.reactions.iter().filter(|it| it.event == event) {
        let (kind, name) = ("event handler", reaction.name.to_owned());
        listeners.push(Listener {
            kind,
            name,
            source: reaction.source,
            sends: (reaction.sends)(),
        });
    }
    for process in &plan.processes {
        for (step, _) in process.events().filter(|(_, of_step)| *of_step == event) {
            listeners.push(Listener {
                kind: "process manager",
                name: format!("{}::{}", process.entry.name, step.name),
                source: process.source_of(step),
                sends: step.sends(),
            });
        }
    }
    listeners
}
