//! Identities of commands and events.

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;

use fastrand::Rng;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use crate::Timestamp;

/// Identifies a command. Sending the same id again returns the first receipt.
///
/// New ids are `UUIDv7`, so they sort by time. So do the ids that a dispatcher assigns to commands
/// without one, which are `UUIDv8`: see [`is_assigned`](CommandId::is_assigned).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(Uuid);

impl CommandId {
    /// Generates a new id.
    pub fn new() -> Self {
        Self::at(Timestamp::now())
    }

    fn at(time: Timestamp) -> Self {
        let [_, _, _, _, _, _, random @ ..] = random().to_be_bytes();
        let builder = uuid::Builder::from_unix_timestamp_millis(millis(time), &random);
        Self(builder.into_uuid())
    }

    /// Generates an id as a dispatcher does for a command without one: 48 bits of time in milliseconds,
    /// as in a `UUIDv7`, a mark of 12 bits, and 62 random bits. For tests of stores.
    pub fn assigned(time: Timestamp) -> Self {
        let mut bytes = random().to_be_bytes();
        bytes[..6].copy_from_slice(&millis(time).to_be_bytes()[2..]);
        bytes[6..8].copy_from_slice(&Self::ASSIGNED_MARK.to_be_bytes());
        Self(Uuid::new_v8(bytes))
    }

    /// The 12 bits after the version of assigned ids.
    const ASSIGNED_MARK: u16 = 0xA55;

    /// Whether the id has the form of those that a dispatcher assigns to commands without one. Stores
    /// keep no record of such a command beside its events, and look it up there.
    ///
    /// An id of another origin can have this form, such as one in 4,096 derived ids. So a store must
    /// not conclude from it that the command was never sent before.
    pub fn is_assigned(&self) -> bool {
        let [_, _, _, _, _, _, high, low, ..] = *self.0.as_bytes();
        u16::from_be_bytes([high, low]) == 0x8000 | Self::ASSIGNED_MARK
    }

    /// Derives the id from `scope` and `name`, so that equal arguments give equal ids. For imports
    /// and reactions, which must not repeat a command when they run again.
    ///
    /// A 128-bit XXH3 hash in the layout of a `UUIDv8`.
    pub fn derived(scope: &str, name: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(scope.len() + name.len() + 8);
        bytes.extend_from_slice(&(scope.len() as u64).to_le_bytes());
        bytes.extend_from_slice(scope.as_bytes());
        bytes.extend_from_slice(name);
        Self(hashed(&bytes))
    }

    /// The id as a UUID.
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

thread_local! {
    /// Seeded by the operating system once per thread: a system call per id would cost more than
    /// the rest of an in-memory command.
    static RANDOM: RefCell<Rng> = RefCell::new(Rng::with_seed(seed()));
}

fn random() -> u128 {
    RANDOM.with_borrow_mut(|random| random.u128(..))
}

fn millis(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}

/// 64 random bits taken from a `UUIDv4`, which has 122 random bits.
fn seed() -> u64 {
    let (high, low) = Uuid::new_v4().as_u64_pair();
    high ^ low.rotate_left(32)
}

impl Default for CommandId {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Uuid> for CommandId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl FromStr for CommandId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identifies a scheduled command. It is the id of the call that has scheduled it, so whoever has set
/// that knows this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScheduleId(CommandId);

impl From<CommandId> for ScheduleId {
    fn from(id: CommandId) -> Self {
        Self(id)
    }
}

impl FromStr for ScheduleId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for ScheduleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identifies an event. Derived from the id of its command and its index among the command's
/// events, so that a retried decision gives the same event the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(Uuid);

impl EventId {
    /// Id of the command's event at `index`, starting at 0.
    pub fn of(command: CommandId, index: usize) -> Self {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(command.0.as_bytes());
        bytes[16..].copy_from_slice(&(index as u64).to_le_bytes());
        Self(hashed(&bytes))
    }

    /// The id as a UUID.
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for EventId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn hashed(bytes: &[u8]) -> Uuid {
    Uuid::new_v8(xxh3_128(bytes).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_depend_on_scope_and_name_alone() {
        let id = CommandId::derived("import", b"line");
        assert_eq!(id, CommandId::derived("import", b"line"));
        assert_ne!(id, CommandId::derived("importl", b"ine"));
        assert_ne!(id, CommandId::derived("import", b"line2"));
    }

    #[test]
    fn an_assigned_id_is_recognized() {
        let id = CommandId::assigned(Timestamp::now());
        assert!(id.is_assigned());
        assert_eq!(id.as_uuid().get_version_num(), 8);
        assert!(!CommandId::new().is_assigned());
        let derived = (0..10_000_u32).map(|line| CommandId::derived("import", &line.to_le_bytes()));
        let alike = derived.filter(CommandId::is_assigned).count();
        assert!(alike < 20, "one in 4,096: {alike}");
    }

    #[test]
    fn event_ids_differ_by_place_and_command() {
        let (a, b) = (CommandId::new(), CommandId::new());
        assert_eq!(EventId::of(a, 0), EventId::of(a, 0));
        assert_ne!(EventId::of(a, 0), EventId::of(a, 1));
        assert_ne!(EventId::of(a, 0), EventId::of(b, 0));
    }

    #[test]
    fn made_ids_sort_by_time_and_are_all_different() {
        fn second(second: i64) -> Timestamp {
            Timestamp::from_second(second).expect("a time")
        }
        for at in [CommandId::at, CommandId::assigned] {
            assert!(at(second(1_000)) < at(second(2_000)));
        }
        assert_eq!(CommandId::new().as_uuid().get_version_num(), 7);
        let threads = (0..4).map(|_| {
            let ids = || {
                (0..10_000)
                    .map(|_| CommandId::assigned(second(5)))
                    .collect::<Vec<_>>()
            };
            std::thread::spawn(ids)
        });
        let threads: Vec<_> = threads.collect();
        let ids = threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("ends"));
        assert_eq!(ids.collect::<std::collections::HashSet<_>>().len(), 40_000);
    }
}
