use std::collections::BTreeSet;

use cqrs_core::app::{Edge, Model, Node, NodeKind, Verb};
use serde_json::{Map, Value, json};

use crate::command::description;
use crate::components::{Components, component_name};
use crate::document::Document;
use crate::example::example;
use crate::openapi::segment;
use crate::options::Options;
use crate::schema;
use crate::text::summary;

/// What all events have alike.
const EVENT: &str = "RecordedEvent";

/// The channel of the log.
const LOG: &str = "events";

/// The AsyncAPI 3 document of what a program tells as time goes by: the events in its log, and the answers to queries that are
/// watched, as `cqrs_http::router` serves them.
pub fn asyncapi(model: &Model, options: &Options) -> Document {
    let mut parts = Parts::default();
    // First, so that a type of the program with this name gets another one.
    parts.components.insert(EVENT, recorded());
    let events = model.of_kind(NodeKind::Event);
    let ids: Vec<_> = events.map(|event| parts.event(event, model)).collect();
    if !ids.is_empty() {
        parts.log(&ids, options);
    }
    for query in model.of_kind(NodeKind::Query) {
        parts.query(query);
    }
    let mut document = json!({
        "asyncapi": "3.0.0",
        "info": options.info(),
        "defaultContentType": "application/json",
        "channels": parts.channels,
        "operations": parts.operations,
        "components": {"messages": parts.messages, "schemas": parts.components.into_schemas()},
    });
    let servers = options.hosts();
    if !servers.is_empty() {
        document["servers"] = servers.into();
    }
    Document::new(document)
}

/// A document in the making.
#[derive(Default)]
struct Parts {
    components: Components,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
}

impl Parts {
    /// Adds the message of an event, and returns its key.
    fn event(&mut self, event: &Node, model: &Model) -> String {
        let name = &event.id.name;
        let version = event.version.unwrap_or(1);
        let id = free(&self.messages, &format!("{name}.{version}"));
        let data = match &event.schema {
            Some(schema) => self.components.add(name, schema),
            None => self.components.add(name, &schema::of_fields(&event.fields)),
        };
        let known = event.schema.is_some() || event.fields.is_empty();
        let example = example(&data, &self.components).filter(|_| known);
        let mut message = json!({
            "name": name,
            "title": format!("{name}, version {version}"),
            "contentType": "application/json",
            "headers": stream_fields("event"),
            "correlationId": {"location": "$message.payload#/correlation"},
            "payload": {
                "allOf": [{"$ref": format!("#/components/schemas/{EVENT}")}],
                "properties": {"type": {"const": name}, "version": {"const": version}, "data": data},
            },
        });
        describe(&mut message, event, &ways(event, model));
        if let Some(example) = example {
            let headers = json!({"id": "17", "event": "event"});
            let payload = recorded_example(event, version, example);
            message["examples"] = json!([{"headers": headers, "payload": payload}]);
        }
        self.messages.insert(id.clone(), message);
        id
    }

    /// Adds the channel of the log, with these messages.
    fn log(&mut self, events: &[String], options: &Options) {
        let (address, about) = if options.has_events() {
            let about = "The events of the log, as server-sent events: those that are there, and those that come. \
                         `type`, `tag` and `after` select; `Last-Event-ID` continues.";
            (json!("/events"), about)
        } else {
            (Value::Null, "The events of the log.")
        };
        self.channel(LOG, events, &address, about);
        let mut operation = operation("send", LOG, events);
        if options.has_events() {
            operation["bindings"] = json!({"http": {"method": "GET", "query": selection()}});
        }
        self.operations.insert(format!("send-{LOG}"), operation);
    }

    fn query(&mut self, query: &Node) {
        let name = &query.id.name;
        let id = free(&self.messages, &format!("{name}.answer"));
        let answer = query.answer.as_ref();
        let payload = answer.map_or_else(|| json!({}), |answer| self.components.inline(answer));
        let mut message = json!({
            "name": "answer",
            "title": format!("Answer to {name}"),
            "contentType": "application/json",
            "headers": stream_fields("answer"),
            "payload": payload,
        });
        if let Some(example) = answer.and_then(|_| example(&payload, &self.components)) {
            message["examples"] =
                json!([{"headers": {"id": "17", "event": "answer"}, "payload": example}]);
        }
        self.messages.insert(id.clone(), message);

        let channel = free(&self.channels, &format!("watch-{name}"));
        let about = "Server-sent events, for `Accept: text/event-stream`: the answer, and each later one, with its position \
                     as id. `Last-Event-ID` continues.";
        let ids = [id];
        let address = json!(format!("/queries/{}", segment(name)));
        self.channel(&channel, &ids, &address, about);
        let fields = match &query.schema {
            Some(schema) => self.components.add(name, schema),
            None => self.components.add(name, &schema::of_fields(&query.fields)),
        };
        let mut operation = operation("send", &channel, &ids);
        operation["bindings"] = json!({"http": {"method": "GET", "query": fields}});
        describe(&mut operation, query, "");
        self.operations.insert(format!("send-{channel}"), operation);
    }

