use std::collections::BTreeSet;

use cqrs_core::app::{Edge, Node, NodeId, NodeKind, Verb};

/// A node of the map.
#[derive(Clone, Debug)]
pub(crate) struct Station {
    pub node: Node,
    /// The handlers of a command or query.
    pub handlers: Vec<Node>,
    /// What it does, and what is done to it, or by its handlers.
    pub sentences: Vec<Sentence>,
}

/// An edge of the model, as a part of a station's details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sentence {
    /// The subject, if it is another node.
    pub subject: Option<NodeId>,
    pub verb: Verb,
    /// The object, if it is another node.
    pub object: Option<NodeId>,
    /// The methods of a projection or process manager that do it.
    pub methods: Vec<&'static str>,
}

/// What flows between two stations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The station further left.
    pub from: usize,
    pub to: usize,
    /// What flows to the right, as the verbs of edges.
    pub forward: BTreeSet<Verb>,
    /// What flows to the left.
    pub backward: BTreeSet<Verb>,
}

/// The stations and links of one path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path {
    pub stations: BTreeSet<usize>,
    pub links: BTreeSet<usize>,
}

/// A flow from one station to another one, and what has to happen to it on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub from: usize,
    pub to: usize,
    pub verb: Verb,
    /// What takes part: a path that enters a station by one flow leaves it only by the flows of the same part. The
    /// handlers of commands and the methods of projections and process managers are parts.
    pub part: Part,
}

/// A handler or method, by its name, or the whole of a station.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Whole,
    Of(String),
}

impl Part {
    pub fn meets(&self, other: &Self) -> bool {
        *self == Self::Whole || *other == Self::Whole || self == other
    }
}

impl Station {
    pub fn tell(&mut self, edge: &Edge, is_subject: bool) {
        let told = Sentence {
            subject: (!is_subject).then(|| edge.from.clone()),
            verb: edge.verb,
            object: is_subject.then(|| edge.to.clone()),
            methods: edge.method.into_iter().collect(),
        };
        let same = self.sentences.iter_mut().find(|it| {
            (&it.subject, it.verb, &it.object) == (&told.subject, told.verb, &told.object)
        });
        match same {
            Some(sentence) => sentence.methods.extend(told.methods),
            None => self.sentences.push(told),
        }
    }

    pub fn kind(&self) -> NodeKind {
        self.node.id.kind
    }

    pub fn label(&self) -> &str {
        self.node.id.label()
    }

    /// Its kind and name, and the first paragraph of its documentation.
    pub fn summary(&self) -> String {
        let (kind, label) = (self.kind().words(), self.label());
        match self.node.docs.split("\n\n").next() {
            None | Some("") => format!("{kind} {label}"),
            Some(docs) => format!("{kind} {label}: {docs}"),
        }
    }

    /// The column of the map, from left to right.
    pub fn column(&self) -> usize {
        match self.kind() {
            NodeKind::Command => 0,
            NodeKind::Aggregate => 1,
            NodeKind::Event => 2,
            NodeKind::ReadModel => 4,
            NodeKind::Query => 5,
            _ => 3,
        }
    }
}

impl Link {
    /// Whether it is drawn for this flow.
    pub fn shows(&self, step: &Step) -> bool {
        if step.from == self.from {
            self.forward.contains(&step.verb)
        } else {
            self.backward.contains(&step.verb)
        }
    }

    /// Whether it leads past the events: from what follows events to a command, or within a column.
    pub fn is_return(&self, stations: &[Station]) -> bool {
        let (from, to) = (stations[self.from].column(), stations[self.to].column());
        from == to || (from == 0 && to > 2)
    }
}
