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
/// Generated ids are `UUIDv7`, so they sort by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(Uuid);

impl CommandId {
    /// Generates a new id.
    pub fn new() -> Self {
        Self::at(Timestamp::now())
    }

    /// Generates a new id with this timestamp.
    pub(crate) fn at(time: Timestamp) -> Self {
        let random: u128 = RANDOM.with_borrow_mut(|random| random.u128(..));
        let millis = u64::try_from(time.as_millisecond()).unwrap_or(0);
        let [_, _, _, _, _, _, random @ ..] = random.to_be_bytes();
        let builder = uuid::Builder::from_unix_timestamp_millis(millis, &random);
        Self(builder.into_uuid())
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
        let (earlier, later) = (CommandId::at(second(1_000)), CommandId::at(second(2_000)));
        assert!(earlier < later);
        assert_eq!(earlier.as_uuid().get_version_num(), 7);
        let threads = (0..4).map(|_| {
            let ids = || {
                (0..10_000)
                    .map(|_| CommandId::at(second(5)))
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
