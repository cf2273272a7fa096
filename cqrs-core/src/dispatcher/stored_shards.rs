use std::sync::Arc;

use super::answering::AnsweringVersion;
use crate::error::OperationError;
use crate::store::{
    Checkpoint, EventLog, EventQuery, Halt, HaltKind, KeyRelease, LastEvent, ParkedKey, Position,
    ReadRange, Recorded, Relocation, Shard, ShardState, ShardStore, SkippedEvent, StoreError,
};
use crate::subscription::{Partition, Progress, ShardSelection, next_event};

/// The stored shards of a projection or reaction, as operators see and change them.
pub(super) struct StoredShards<'d> {
    pub(super) progress: &'d Progress,
    pub(super) store: &'d dyn ShardStore,
    pub(super) log: &'d dyn EventLog,
    /// While its version of the projection does not answer queries.
    pub(super) answering: Option<&'d Arc<AnsweringVersion>>,
}

/// The next event of a shard.
pub(super) struct UnhandledEvent {
    pub(super) state: ShardState,
    pub(super) event: Arc<Recorded>,
    /// The events that the shard has to handle. `None` if these are all of the subscription.
    selection: Option<ShardSelection>,
}

impl StoredShards<'_> {
    pub(super) fn name(&self) -> &'static str {
        self.progress.name()
    }

    /// The shards in order: a single one, if none is stored.
    ///
    /// # Errors
    /// [`OperationError::OtherPartition`] if the program would take other events for theirs.
    pub(super) async fn read(&self) -> Result<Vec<ShardState>, OperationError> {
        let subscription = self.progress.subscription();
        let stored = self.store.shards(subscription.to_owned()).await?;
        if stored.is_empty() {
            return Ok(vec![ShardState::unclaimed(Shard::whole(subscription))]);
        }
        if !self.progress.can_handle(&stored) {
            let mut partitions = stored.into_iter().filter_map(|state| state.partition);
            return Err(OperationError::OtherPartition {
                name: self.name(),
                stored: partitions.next().unwrap_or_default(),
            });
        }
        Ok(stored)
    }

    /// Halts all shards.
    pub(super) async fn halt(&self, halt: &Halt) -> Result<(), OperationError> {
        for state in self.read().await? {
            let shard = state.shard.clone();
            if self.store.halt(shard, halt.clone(), None).await? {
                self.show_halt(&state, Some(halt));
            }
        }
        self.progress.doubt();
        Ok(())
    }

    /// Ends the pause of all shards, or else any other halt, of those that this concerns. Returns whether
    /// there was one.
    pub(super) async fn resume(&self, from_pause: bool) -> Result<bool, OperationError> {
        let stored = self.read().await?;
        let is_stopped = |state: &ShardState| stopped(state).is_some();
        let any_stopped = stored.iter().any(is_stopped);
        let mut any = false;
        for state in stored {
            // Those that go on are not disturbed by the retry of another one.
            if from_pause || !any_stopped || is_stopped(&state) {
                any |= self.store.resume(state.shard, from_pause).await?;
            }
        }
        if any {
            self.show().await?;
        }
        Ok(any)
    }

    /// The next events of the shards that have one. `parked` are the keys of all shards.
    pub(super) async fn next_events(
        &self,
        stored: Vec<ShardState>,
        parked: &[ParkedKey],
    ) -> Result<Vec<UnhandledEvent>, OperationError> {
        let mut all = Vec::new();
        for state in stored {
            let (partition, slices) = (self.progress.partition(), state.shard.slices);
            let selection = ShardSelection::new(partition, slices, &state.ahead, parked);
            let range = (state.position(), None);
            let next = next_event(self.log, self.progress.query(), selection.as_ref(), range);
            if let Some(event) = next.await?.event {
                all.push(UnhandledEvent {
                    state,
                    event,
                    selection,
                });
            }
        }
        Ok(all)
    }

    /// Skips the next event of a shard, for each key for which the shard has to handle it. Returns `false` if
    /// the checkpoint has moved.
    pub(super) async fn skip_next(
        &self,
        next: UnhandledEvent,
        skipped: SkippedEvent,
    ) -> Result<bool, OperationError> {
        let UnhandledEvent {
            state,
            event,
            selection,
        } = next;
        // Others may have handled it, and are to send the commands that it caused.
        let partition = self.progress.partition().filter(|it| it.each);
        let ids = partition.iter().flat_map(|partition| partition.ids(&event));
        let own = ids.filter(|id| {
            let selection = selection.as_ref();
            selection.is_none_or(|it| it.has_id(id, event.position))
        });
        let relocation = Relocation {
            shard: state.shard,
            from: state.checkpoint.map(|checkpoint| checkpoint.position),
            to: Checkpoint {
                position: event.position,
                last_event: Some(LastEvent::from(&*event)),
            },
            skipped: Some(skipped),
            keys: own.map(str::to_owned).collect(),
        };
        Ok(self.store.relocate(relocation).await?)
    }

    /// The parked keys of these shards, which are all. Reads none if there are none.
    pub(super) async fn parked_in(
        &self,
        stored: &[ShardState],
    ) -> Result<Vec<ParkedKey>, OperationError> {
        if stored.iter().all(|state| state.parked == 0) {
            return Ok(Vec::new());
        }
        self.parked().await
    }

    /// The parked keys of all shards.
    pub(super) async fn parked(&self) -> Result<Vec<ParkedKey>, OperationError> {
        let subscription = self.progress.subscription();
        let mut parked = self.store.parked(Shard::whole(subscription)).await?;
        for key in &mut parked {
            let is_own = self.progress.stored_partition() == Some(&*key.partition);
            if let Some(Partition { tag, .. }) = self.progress.partition().filter(|_| is_own) {
                tag.clone_into(&mut key.partition);
            }
        }
        Ok(parked)
    }

    /// Those that are parked at the event at this position: several, if it belongs to several.
    async fn parked_at<'p>(
        &self,
        position: Position,
        parked: &'p [ParkedKey],
    ) -> Result<Vec<&'p ParkedKey>, OperationError> {
        let here = parked.iter().filter(|parked| parked.first == position);
        let mut found: Vec<&ParkedKey> = here.collect();
        if found.iter().any(|parked| parked.is_released) {
            // Such a one is parked after its last handled event, where one of another key may be.
            let range = ReadRange {
                limit: 1,
                up_to: Some(position),
                ..ReadRange::after(position.before())
            };
            let page = self.log.read(self.progress.query().clone(), range).await?;
            let event = page.events.first().zip(self.progress.partition());
            let is_own = |key: &str| event.is_some_and(|(event, by)| by.has(event, key));
            found.retain(|parked| !parked.is_released || is_own(&parked.key));
        }
        Ok(found)
    }

    /// Skips an event for those of the parked keys that are parked at it, and releases them. Returns their number, or
    /// `None` if none is parked there.
    pub(super) async fn skip_parked(
        &self,
        event: &SkippedEvent,
        parked: &[ParkedKey],
    ) -> Result<Option<u64>, OperationError> {
        let parked = self.parked_at(event.position, parked).await?;
        if parked.is_empty() {
            return Ok(None);
        }
        let mut released = 0;
        for ParkedKey { key, .. } in parked {
            let skipped = SkippedEvent {
                key: Some(key.clone()),
                ..event.clone()
            };
            released += self.release_keys(Some(key.clone()), Some(skipped)).await?;
        }
        Ok(Some(released))
    }

    /// Releases parked keys. Returns their number.
    pub(super) async fn release(&self, key: Option<String>) -> Result<u64, OperationError> {
        // Otherwise, the keys may be those of another partition.
        self.read().await?;
        self.release_keys(key, None).await
    }

    async fn release_keys(
        &self,
        key: Option<String>,
        skipped: Option<SkippedEvent>,
    ) -> Result<u64, OperationError> {
        let release = KeyRelease {
            subscription: self.progress.subscription().to_owned(),
            key,
            skipped,
        };
        let released = self.store.release_keys(release).await?;
        self.progress.doubt();
        if let Some(answering) = self.answering {
            // It may be complete once their events are handled.
            answering.wake();
        }
        Ok(released)
    }

    /// The error of an operation that another process kept preventing.
    pub(super) fn moving_error(&self) -> OperationError {
        OperationError::Moving { name: self.name() }
    }

    /// Reads the stored shards, and shows them to this process.
    pub(super) async fn show(&self) -> Result<(), OperationError> {
        self.show_rewound(&[]).await
    }

    /// The same for shards whose checkpoints were moved back to these positions: what waits until all events are handled
    /// has to wait for these again, although a worker may have read the checkpoint before.
    pub(super) async fn show_rewound(
        &self,
        rewound: &[(Shard, Position)],
    ) -> Result<(), OperationError> {
        let stored = self.read().await?;
        for (shard, to) in rewound {
            let known = self.progress.shard(shard.slices);
            // Otherwise it was divided meanwhile, and the workers of others read their checkpoints.
            if let Some((known, state)) = known.zip(stored.iter().find(|it| it.shard == *shard)) {
                known.mark_rewound(*to, state.epoch, self.progress.view_incarnation());
            }
        }
        self.show_stored(&stored);
        Ok(())
    }

    /// Shows stored shards to this process.
    pub(super) fn show_stored(&self, stored: &[ShardState]) {
        for state in stored {
            self.show_halt(state, state.halt.as_ref());
        }
        self.progress.doubt();
    }

    fn show_halt(&self, state: &ShardState, halt: Option<&Halt>) {
        if let Some(shard) = self.progress.shard(state.shard.slices) {
            shard.mark_halted(halt);
        }
    }
}

