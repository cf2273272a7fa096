use super::{Follower, HeldCheckpoint, Interruption, PageOutcome, Phase, SubscriptionPage};
use crate::store::{BoxFuture, Position};

/// The follower of a subscription that this program has no code for: its workers observe the checkpoints
/// that other processes move, and never hold a shard.
pub(crate) struct ObservingFollower;

impl Follower for ObservingFollower {
    fn ends(&self, phase: Phase, _: Position) -> bool {
        phase != Phase::Running
    }

    fn handle<'a>(
        &'a self,
        _: SubscriptionPage<'a>,
        _: &'a mut HeldCheckpoint,
    ) -> BoxFuture<'a, Result<PageOutcome, Interruption>> {
        Box::pin(std::future::ready(Err(Interruption::LeaseEnded)))
    }
}
