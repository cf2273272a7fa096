use std::fmt;

use crate::Timestamp;
use crate::error::RebuildProgress;
use crate::store::{Halt, HaltKind, Position, Slices};

/// Health of the live version of a projection, whose code this program does not have. Queries are answered from
/// it as long as the version of the program is being built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionHealth {
    /// The version.
    pub version: u32,
    /// Position up to which every event has been handled, by processes with its code.
    pub position: Position,
    /// Current state, as this process observes it.
    pub state: SubscriptionState,
}

/// Health of a projection or reaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionHealth {
    /// Name of the projection or reaction.
    pub name: &'static str,
    /// Kind of the subscription.
    pub kind: SubscriptionKind,
    /// Position up to which every event has been handled.
    pub position: Position,
    /// Current state. Of several shards, that of the one that needs the most attention.
    pub state: SubscriptionState,
    /// The shards: a single one, unless it is [divided](crate::app::Subscriptions::divide).
    pub shards: Vec<ShardHealth>,
    /// The live version, if it answers the queries of this process in place of the program's own one.
    pub answered_by: Option<VersionHealth>,
}

/// Health of a shard of a projection or reaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardHealth {
    /// The slices of the shard.
    pub slices: Slices,
    /// Position up to which every event of these has been handled.
    pub position: Position,
    /// Current state.
    pub state: SubscriptionState,
}

/// Kind of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionKind {
    /// A projection, which writes read models.
    Projection,
    /// A reaction: an `#[event_handler]`.
    Reaction,
    /// A `#[process_manager]`.
    ProcessManager,
}

/// State of a projection or reaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionState {
    /// Handling events that were in the log when it began, or was resumed.
    CatchingUp,
    /// Following the log.
    Running,
    /// Another process handles the events, and this one takes over when that ends, if it has the
    /// [role](crate::app::Builder::roles).
    Standby,
    /// An event has a newer version than this program knows, or its handler needs one that has, or a command or a
    /// deadline of a process manager does. Processes of a newer program are to handle the events, and this one does not
    /// take over until there is nothing left to wait for.
    Outdated {
        /// The error of the event, the command or the deadline.
        error: String,
        /// Whether another process has handled the event. `None` as long as that is not known: others attend for the
        /// events, or nobody has for less than a [lease](crate::app::Builder::lease). `Some(false)` once nobody does: then the
        /// events wait until a newer program is started. If only a command or a deadline waits, this process goes on with
        /// the other instances of the process manager.
        is_handled: Option<bool>,
    },
    /// A version of a projection that has never been live is being built, here or in other processes.
    /// Queries of this process are not answered from it.
    Rebuilding {
        /// How far it is.
        progress: RebuildProgress,
        /// Whether it is complete, and becomes live only when somebody
        /// [switches](crate::app::Subscriptions::switch) to it.
        is_held: bool,
    },
    /// No process has handled the events for a [lease](crate::app::Builder::lease), and this one does
    /// not have the [role](crate::app::Builder::roles).
    Unattended,
    /// The events of some ids wait, each since one of them failed for too long; those of others are
    /// handled. An operator [releases](crate::app::Subscriptions::release) the ids.
    Parked {
        /// Number of ids. Of several shards, that of all of them.
        keys: u64,
    },
    /// An event waits that is neither handled nor fails, for longer than
    /// [`Builder::stuck_after`](crate::app::Builder::stuck_after): its handler does not return, or the process
    /// that handles it fails or hangs.
    Stuck {
        /// Time since which nothing was handled.
        since: Timestamp,
    },
    /// Paused by an operator, in all processes, until it is
    /// [resumed](crate::app::Subscriptions::resume).
    Paused {
        /// The reason that the operator gave.
        reason: String,
        /// Start of the pause.
        since: Timestamp,
    },
    /// Retrying after an error of an event or of the store. No event is skipped: the position stays
    /// until the retry succeeds. If an event still fails after
    /// [`Builder::retry_for`](crate::app::Builder::retry_for), the subscription is stopped.
    Failing {
        /// Number of consecutive failures.
        attempts: u32,
        /// The last error, with the handler and the event's position if an event failed.
        error: String,
    },
    /// Stopped in all processes, since an event failed for too long. An operator has it
    /// [retried](crate::app::Subscriptions::retry), or [skips](crate::app::Subscriptions::skip) it.
    Stopped {
        /// Position of the event.
        at: Position,
        /// The last error, with the handler.
        error: String,
        /// Time of the stop.
        since: Timestamp,
    },
    /// Ended in this process. The dispatcher does not start it again.
    Ended {
        /// The reason: the dispatcher was shut down, or the runtime in which it was built has
        /// ended.
        reason: String,
    },
}

impl SubscriptionKind {
    /// Its name: `projection`, `reaction` or `process manager`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Projection => "projection",
            Self::Reaction => "reaction",
            Self::ProcessManager => "process manager",
        }
    }
}

