use std::fmt;

use serde::Serialize;

use super::NodeId;
use crate::source::Source;

/// What one [node](super::Node) has to do with another one, as a sentence: `from` `verb` `to`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Edge {
    /// The subject: a handler, an aggregate, a projection, a reaction or a process manager.
    pub from: NodeId,
    /// What it does.
    pub verb: Verb,
    /// The object.
    pub to: NodeId,
    /// The method that does it, of a projection or process manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'static str>,
    /// The place of the method, or of the subject.
    pub source: Source,
}

/// What the subject of an [`Edge`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verb {
    /// A handler handles its command or query; a reaction or process manager, an event.
    Handles,
    /// A command handler takes the state of an aggregate.
    Loads,
    /// A command handler may return an event.
    Emits,
    /// An aggregate or a projection takes an event.
    Folds,
    /// A projection changes views of a read model.
    Writes,
    /// A handler takes a read model.
    Reads,
    /// A reaction or process manager may return a command. What a reaction sends by the dispatcher is not known.
    Sends,
    /// A process manager may set a deadline with an event.
    Schedules,
    /// A process manager takes the rejection of a command.
    Compensates,
}

impl Edge {
    /// The ends in the direction in which data flows.
    pub fn flow(&self) -> (&NodeId, &NodeId) {
        match self.verb {
            Verb::Emits | Verb::Writes | Verb::Sends | Verb::Schedules => (&self.from, &self.to),
            Verb::Handles | Verb::Loads | Verb::Folds | Verb::Reads | Verb::Compensates => {
                (&self.to, &self.from)
            }
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handles => "handles",
            Self::Loads => "loads",
            Self::Emits => "emits",
            Self::Folds => "folds",
            Self::Writes => "writes",
            Self::Reads => "reads",
            Self::Sends => "sends",
            Self::Schedules => "schedules",
            Self::Compensates => "compensates",
        })
    }
}
