use super::{Checkpoint, Position, Shard};
use crate::Timestamp;

/// The reason that no process handles a shard. Stored with it, so it outlasts all processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// Kind of the halt.
    pub kind: HaltKind,
    /// The reason in words: of the operator, or the error of the event.
    pub reason: String,
    /// Start of the halt, with the precision of a microsecond.
    pub since: Timestamp,
}

/// Kind of a halt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaltKind {
    /// An operator paused it.
    Paused,
    /// An event failed for too long.
    Stopped {
        /// Position of the event.
        position: Position,
    },
}

/// A move of a checkpoint from outside of the worker. Unless it skips an event, nothing is
/// [ahead](super::ShardState::ahead) of the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// The shard.
    pub shard: Shard,
    /// Position at which the checkpoint has to be.
    pub from: Option<Position>,
    /// The new checkpoint.
    pub to: Checkpoint,
    /// The event that is skipped by the move, without a key. `None` if it skips none.
    pub skipped: Option<SkippedEvent>,
    /// The keys for which alone it is skipped. Empty if an event belongs to one key at most.
    pub keys: Vec<String>,
}

/// An event that a subscription has skipped, by the decision of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedEvent {
    /// Position of the event.
    pub position: Position,
    /// The key for which alone it was skipped. `None` if an event belongs to one key at most.
    pub key: Option<String>,
    /// The reason.
    pub reason: String,
    /// Time of the decision, with the precision of a microsecond.
    pub time: Timestamp,
}

impl Relocation {
    /// The skipped event as it is recorded: for each key, or once without one.
    pub fn skips(&self) -> Vec<SkippedEvent> {
        let Some(event) = &self.skipped else {
            return Vec::new();
        };
        if self.keys.is_empty() {
            return vec![event.clone()];
        }
        let keys = self.keys.iter().map(|key| SkippedEvent {
            key: Some(key.clone()),
            ..event.clone()
        });
        keys.collect()
    }
}

impl Halt {
    /// The halt that is left once an operator has moved the checkpoint or has the failed event
    /// retried: a pause stays.
    #[must_use]
    pub fn after_stop(self) -> Option<Self> {
        match self.kind {
            HaltKind::Paused => Some(self),
            HaltKind::Stopped { .. } => None,
        }
    }
}
