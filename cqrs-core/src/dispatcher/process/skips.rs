use std::collections::BTreeMap;

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

    /// How often an event was skipped for an instance.
    pub(super) fn count(&self, key: &str, position: Position) -> usize {
        let keys = self.0.get(&position).into_iter().flatten();
        keys.filter(|of| is_of(key, of.as_deref())).count()
    }

    /// The positions of skipped events of an instance after the last one that it has handled.
    pub(super) fn after(&self, key: &str, position: Position) -> Vec<Position> {
        let after = self.0.range(position.plus(1)..);
        let own = after.filter(|(_, keys)| keys.iter().any(|of| is_of(key, of.as_deref())));
        own.map(|(position, _)| *position).collect()
    }
}

/// Without a key, an event was skipped for all instances.
fn is_of(key: &str, of: Option<&str>) -> bool {
    of.is_none_or(|of| of == key)
}
