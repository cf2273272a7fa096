//! Everything that is registered, as data.

mod edge;
mod node;
mod of_plan;

use serde::Serialize;

pub use edge::{Edge, Verb};
pub use node::{Node, NodeId, NodeKind};

pub use crate::message::Field;
use crate::registry::Registry;
use crate::wiring::{Plan, Problems, Scope};

/// Everything that is registered: messages, events, handlers, aggregates, projections, read models,
/// reactions and process managers, and what they have to do with each other, which is known from types alone.
/// Returned by [`model`] and [`Dispatcher::model`](crate::Dispatcher::model).
///
/// Sorted: two models of the same code are equal.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Model {
    /// By kind, then by name.
    pub nodes: Vec<Node>,
    /// By subject, verb and object, each of which is among the nodes.
    pub edges: Vec<Edge>,
    /// The permission that the log requires of its readers: see
    /// [`Builder::log_permission`](crate::app::Builder::log_permission).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_permission: Option<&'static str>,
}

/// The model of everything that is registered in this process. Needs no store, and checks nothing: of two items of one
/// kind and name, which [`build`](crate::app::Builder::build) refuses, it has one.
pub fn model() -> Model {
    let plan = Plan::new(Registry::get(), &Scope::default(), &mut Problems::default());
    Model::of(&plan, None)
}

impl Model {
    /// The nodes of a kind, by name.
    pub fn of_kind(&self, kind: NodeKind) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.id.kind == kind)
    }

    /// The node of this kind and name.
    pub fn node(&self, kind: NodeKind, name: &str) -> Option<&Node> {
        self.of_kind(kind).find(|node| node.id.name == name)
    }

    /// What a node does.
    pub fn edges_from(&self, id: &NodeId) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.from == *id)
    }

    /// What is done to a node.
    pub fn edges_to(&self, id: &NodeId) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.to == *id)
    }
}
