use std::time::Duration;

use thiserror::Error;

use crate::store::{Position, Slices, StoreError};

/// The error of an operation on a projection or reaction.
#[derive(Clone, Error)]
#[non_exhaustive]
pub enum OperationError {
    /// There is no projection or reaction with this name.
    #[error("there is no projection or reaction `{name}`, only: {}", known.join(", "))]
    Unknown {
        /// The requested name.
        name: String,
        /// The names that there are.
        known: Vec<&'static str>,
    },
    /// A projection and a reaction have this name.
    #[error("a projection and a reaction are named `{name}`: rename one of them")]
    Ambiguous {
        /// The requested name.
        name: String,
    },
    /// Its view store has no shards, so nothing about them can be stored.
    #[error("the view store of `{name}` keeps no shards, so it can be neither paused nor moved")]
    NotOffered {
        /// Name of the projection or reaction.
        name: &'static str,
    },
    /// It names no tag by which its events could be divided.
    #[error(
        "`{name}` is not partitioned, so it has one shard: add `partition = ..` to its attribute"
    )]
    NotPartitioned {
        /// Name of the projection or reaction.
        name: &'static str,
    },
    /// It is divided, or keys of it are parked, by another tag than that of this program.
    #[error(
        "`{name}` is divided, or its events are parked, by `{stored}`, which is not the `partition` of this \
         program: operate it with one that has it"
    )]
    OtherPartition {
        /// Name of the projection or reaction.
        name: &'static str,
        /// The name of the tag by which it is divided.
        stored: String,
    },
    /// The key is not parked, or not in the version of this program.
    #[error("`{name}` has not parked `{key}`{}", others_of(*.by))]
    NotParked {
        /// Name of the projection or reaction.
        name: &'static str,
        /// Another version of the projection that has parked it.
        by: Option<u32>,
        /// The requested key.
        key: String,
    },
    /// There cannot be so many shards.
    #[error(
        "`{name}` can be divided into 1 to {} shards, not into {shards}",
        Slices::COUNT
    )]
    ShardCount {
        /// Name of the projection or reaction.
        name: &'static str,
        /// The requested number.
        shards: u16,
    },
    /// It is paused, so nothing can be retried.
    #[error("`{name}` is paused ({reason}): `resume` it")]
    Paused {
        /// Name of the projection or reaction.
        name: &'static str,
        /// The reason of the pause.
        reason: String,
    },
    /// An event has a newer version than this program knows, and no other process handles it.
    #[error("no process handles the events of `{name}`: {error}")]
    Outdated {
        /// Name of the projection or reaction.
        name: &'static str,
        /// The error of the event.
        error: String,
    },
    /// It has stopped and is not paused.
    #[error("`{name}` has stopped: `retry` the event, or `skip` its position. {error}")]
    Stopped {
        /// Name of the projection or reaction.
        name: &'static str,
        /// The error of the event.
        error: String,
    },
    /// The event is neither the next one nor the first one of a parked key, so it cannot be skipped.
    #[error(
        "`{name}` can only skip its next event, {}, or the first one of a parked key, and not the one at \
         position {position}",
        in_words(*.next)
    )]
    NotNext {
        /// Name of the projection or reaction.
        name: &'static str,
        /// The requested position.
        position: Position,
        /// Position of the next event, if there is one.
        next: Option<Position>,
    },
    /// The checkpoint is not behind the requested position, so it cannot be moved back there.
    #[error("`{name}` is at position {at}, which is not after {to}: a checkpoint moves back only")]
    NotBack {
        /// Name of the projection or reaction.
        name: &'static str,
        /// The position of the checkpoint.
        at: Position,
        /// The requested position.
        to: Position,
    },
    /// Another process kept moving the checkpoint, or dividing the shards. Nothing was changed, or not all
    /// of several shards.
    #[error("the checkpoint of `{name}` keeps moving: pause it first")]
    Moving {
        /// Name of the projection or reaction.
        name: &'static str,
    },
    /// The pause is stored, but the process that handles the events has not stopped yet.
    #[error(
        "`{name}` is paused, but a process has been at the same page of events for {waited:?}: call \
         `pause` again to wait for it"
    )]
    StillRunning {
        /// Name of the projection or reaction.
        name: &'static str,
        /// Time of the wait.
        waited: Duration,
    },
    /// It is a reaction, which has no versions: its effects are never repeated.
    #[error("`{name}` is a reaction: only projections have versions")]
    NotAProjection {
        /// Name of the reaction.
        name: &'static str,
    },
    /// Its view store does not keep versions of projections.
    #[error("the view store of `{name}` keeps no versions of projections")]
    NoVersions {
        /// Name of the projection.
        name: &'static str,
    },
    /// The version is not in the store.
    #[error("there is no version {version} of projection `{name}`")]
    UnknownVersion {
        /// Name of the projection.
        name: &'static str,
        /// The version.
        version: u32,
    },
    /// The version of this program is live, so it cannot be held.
    #[error(
        "version {version} of projection `{name}` is live already, and only one that is not can be held: \
         start the next one with `hold_versions(true)`, or `switch` to another one in a program that has it"
    )]
    AlreadyLive {
        /// Name of the projection.
        name: &'static str,
        /// The version.
        version: u32,
    },
    /// The version writes tables with SQL, so its views cannot be built again beside themselves.
    #[error(
        "version {version} of projection `{name}` writes tables with SQL, which only another version builds \
         beside them: raise `version`"
    )]
    WritesSql {
        /// Name of the projection.
        name: &'static str,
        /// The version.
        version: u32,
    },
    /// The version has not caught up with the log.
    #[error("projection `{name}` is at position {position} of {head}: wait until it has caught up")]
    NotComplete {
        /// Name of the projection.
        name: &'static str,
        /// The position that it has reached.
        position: Position,
        /// The head of the log.
        head: Position,
    },
    /// The version is complete, but its read models lack the events of parked ids, so it does not become live
    /// by itself.
    #[error(
        "projection `{name}` is complete, except for the events of {keys} parked ids: `release` them, or \
         `switch` to it as it is"
    )]
    Incomplete {
        /// Name of the projection.
        name: &'static str,
        /// Number of parked ids.
        keys: u64,
    },
    /// The version cannot be dropped: it is live.
    #[error("version {version} of projection `{name}` is live: `switch` to another one first")]
    Live {
        /// Name of the projection.
        name: &'static str,
        /// The version.
        version: u32,
    },
    /// The version cannot be dropped: processes that have its code handle its events, or are ready to.
    #[error(
        "version {version} of projection `{name}` is in use by {}: shut down the processes whose program has \
         this version; one that crashed counts until its lease has ended",
        by_processes(*processes)
    )]
    InUse {
        /// Name of the projection.
        name: &'static str,
        /// The version.
        version: u32,
        /// Number of these processes. 0 if they have ended since.
        processes: usize,
    },
    /// The dispatcher was shut down meanwhile.
    #[error("the dispatcher was shut down")]
    ShutDown,
    /// A store failed. A change may have been stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

crate::debug_as_report!(OperationError);

/// Where to look for a key.
fn others_of(version: Option<u32>) -> String {
    version.map_or_else(
        || ": `parked` lists the keys that it has".to_owned(),
        |version| {
            format!(
                " in the version of this program, but in version {version}: release it with a program of \
                 that version"
            )
        },
    )
}

/// Those that handle the events of a version.
fn by_processes(count: usize) -> String {
    match count {
        0 => "processes that have ended since".to_owned(),
        1 => "1 process".to_owned(),
        several => format!("{several} processes"),
    }
}

/// The next event.
fn in_words(position: Option<Position>) -> String {
    position.map_or_else(
        || "of which there is none".to_owned(),
        |position| format!("at position {position}"),
    )
}
