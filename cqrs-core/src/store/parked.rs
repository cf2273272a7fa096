use super::{Position, SkippedEvent, Slices};
use crate::Timestamp;

/// A key of a partitioned subscription whose events wait, because one of them failed. Those of other keys
/// are handled. The events themselves stay in the log alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedKey {
    /// The name of the tag by which the subscription is partitioned.
    pub partition: String,
    /// The id in that tag. Empty for events without it.
    pub key: String,
    /// Position of the event that failed. No event of the key from here on is handled.
    pub first: Position,
    /// The error of that event, with the handler.
    pub cause: String,
    /// Time at which the key was parked, with the precision of a microsecond.
    pub since: Timestamp,
    /// Whether an operator has released the key, so that its events are to be handled before all others.
    pub is_released: bool,
}

/// A change of a parked key, which is committed with a checkpoint, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParkedChange {
    /// Parks a key that is not parked yet.
    Park(ParkedKey),
    /// Changes a parked key.
    Move {
        /// Its required [`first`](ParkedKey::first) event.
        from: Position,
        /// The key as it is from now on.
        to: ParkedKey,
    },
    /// Has the events of a key handled like all others again.
    Unpark {
        /// The key.
        key: String,
        /// Its required [`first`](ParkedKey::first) event.
        from: Position,
    },
}

/// The release of parked keys by an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRelease {
    /// Name of the subscription.
    pub subscription: String,
    /// The key. `None` for all of the subscription.
    pub key: Option<String>,
    /// The first event of the key, if it is to be skipped. Nothing is released if another one is the
    /// first.
    pub skipped: Option<SkippedEvent>,
}

impl ParkedKey {
    /// The slice of the key.
    pub fn slice(&self) -> u16 {
        Slices::of_tag(&self.key)
    }
}

impl ParkedChange {
    /// The key. Belongs to a slice of the batch's shard.
    pub fn key(&self) -> &str {
        match self {
            Self::Park(to) | Self::Move { to, .. } => &to.key,
            Self::Unpark { key, .. } => key,
        }
    }

    /// Required first event of the stored key. `None` if it must not be parked yet.
    pub fn from(&self) -> Option<Position> {
        match self {
            Self::Park(_) => None,
            Self::Move { from, .. } | Self::Unpark { from, .. } => Some(*from),
        }
    }

    /// The key as it is from now on. `None` if it is no longer parked.
    pub fn to(&self) -> Option<&ParkedKey> {
        match self {
            Self::Park(to) | Self::Move { to, .. } => Some(to),
            Self::Unpark { .. } => None,
        }
    }
}

impl KeyRelease {
    /// The key as it is after the release. `None` if that does not concern it.
    pub fn apply(&self, parked: &ParkedKey) -> Option<ParkedKey> {
        let is_meant = self.key.as_ref().is_none_or(|key| *key == parked.key);
        let skipped = self.skipped.as_ref().map(|event| event.position);
        let is_first = skipped.is_none_or(|position| position == parked.first);
        (is_meant && is_first).then(|| ParkedKey {
            // No event is between the two.
            first: skipped.map_or(parked.first, |position| Position::new(position.get() + 1)),
            is_released: true,
            ..parked.clone()
        })
    }
}
