use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use super::{
    Ahead, BoxFuture, Checkpoint, Division, Halt, KeyRelease, ParkedKey, Position, Relocation,
    SkippedEvent, Slices, StoreError,
};

/// A part of a subscription that one process handles at a time, and in which process that is.
///
/// A process *attends* with the subscriptions that it can handle, again and again. It may *claim* a
/// shard that no attending process owns, which raises the shard's epoch. A commit names the epoch
/// in which the shard was claimed, and is refused if it is no longer the current one
/// ([`ViewBatch::epoch`](super::ViewBatch::epoch)): a process that was taken for dead cannot write.
/// Time is that of the store, so the clocks of processes do not matter.
///
/// An operator *halts* a shard and lets it continue, moves its checkpoint, and *divides* a subscription
/// into other shards, in any process. Each such change raises the epoch, or leaves the shard to its owner
/// until that has finished its page.
///
/// A subscription may *park* keys, whose events it leaves out ([`ViewBatch::parked`](super::ViewBatch::parked)),
/// and an operator releases them. They belong to the subscription, each to the shard that has its slice.
///
/// A subscription without stored shards has a single one, of all slices, which is stored by the first
/// method that changes it. No method stores a shard beside others whose slices it shares.
///
/// A view store offers it with [`ViewCapabilities::shards`](super::ViewCapabilities::shards).
pub trait ShardStore: Send + Sync + 'static {
    /// Registers a process, or extends its registration, and returns all processes that
    /// attend, with the shards of their subscriptions. A store that notices the death of a process
    /// earlier than by the end of its lease may leave it out.
    fn attend(&self, attendance: Attendance) -> BoxFuture<'_, Result<Roster, StoreError>>;

    /// Makes the process the owner of each shard whose epoch is the one that was seen and whose
    /// owner, if any, no longer attends, unless it is halted. A shard that is not stored yet has the
    /// epoch 0. Returns the new epochs, in the order of the claims: `None` if another process was
    /// faster.
    fn claim(
        &self,
        worker: WorkerId,
        claims: Vec<Claim>,
    ) -> BoxFuture<'_, Result<Vec<Option<Epoch>>, StoreError>>;

    /// Makes the process the owner of all shards of a subscription that are not halted, whoever owns them, and raises
    /// their epochs: nobody else commits anything for them until its lease ends. Returns `false` if there are none.
    fn seize(
        &self,
        worker: WorkerId,
        subscription: String,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Gives up the shards that the process owns among these. Their checkpoints and epochs stay.
    fn release(
        &self,
        worker: WorkerId,
        shards: Vec<Shard>,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Ends the attendance of a process, and gives up all of its shards.
    fn leave(&self, worker: WorkerId) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The stored shards of a subscription, in order.
    fn shards(&self, subscription: String) -> BoxFuture<'_, Result<Vec<ShardState>, StoreError>>;

    /// Records why no process handles the shard, in place of an earlier reason. No process can claim it
    /// from then on. A shard without an owner that attends loses its owner, and its epoch is raised; an
    /// owner that attends has to release it.
    ///
    /// Returns `false`, and does nothing, if the subscription has other shards. With an epoch, the owner
    /// halts its own shard: also if the shard is not in that epoch, or is halted already.
    fn halt(
        &self,
        shard: Shard,
        halt: Halt,
        epoch: Option<Epoch>,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Ends a pause, if `from_pause`, or else any other halt, and raises the epoch of the shard: whoever
    /// owns it begins again at its checkpoint. Returns `false`, and does nothing, if it is paused and is
    /// not to be, or the reverse.
    fn resume(&self, shard: Shard, from_pause: bool) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Moves a checkpoint, raises the epoch of the shard, and ends a halt other than a pause. Records
    /// the skipped events in the same step. Without one, removes the parked keys of the shard whose first
    /// event is after the new checkpoint. Returns `false`, and does nothing, if the checkpoint is not where
    /// the relocation begins.
    fn relocate(&self, relocation: Relocation) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Puts the shards of a division in the place of the stored ones, in one step, as
    /// [`Division::apply`] tells. Returns `false`, and does nothing, if that is `None`.
    fn divide(&self, division: Division) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// The skipped events of a subscription, in order.
    fn skipped(&self, subscription: String)
    -> BoxFuture<'_, Result<Vec<SkippedEvent>, StoreError>>;

    /// The parked keys in the slices of a shard, whether or not it is stored, in the order of their first
    /// events.
    fn parked(&self, shard: Shard) -> BoxFuture<'_, Result<Vec<ParkedKey>, StoreError>>;

    /// Changes parked keys as [`KeyRelease::apply`] tells, raises the epochs of their shards, and records
    /// the skipped event, in one step. Returns the number of keys: 0, and nothing is done, if there is none
    /// that this concerns.
    fn release_keys(&self, release: KeyRelease) -> BoxFuture<'_, Result<u64, StoreError>>;
}

/// A process that handles subscriptions, from the start of its dispatcher to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(Uuid);

/// Number that is raised each time that a shard is claimed, or taken from its owner. 0 if it never was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(u64);

/// A range of slices of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard {
    /// Name of the subscription.
    pub subscription: String,
    /// The slices.
    pub slices: Slices,
}

/// A process that attends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendance {
    /// The process.
    pub worker: WorkerId,
    /// The subscriptions that it can handle.
    pub subscriptions: Vec<String>,
    /// Time until the process counts as dead, unless it attends again.
    pub lease: Duration,
}