    fn channel(&mut self, channel: &str, messages: &[String], address: &Value, about: &str) {
        let references = messages.iter().map(|message| {
            let reference = json!({"$ref": format!("#/components/messages/{message}")});
            (message.clone(), reference)
        });
        let by_key: Map<_, _> = references.collect();
        let described = json!({"address": address, "description": about, "messages": by_key});
        self.channels.insert(channel.to_owned(), described);
    }
}

fn operation(action: &str, channel: &str, messages: &[String]) -> Value {
    let path = format!("#/channels/{channel}");
    let references = messages
        .iter()
        .map(|message| json!({"$ref": format!("{path}/messages/{message}")}));
    let all: Vec<_> = references.collect();
    json!({"action": action, "channel": {"$ref": path}, "messages": all})
}

/// What records an event, and what takes it.
fn ways(event: &Node, model: &Model) -> String {
    let edges: Vec<_> = model.edges_to(&event.id).collect();
    let recorded = named("Recorded by", &edges, |verb| {
        matches!(verb, Verb::Emits | Verb::Schedules)
    });
    let taken = named("Taken by", &edges, |verb| {
        matches!(verb, Verb::Handles | Verb::Folds)
    });
    let both: Vec<_> = recorded.into_iter().chain(taken).collect();
    both.join(" ")
}

/// The subjects of the edges with these verbs, as a sentence.
fn named(words: &str, edges: &[&Edge], is_wanted: impl Fn(Verb) -> bool) -> Option<String> {
    let wanted = edges.iter().filter(|edge| is_wanted(edge.verb));
    let subjects: BTreeSet<_> = wanted
        .map(|edge| format!("{} `{}`", edge.from.kind.words(), edge.from.label()))
        .collect();
    if subjects.is_empty() {
        return None;
    }
    let listed: Vec<_> = subjects.into_iter().collect();
    Some(format!("{words} {}.", listed.join(", ")))
}

/// A key of a document from a name, which no other one has.
fn free(taken: &Map<String, Value>, name: &str) -> String {
    let base = component_name(name);
    let mut key = base.clone();
    let mut number = 1;
    while taken.contains_key(&key) {
        number += 1;
        key = format!("{base}-{number}");
    }
    key
}

fn describe(part: &mut Value, node: &Node, more: &str) {
    if let Some(summary) = summary(node.docs) {
        part["summary"] = summary.into();
    }
    let text = description(node, more);
    if !text.is_empty() {
        part["description"] = text.into();
    }
}

/// The fields of a server-sent event, beside its data.
fn stream_fields(event: &str) -> Value {
    json!({
        "type": "object",
        "required": ["id", "event"],
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9]+$", "description": "The position in the log."},
            "event": {"const": event},
        },
    })
}

/// The parameters of the log.
fn selection() -> Value {
    let texts = json!({"type": "array", "maxItems": 32, "items": {"type": "string"}});
    json!({"type": "object", "properties": {
        "type": texts,
        "tag": texts,
        "after": {"type": "integer", "minimum": 0},
    }})
}

/// What each recorded event has beside its data.
fn recorded() -> Value {
    let uuid =
        |description: &str| json!({"type": "string", "format": "uuid", "description": description});
    json!({
        "type": "object",
        "required": [
            "position", "type", "version", "tags", "data", "id", "time", "actor", "command", "correlation", "causation",
            "metadata",
        ],
        "properties": {
            "position": {"type": "integer", "minimum": 1, "description": "Its place in the log."},
            "type": {"type": "string", "description": "The name of the event."},
            "version": {"type": "integer", "minimum": 1, "description": "The version of its data."},
            "tags": {
                "type": "array",
                "description": "The ids of the aggregates that it concerns.",
                "items": {"type": "string", "pattern": "^[^:]+:"},
            },
            "data": {"description": "What has happened."},
            "id": uuid("The id of the event, derived from that of its command."),
            "time": {"type": "string", "format": "date-time", "description": "The time of its append."},
            "actor": {"type": ["string", "null"], "description": "The actor that sent the command, if that is known."},
            "command": uuid("The id of the command that it comes from."),
            "correlation": uuid("Shared by all that one request leads to."),
            "causation": uuid("The id of the event that led to the command, or else that of the command."),
            "metadata": {
                "type": "object",
                "description": "Custom metadata of the command.",
                "additionalProperties": {"type": "string"},
            },
        },
    })
}

fn recorded_example(event: &Node, version: u32, data: Value) -> Value {
    let command = "0198c0de-0000-7000-8000-000000000001";
    let aggregates = event.fields.iter().filter_map(|field| field.aggregate);
    let tags: BTreeSet<_> = aggregates.map(|it| format!("{it}:1")).collect();
    json!({
        "position": 17,
        "type": event.id.name,
        "version": version,
        "tags": tags,
        "data": data,
        "id": "7d1f7d3c-6a43-8c6e-9d0a-3b0c5a0e2f11",
        "time": "2026-01-31T12:00:00Z",
        "actor": "ann",
        "command": command,
        "correlation": command,
        "causation": command,
        "metadata": {},
    })
}