impl fmt::Display for SubscriptionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl SubscriptionHealth {
    /// Whether all of its events are handled, here or in another process: also those of the version that
    /// answers queries, if that is another one.
    pub fn is_ok(&self) -> bool {
        let mut answering = self.answered_by.iter();
        self.state.is_ok() && answering.all(|version| version.state.is_ok())
    }

    /// Number of positions between this subscription and `head`.
    pub fn behind(&self, head: Position) -> u64 {
        head.since(self.position)
    }
}

/// The state with its reason, also that of the version that answers queries, if that is another one.
impl fmt::Display for SubscriptionHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            kind,
            position,
            state,
            ..
        } = self;
        let state = state.describe();
        write!(f, "{kind} `{name}` at position {position}: {state}")?;
        if let Some(VersionHealth { version, state, .. }) = &self.answered_by {
            write!(f, "; version {version} answers: {}", state.describe())?;
        }
        Ok(())
    }
}

impl SubscriptionState {
    /// The names of all states.
    pub const NAMES: [&str; 12] = [
        "catching up",
        "running",
        "standby",
        "outdated",
        "rebuilding",
        "unattended",
        "parked",
        "stuck",
        "paused",
        "failing",
        "stopped",
        "ended",
    ];

    /// Its name, one of [`NAMES`](Self::NAMES): `running`, for example.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CatchingUp => "catching up",
            Self::Running => "running",
            Self::Standby => "standby",
            Self::Outdated { .. } => "outdated",
            Self::Rebuilding { .. } => "rebuilding",
            Self::Unattended => "unattended",
            Self::Parked { .. } => "parked",
            Self::Stuck { .. } => "stuck",
            Self::Paused { .. } => "paused",
            Self::Failing { .. } => "failing",
            Self::Stopped { .. } => "stopped",
            Self::Ended { .. } => "ended",
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::CatchingUp | Self::Running => self.name().to_owned(),
            other => other.to_string(),
        }
    }

    /// Whether all events are handled.
    pub(super) fn is_ok(&self) -> bool {
        match self {
            Self::CatchingUp | Self::Running | Self::Standby | Self::Rebuilding { .. } => true,
            Self::Outdated { is_handled, .. } => *is_handled != Some(false),
            Self::Parked { .. }
            | Self::Unattended
            | Self::Stuck { .. }
            | Self::Paused { .. }
            | Self::Failing { .. }
            | Self::Stopped { .. }
            | Self::Ended { .. } => false,
        }
    }

    /// How much attention the state needs, compared with others.
    pub(super) fn severity(&self) -> u8 {
        match self {
            Self::Standby => 0,
            Self::Outdated {
                is_handled: Some(true),
                ..
            }
            | Self::Running => 1,
            Self::CatchingUp
            | Self::Rebuilding { .. }
            | Self::Outdated {
                is_handled: None, ..
            } => 2,
            Self::Parked { .. } => 3,
            Self::Unattended => 4,
            Self::Stuck { .. } => 5,
            Self::Failing { .. } | Self::Outdated { .. } => 6,
            Self::Paused { .. } => 7,
            Self::Stopped { .. } => 8,
            Self::Ended { .. } => 9,
        }
    }
}

impl From<&Halt> for SubscriptionState {
    fn from(halt: &Halt) -> Self {
        let Halt {
            kind,
            reason,
            since,
        } = halt.clone();
        match kind {
            HaltKind::Paused => Self::Paused { reason, since },
            HaltKind::Stopped { position } => Self::Stopped {
                at: position,
                error: reason,
                since,
            },
        }
    }
}

/// The reason for a state in which no event is handled, or may not be. Empty for the others.
impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CatchingUp | Self::Running => Ok(()),
            Self::Standby => f.write_str("in another process"),
            Self::Rebuilding { is_held: true, .. } => {
                f.write_str("its new version is complete, and held: switch to it")
            }
            Self::Rebuilding { progress, .. } => {
                write!(f, "its new version is being built: {progress}")
            }
            Self::Outdated { error, is_handled } => {
                let handled = match is_handled {
                    Some(true) => "handled by a newer program",
                    None => "left to other processes, if one of them has a newer program",
                    Some(false) => "it waits for a newer program: start one, or skip the event",
                };
                write!(f, "{handled}. {error}")
            }
            Self::Unattended => {
                f.write_str("no process handles its events: start one that has the role for it")
            }
            Self::Parked { keys: 1 } => f.write_str("1 id is parked: release it"),
            Self::Parked { keys } => write!(f, "{keys} ids are parked: release them"),
            Self::Stuck { since } => write!(
                f,
                "nothing was handled since {since}, though an event waits: its handler does not return, or \
                 fails in another process"
            ),
            Self::Paused { reason, .. } => write!(f, "it is paused: {reason}"),
            Self::Failing { error, .. } | Self::Stopped { error, .. } => f.write_str(error),
            Self::Ended { reason } => f.write_str(reason),
        }
    }
}
