//! A random command, and how it ended.

use std::sync::atomic::{AtomicU64, Ordering};

use cqrs_core::error::Failure;
use cqrs_core::prelude::*;
use cqrs_core::store::{Append, AppendError, EventData, EventLogExt as _, EventType, Tag};
use cqrs_core::{CommandId, Dispatcher, Position};

use super::domain::{Course, Drift, PANIC, Sail, SailedV1, Seen, Turned};
use crate::cancellation::poll_times;

/// The aggregates of each kind.
pub const IDS: [u8; 3] = [0, 1, 2];

/// A command, which may be sent again.
pub struct Sent {
    pub id: CommandId,
    pub command: ShipCommand,
    /// One for each time that it was sent.
    pub ends: Vec<End>,
}

#[derive(Clone, Debug)]
pub enum ShipCommand {
    Sail(Sail),
    Drift(Drift),
}

#[derive(Debug)]
pub enum End {
    Recorded,
    Refused {
        seen: Seen,
        /// The heads of the log before and after it.
        between: (Position, Position),
    },
    /// Nothing was recorded.
    Failed,
    /// All was recorded, or nothing: the call was dropped, or the answer of the log lost.
    Unknown,
}

/// A number of its own for each event.
fn mark() -> u64 {
    static MARKS: AtomicU64 = AtomicU64::new(1);
    MARKS.fetch_add(1, Ordering::Relaxed)
}

/// Sends random commands to random dispatchers, one after the other.
pub async fn send_some(apps: Vec<Dispatcher>, seed: u64, commands: usize) -> Vec<Sent> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut all = Vec::with_capacity(commands);
    for _ in 0..commands {
        if random.u8(..12) == 0 {
            append_old(&apps[0], &mut random).await;
        }
        let mut sent = Sent {
            id: CommandId::new(),
            command: ShipCommand::random(&mut random),
            ends: Vec::new(),
        };
        while sent.ends.is_empty() || sent.ends.len() < 3 && random.bool() {
            let app = &apps[random.usize(..apps.len())];
            let is_dropped = random.bool();
            let polls = if is_dropped {
                random.usize(1..20)
            } else {
                usize::MAX
            };
            let end = poll_times(Box::pin(sent.command.send(app, sent.id)), polls).await;
            sent.ends.push(end.unwrap_or(End::Unknown));
        }
        all.push(sent);
    }
    all
}

/// Appends an event of an earlier program, about aggregates that it does not read.
async fn append_old(app: &Dispatcher, random: &mut fastrand::Rng) {
    let [hull, keel, mast, hold] = [0; 4].map(|_| random.u8(..3));
    let event = SailedV1 {
        hull,
        keel,
        mast,
        hold,
        mark: mark(),
    };
    let tags = [
        ("hull", hull),
        ("keel", keel),
        ("mast", mast),
        ("hold", hold),
    ];
    let data = EventData {
        event_type: EventType::new("sailed"),
        version: 1,
        tags: tags
            .into_iter()
            .map(|(name, id)| Tag::new(name, id))
            .collect(),
        payload: serde_json::to_vec(&event).expect("JSON"),
    };
    let append = Append::new(CommandId::new(), vec![data]);
    match app.log().append(append).await {
        Ok(_) | Err(AppendError::Overloaded { .. } | AppendError::Indeterminate { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

impl ShipCommand {
    fn random(random: &mut fastrand::Rng) -> Self {
        let is_drift = random.u8(..4) == 0;
        let course = match random.u8(..100) {
            0..70 => Course::Sail,
            70..85 => Course::Turn,
            85..92 => Course::Founder,
            _ => Course::Sink,
        };
        let mut some = |most: usize| {
            let mut ids = IDS.to_vec();
            random.shuffle(&mut ids);
            ids.truncate(random.usize(..=most));
            ids
        };
        let [hulls, keels, masts] = [2, 1, 1].map(&mut some);
        // A drift decides about none of these.
        let [flags, holds] = [0; 2].map(|_| some(usize::from(!is_drift)));
        let sail = Sail {
            hulls: hulls.clone(),
            keels: keels.clone(),
            masts: masts.clone(),
            flags,
            holds,
            // Nobody checks that this one can fold the event.
            also: (course == Course::Sail && random.bool()).then(|| random.u8(..3)),
            course,
            marks: (0..random.u8(..4)).map(|_| mark()).collect(),
        };
        if is_drift {
            return Self::Drift(Drift {
                hulls,
                keels,
                masts,
                sail,
            });
        }
        Self::Sail(sail)
    }

    pub fn marks(&self) -> &[u64] {
        match self {
            Self::Sail(sail) | Self::Drift(Drift { sail, .. }) => &sail.marks,
        }
    }

    async fn send(&self, app: &Dispatcher, id: CommandId) -> End {
        let before = app.log().head().await.expect("a head");
        let sent = match self.clone() {
            Self::Sail(sail) => app.execute(sail).id(id).await,
            Self::Drift(drift) => app.execute(drift).id(id).await,
        };
        match sent {
            Ok(_) => End::Recorded,
            Err(CommandError::Rejected(Turned(seen))) => {
                let after = app.log().head().await.expect("a head");
                let between = (before, after);
                End::Refused { seen, between }
            }
            Err(CommandError::Failed(Failure::Append(AppendError::Indeterminate { .. }))) => {
                End::Unknown
            }
            Err(CommandError::Conflict { .. }) => End::Failed,
            Err(CommandError::Failed(Failure::Append(AppendError::Overloaded { .. }))) => {
                End::Failed
            }
            Err(CommandError::Failed(
                Failure::Panicked { message, .. } | Failure::FunctionPanicked { message, .. },
            )) if message == PANIC => End::Failed,
            Err(error) => panic!("{self:?}: {error}"),
        }
    }
}