/// The error of the event at which a shard has stopped.
pub(super) fn stopped(state: &ShardState) -> Option<&str> {
    let halt = state.halt.as_ref()?;
    match halt.kind {
        HaltKind::Paused => None,
        HaltKind::Stopped { .. } => Some(&halt.reason),
    }
}

/// The next event that a shard has to handle after a position.
pub(super) async fn next_of(
    progress: &Progress,
    log: &dyn EventLog,
    state: &ShardState,
    after: Position,
) -> Result<Option<Arc<Recorded>>, StoreError> {
    let store = progress.views().view_capabilities().shards;
    let parked = match store.filter(|_| state.parked > 0) {
        Some(store) => store.parked(state.shard.clone()).await?,
        None => Vec::new(),
    };
    let (partition, slices) = (progress.partition(), state.shard.slices);
    let selection = ShardSelection::new(partition, slices, &state.ahead, &parked);
    let range = (after, None);
    let next = next_event(log, progress.query(), selection.as_ref(), range).await?;
    Ok(next.event)
}

/// The positions up to which shards have everything, or the head if they have more than that. They have everything up
/// to their checkpoints, or up to a position after it that is known. Their checkpoints may be before that, if no event
/// after it concerns the shard.
pub(super) async fn reached(
    (log, store): (&dyn EventLog, &dyn ShardStore),
    (query, partition): (&EventQuery, Option<Partition>),
    states: &[(&ShardState, Position)],
    head: Position,
) -> Result<Vec<Position>, StoreError> {
    let mut selections = Vec::with_capacity(states.len());
    for (state, _) in states {
        let parked = match state.parked {
            0 => Vec::new(),
            _ => store.parked(state.shard.clone()).await?,
        };
        let slices = state.shard.slices;
        selections.push(ShardSelection::new(
            partition,
            slices,
            &state.ahead,
            &parked,
        ));
    }
    let mut found: Vec<Option<Position>> = states
        .iter()
        .map(|(_, known)| (*known >= head).then_some(head))
        .collect();
    let known = states.iter().map(|(_, known)| *known);
    let mut after = known.min().unwrap_or(head);
    while after < head && found.iter().any(Option::is_none) {
        let mut range = ReadRange {
            up_to: Some(head),
            ..ReadRange::after(after)
        };
        if let [None] = &*selections {
            range.limit = 1;
        }
        let page = log.read(query.clone(), range).await?;
        for event in &page.events {
            let shards = states.iter().zip(&selections).zip(&mut found);
            for (((_, known), selection), found) in shards {
                let is_next = found.is_none() && event.position > *known;
                if is_next && selection.as_ref().is_none_or(|it| it.has(event)) {
                    *found = Some(event.position.before());
                }
            }
        }
        after = page.next.unwrap_or(page.as_of).min(head);
        if page.next.is_none() {
            break;
        }
    }
    let shards = states.iter().zip(found);
    Ok(shards
        .map(|((_, known), found)| found.unwrap_or(after).max(*known).min(head))
        .collect())
}
