use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::worker::now;
use super::{HeldCheckpoint, Interruption, SubscriptionPage, unless};
use crate::store::{
    BoxFuture, Checkpoint, Incarnation, ParkedChange, ParkedKey, Position, Slices, ViewChange,
    ViewCommitError,
};
use crate::trace;

/// The work of a follower that no event brings.
pub(crate) trait Upkeep: Send + Sync {
    /// Waits until there is some.
    fn wait(&self) -> BoxFuture<'_, ()>;

    /// Does it, between two pages. Everything up to `handled` is done.
    fn run<'a>(
        &'a self,
        handled: Position,
        checkpoint: &'a mut HeldCheckpoint,
    ) -> BoxFuture<'a, Result<(), Interruption>>;

    /// The trouble with something that is tried again.
    fn trouble(&self) -> Option<Trouble>;

    /// Leaves it to another process.
    fn leave(&self);

    /// Waits for what has begun, at the end of the worker.
    fn finish(&self) -> BoxFuture<'_, ()>;
}

/// What keeps a follower from its other work.
pub(crate) enum Trouble {
    /// It fails: the number of consecutive failures, and the last error.
    Failing(u32, String),
    /// It needs a newer program, and there is none.
    Outdated(String),
}

/// Has a follower do its other work until the next page is there.
pub(super) async fn until_polled<T>(
    upkeep: &dyn Upkeep,
    (handled, checkpoint): (Position, &mut HeldCheckpoint),
    is_troubled: &mut bool,
    poll: impl Future<Output = T>,
) -> Result<T, Interruption> {
    let mut poll = pin!(poll);
    loop {
        match upkeep.trouble() {
            Some(Trouble::Failing(attempts, error)) => {
                checkpoint.progress.mark_failing(attempts, error);
                *is_troubled = true;
            }
            Some(Trouble::Outdated(error)) => {
                checkpoint.progress.mark_outdated(error);
                *is_troubled = true;
            }
            None if *is_troubled => {
                checkpoint.mark_reached(handled);
                *is_troubled = false;
            }
            None => {}
        }
        if let Some(polled) = unless(upkeep.wait(), poll.as_mut()).await {
            return Ok(polled);
        }
        upkeep.run(handled, checkpoint).await?;
        // As long as there is other work all the time, the log gets its turn, too.
        let looked = poll_fn(|context| Poll::Ready(poll.as_mut().poll(context)));
        if let Poll::Ready(polled) = looked.await {
            return Ok(polled);
        }
    }
}

impl HeldCheckpoint {
    /// The slices of the shard.
    pub(crate) fn slices(&self) -> Slices {
        self.shard.slices
    }

    /// Whether the events of a key are left out.
    pub(crate) fn is_parked(&self, key: &str) -> bool {
        self.parked.iter().any(|parked| parked.key == key)
    }

    /// Writes changes that no event brings, with the checkpoint at a position up to which everything is
    /// handled.
    pub(crate) async fn commit_between(
        &mut self,
        handled: Position,
        changes: Vec<ViewChange>,
    ) -> Result<(), ViewCommitError> {
        let page = SubscriptionPage {
            from: handled,
            to: handled,
            events: &[],
            has_more: false,
        };
        self.commit(page, handled, changes).await
    }

    /// Parks a key for a reason that is no event: from this position on, whose event may be handled. Writes changes
    /// with that. Returns `false`, and does neither, if too many keys are parked.
    pub(crate) async fn park_from(
        &mut self,
        handled: Position,
        (key, first): (String, Position),
        (cause, changes): (String, Vec<ViewChange>),
    ) -> Result<bool, Interruption> {
        let info = self.progress.info();
        let shards = self.views.view_capabilities().shards;
        let (Some(partition), Some(shards)) = (info.stored_partition, shards) else {
            return Ok(false);
        };
        let subscription = self.shard.subscription.clone();
        let stored = shards.shards(subscription.clone()).await?;
        if stored.iter().map(|state| state.parked).sum::<u64>() >= super::parking::MAX_PARKED_KEYS {
            return Ok(false);
        }
        let key = ParkedKey {
            partition: partition.to_owned(),
            key,
            first,
            cause,
            since: now(),
            is_released: false,
        };
        let to = Checkpoint {
            position: handled,
            last_event: self.last_event,
        };
        let batch = self.batch_to(to, changes, vec![ParkedChange::Park(key.clone())])?;
        self.write(batch).await?;
        trace::parks(&subscription, &key);
        Ok(true)
    }

    /// The incarnation of the log in which the checkpoint was read.
    pub(crate) fn incarnation(&self) -> Incarnation {
        self.log_incarnation
    }
}
