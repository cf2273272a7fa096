use std::collections::BTreeMap;

use super::instance::PendingCommand;
use crate::store::{Position, SkippedEvent};

/// The events of a process manager that operators have skipped: by their positions, the keys for which each was.
#[derive(Default)]
pub(super) struct Skips(BTreeMap<Position, Vec<Option<String>>>);

impl Skips {
    pub(super) fn new(events: Vec<SkippedEvent>) -> Self {
        let mut all: BTreeMap<Position, Vec<Option<String>>> = BTreeMap::new();
        for SkippedEvent { position, key, .. } in events {
            all.entry(position).or_default().push(key);
        }
        Self(all)
    }

    /// Whether the event that caused a command of an instance was skipped, so that it is not to be sent.
    pub(super) fn has_cause(&self, key: &str, command: &PendingCommand) -> bool {
        let keys = self.0.get(&command.origin.position);
        keys.is_some_and(|keys| is_among(key, keys))
    }

    /// The positions of skipped events of an instance after the last one that it has handled.
    pub(super) fn after(&self, key: &str, position: Position) -> Vec<Position> {
        let after = self.0.range(position.plus(1)..);
        let own = after.filter(|(_, keys)| is_among(key, keys));
        own.map(|(position, _)| *position).collect()
    }
}

/// Without a key, an event was skipped for all instances.
fn is_among(key: &str, keys: &[Option<String>]) -> bool {
    let mut keys = keys.iter();
    keys.any(|of| of.as_deref().is_none_or(|of| of == key))
}
