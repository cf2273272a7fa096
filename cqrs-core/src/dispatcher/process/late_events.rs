use super::instance::Instance;
use super::process_call::ProcessCall;
use crate::dispatcher::Inner;
use crate::error::{Failure, QueryError, Result};
use crate::registry::ProcessEntry;
use crate::store::{Position, Shard, Slices};
use crate::subscription::{ShardProgress, SubscriptionKind};

impl<P> ProcessCall<'_, P> {
    /// Number of events with this id that no step has handled: those after the end of the instance, as
    /// [`Process::late`](super::Process::late) counts them, and those that came while it had not begun. These are in
    /// the log alone, which is read for that, also those from before the process manager was there.
    ///
    /// # Errors
    /// As those of the call.
    pub async fn late(self) -> Result<u64, QueryError> {
        let (entry, inner) = (self.entry, &self.dispatcher.inner);
        self.permit()?;
        let key = self.key()?;
        // Before the instance: what is handled meanwhile has not found it missing.
        let handled = inner.handled_for(entry, &key).await?;
        let instance = self.load(&key).await?;
        let (before, after) = match &instance {
            Some(Instance { started, late, .. }) => (started.position.before(), *late),
            None => (handled, 0),
        };
        let history = self.history().up_to(before);
        let mut events = history.stream()?;
        let mut count = after;
        while events.next().await.map_err(Failure::from)?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}

impl Inner {
    /// The position up to which the process manager has handled the events of an instance.
    async fn handled_for(&self, entry: &ProcessEntry, key: &str) -> Result<Position, Failure> {
        let mut workers = self.workers.iter();
        let found = workers
            .find(|it| it.kind() == SubscriptionKind::ProcessManager && it.name() == entry.name);
        let Some(progress) = found else {
            return Ok(Position::START);
        };
        let slice = Slices::of_tag(key);
        let shards = progress.shards();
        let mut own = shards.iter().filter(|it| it.shard().slices.contains(slice));
        let position = own.next().map_or(Position::START, ShardProgress::position);
        let Some(store) = progress.views().view_capabilities().shards else {
            return Ok(position);
        };
        let subscription = Shard::whole(progress.subscription());
        // Another process may have moved it since.
        let stored = store.shards(subscription.subscription.clone()).await?;
        let mut own = stored.iter().filter(|it| it.shard.slices.contains(slice));
        let position = own
            .next()
            .map_or(position, |it| it.position().max(position));
        let parked = store.parked(subscription).await?.into_iter();
        let first = parked
            .filter(|it| it.key == key)
            .map(|it| it.first.before());
        Ok(first.fold(position, Position::min))
    }
}