/// A shard that a process wants to own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The shard.
    pub shard: Shard,
    /// Its epoch in the roster, 0 if it is not there.
    pub seen: Epoch,
}

/// The processes that attend, and the shards, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// The processes, each with the subscriptions that it can handle, in the order of their ids.
    pub workers: Vec<(WorkerId, Vec<String>)>,
    /// The stored shards of the subscriptions of these processes, in order. A subscription without
    /// any has a single one, which is stored when it is claimed.
    pub shards: Vec<ShardState>,
}

/// A stored shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardState {
    /// The shard.
    pub shard: Shard,
    /// The process that owns it, if that attends.
    pub owner: Option<WorkerId>,
    /// The epoch.
    pub epoch: Epoch,
    /// The checkpoint, if there is one yet.
    pub checkpoint: Option<Checkpoint>,
    /// The reason that no process may handle it, if there is one.
    pub halt: Option<Halt>,
    /// The slices of which more is handled than up to the checkpoint. Without effect where the checkpoint
    /// has passed them.
    pub ahead: Vec<Ahead>,
    /// The name of the tag by which keys of the shard are parked. Else, that by which the subscription is
    /// divided, or was if some slices are [ahead](Self::ahead). `None` if it never was.
    pub partition: Option<String>,
    /// Number of parked keys of the shard.
    pub parked: u64,
}

impl ShardState {
    /// A shard that is not stored yet.
    pub fn unclaimed(shard: Shard) -> Self {
        Self {
            shard,
            owner: None,
            epoch: Epoch::UNCLAIMED,
            checkpoint: None,
            halt: None,
            ahead: Vec::new(),
            partition: None,
            parked: 0,
        }
    }

    /// Whether a process with this partition can handle the shard: it is divided by that, or has all slices
    /// and is as far with each key.
    pub fn is_partitioned_by(&self, partition: Option<&str>) -> bool {
        let position = self.position();
        let is_even = self
            .ahead
            .iter()
            .all(|ahead| ahead.checkpoint.position <= position);
        (is_even && self.parked == 0 && self.shard.slices == Slices::ALL)
            || self.partition.as_deref() == partition
    }

    /// The position up to which all slices of the shard are handled.
    pub fn position(&self) -> Position {
        self.checkpoint.unwrap_or_default().position
    }
}

impl WorkerId {
    /// Creates an id that no other process has.
    #[expect(clippy::new_without_default, reason = "each id is a new one")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id as a UUID.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for WorkerId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Epoch {
    /// The epoch of a shard that was never claimed.
    pub const UNCLAIMED: Self = Self(0);

    /// Creates an epoch from its number.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The epoch after the next claim.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Shard {
    /// The shard of all slices of a subscription.
    pub fn whole(subscription: impl Into<String>) -> Self {
        Self {
            subscription: subscription.into(),
            slices: Slices::ALL,
        }
    }
}
