use serde::Serialize;
use serde_json::Value;

use crate::message::Field;
use crate::source::Source;

/// Something that is registered.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Node {
    /// Its kind and name.
    pub id: NodeId,
    /// The documentation comment.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub docs: &'static str,
    /// The place of its declaration.
    pub source: Source,
    /// The version of an event's wire format, or of a projection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The permission that an actor needs for a command or query, or to read an aggregate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<&'static str>,
    /// Whether a query shows each actor its own rows, so that it needs an actor.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_rows: bool,
    /// The names of the ids of an aggregate in tags.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub ids: &'static [&'static str],
    /// The fields of a command, query, event or read model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// The types of the services and transactions that a handler takes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<&'static str>,
    /// The JSON schema of a command, query or event, if its type derives `JsonSchema`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// The JSON schema of a query's answer, if its type derives `JsonSchema`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// The JSON schema of the errors by which a command is rejected, if their type derives `JsonSchema`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Value>,
}

/// Kind and name of a [`Node`], which no other one has. Ordered by kind, then by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct NodeId {
    /// The kind.
    pub kind: NodeKind,
    /// The name: of messages and events, that on the wire; of a handler, the path of the function; of a read model, that
    /// of its projection and its own, as in `orders.order_view`.
    pub name: String,
}

/// Kinds of [nodes](Node), in the order in which data flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NodeKind {
    /// `#[derive(Command)]`.
    Command,
    /// `#[command_handler]`.
    CommandHandler,
    /// `#[aggregate]`.
    Aggregate,
    /// `#[derive(Event)]`.
    Event,
    /// `#[event_handler]`.
    Reaction,
    /// `#[process_manager]`.
    ProcessManager,
    /// `#[projection]`.
    Projection,
    /// `#[derive(ReadModel)]`.
    ReadModel,
    /// `#[query_handler]`.
    QueryHandler,
    /// `#[derive(Query)]`.
    Query,
}

impl Node {
    pub(super) fn new(id: NodeId, docs: &'static str, source: Source) -> Self {
        Self {
            id,
            docs,
            source,
            version: None,
            permission: None,
            has_rows: false,
            ids: &[],
            fields: Vec::new(),
            services: Vec::new(),
            schema: None,
            answer: None,
            rejection: None,
        }
    }
}

impl NodeId {
    /// The id of this kind and name.
    pub fn new(kind: NodeKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }

    /// The name without the path of a function, or the projection of a read model.
    pub fn label(&self) -> &str {
        let separator = match self.kind {
            NodeKind::CommandHandler | NodeKind::QueryHandler => "::",
            NodeKind::ReadModel => ".",
            _ => return &self.name,
        };
        let parts = self.name.rsplit_once(separator);
        parts.map_or(&*self.name, |(_, label)| label)
    }
}

impl NodeKind {
    /// The kind in words, as in `process manager`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::CommandHandler => "command handler",
            Self::Aggregate => "aggregate",
            Self::Event => "event",
            Self::Reaction => "event handler",
            Self::ProcessManager => "process manager",
            Self::Projection => "projection",
            Self::ReadModel => "read model",
            Self::QueryHandler => "query handler",
            Self::Query => "query",
        }
    }
}
