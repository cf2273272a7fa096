use std::sync::Arc;

use hashbrown::HashSet;
use serde_json::Value;

use super::aggregate_key::AggregateKey;
use super::events_to_fold::EventsToFold;
use super::load::{Load, TagIndex};
use super::loaded::Loaded;
use super::{CommandSlot, Decisions, nesting};
use crate::error::Failure;
use crate::handler::{AggregateType, AnyState, ErasedCommand, Inputs, LoadRequest, Loads};
use crate::message::Envelope;
use crate::panic::guarded;
use crate::store::{EventData, EventQuery, Events, Position, ReadRange, Recorded, Tags};

/// Maximum number of reads that bring aggregates at different positions up to date.
const MAX_READS: usize = 16;

impl Decisions {
    /// Loads the aggregates that a command's handler takes. A state from the cache is not compared
    /// with the log: if it is behind, the append detects that.
    pub(super) async fn load(
        &self,
        command: &dyn ErasedCommand,
        slot: &CommandSlot,
    ) -> Result<Loaded<'_>, Failure> {
        let handler = slot.entry.name;
        let mut loads = Vec::with_capacity(1);
        let mut add = |request| loads.push(Load::new(request));
        guarded(
            || format!("Display of an id of {}", slot.entry.message),
            || command.load(&mut Loads::new(&mut add)),
        )?;
        // Every command takes turns in the order of tags, so that no two decisions wait for each
        // other.
        loads.sort_by(|a, b| a.key.tags.cmp(&b.key.tags));
        // An aggregate that several inputs take is loaded once.
        loads.dedup_by(|second, first| {
            let is_same = first.is_same(second);
            if is_same {
                first.inputs.extend(&second.inputs);
            }
            is_same
        });
        nesting::check_loads(&loads, &*self.store, handler)?;
        // Before the first turn is taken: however this ends, dropping `loaded` ends the turns.
        let mut loaded = Loaded::new(loads, &self.cache, &self.offers);
        for load in &mut loaded.loads {
            let limit = self.limits.decision_wait;
            let waiting = self.cache.check_out(load, handler, &*self.store, limit);
            if let Some(waiting) = waiting {
                waiting.await?;
            }
        }
        // The unread ones first, so that they are one slice.
        loaded.loads.sort_by_key(|load| load.state.is_read());
        let missing = loaded.loads.partition_point(|load| !load.state.is_read());
        if missing > 0 {
            for load in &mut loaded.loads[..missing] {
                load.take_fallback();
            }
            // Boxed, so that the future of a command that needs no read is small.
            Box::pin(self.read(&mut loaded.loads[..missing], handler)).await?;
        }
        loaded.is_newest = missing == loaded.loads.len();
        Ok(loaded)
    }

    /// Brings the states up to date with the log. Returns whether they were behind, or wrong.
    pub(super) async fn reload(
        &self,
        loaded: &mut Loaded<'_>,
        handler: &'static str,
    ) -> Result<bool, Failure> {
        let was_wrong = loaded
            .await_pending(&*self.store, self.limits.decision_wait)
            .await;
        loaded.drop_unread();
        // A dirty state has events of a decision that was not recorded. States that every append
        // writes are read from the store again, together with the position that the write is based
        // on.
        for load in &mut loaded.loads {
            if load.stores_every_state() || load.is_dirty {
                load.fall_back();
            }
        }
        let is_behind = self.read(&mut loaded.loads, handler).await?;
        loaded.is_newest = true;
        Ok(was_wrong || is_behind)
    }

    /// Loads the aggregates with `storage = "state"` that the events concern and the handler did
    /// not take, since their states have to be written with the events. They take no turn: a
    /// conflict repeats the decision.
    pub(super) async fn load_touched(
        &self,
        loaded: &mut Loaded<'_>,
        events: &[EventData],
        handler: &'static str,
    ) -> Result<(), Failure> {
        let loads = loaded.loads.iter();
        let mut known: HashSet<AggregateKey> = loads.map(|load| load.key.clone()).collect();
        let mut unread = Vec::new();
        for event in events {
            let folding = self
                .stored_aggregates
                .iter()
                .filter(|it| it.folds(&event.event_type));
            for aggregate in folding {
                let tags = event.tags.into_iter();
                for tag in tags.filter(|tag| tag.name() == aggregate.name) {
                    let load = Load::new(LoadRequest {
                        inputs: Inputs::NONE,
                        aggregate,
                        tags: Tags::from(tag.clone()),
                    });
                    if known.insert(load.key.clone()) {
                        unread.push(load);
                    }
                }
            }
        }
        if !unread.is_empty() {
            self.read(&mut unread, handler).await?;
            loaded.loads.append(&mut unread);
        }
        Ok(())
    }

    /// The state of one aggregate as of a position, folded from the log, or from the stored state
    /// unless that is later.
    pub(crate) async fn replay(
        &self,
        aggregate: &'static AggregateType,
        tags: Tags,
        up_to: Option<Position>,
    ) -> Result<Option<Box<dyn AnyState>>, Failure> {
        let load = self.load_at(aggregate, tags, up_to).await?;
        Ok(load.state.value.into_inner())
    }

    /// The state of one aggregate as of a position as JSON, if its type is `Serialize`.
    pub(crate) async fn replay_json(
        &self,
        aggregate: &'static AggregateType,
        tags: Tags,
        up_to: Option<Position>,
    ) -> Result<Option<Value>, Failure> {
        let load = self.load_at(aggregate, tags, up_to).await?;
        load.state.value.json()
    }

    /// The first events of one aggregate after a position, each with the state after it as JSON, if its type is
    /// `Serialize`.
    pub(crate) async fn timeline(
        &self,
        aggregate: &'static AggregateType,
        tags: Tags,
        after: Position,
        limit: usize,
    ) -> Result<Vec<(Arc<Recorded>, Option<Value>)>, Failure> {
        let mut load = self.load_at(aggregate, tags.clone(), Some(after)).await?;
        let query = EventQuery::tagged(tags);
        let mut events = Events::read(&*self.store, query, ReadRange::after(after));
        let mut timeline = Vec::new();
        while timeline.len() < limit
            && let Some(event) = events.next().await?
        {
            let envelope = Envelope::recorded(&event);
            if load.is_concerned(&envelope) {
                load.fold(&envelope, aggregate.name)?;
            }
            let json = load.state.value.json()?;
            timeline.push((event, json));
        }
        Ok(timeline)
    }

    async fn load_at(
        &self,
        aggregate: &'static AggregateType,
        tags: Tags,
        up_to: Option<Position>,
    ) -> Result<Load, Failure> {
        let mut load = [Load::new(LoadRequest {
            inputs: Inputs::NONE,
            aggregate,
            tags,
        })];
        self.restore(&mut load).await?;
        if up_to.is_some_and(|up_to| up_to < load[0].state.up_to) {
            load[0].reset();
        }
        self.catch_up(&mut load, up_to, aggregate.name).await?;
        let [load] = load;
        Ok(load)
    }

    /// Reads the states as of one position. Returns whether the log has anything newer than the
    /// decision had seen.
    pub(super) async fn read(
        &self,
        loads: &mut [Load],
        handler: &'static str,
    ) -> Result<bool, Failure> {
        // Before the reads below, which may be of an empty log in place of this one.
        let has_seen = loads.iter().any(|load| load.seen > Position::START);
        let mut was_replaced = false;
        loop {
            // A replaced log may lack events of a state, or have others at their positions.
            let incarnation = self.store.heads().incarnation();
            for load in &mut *loads {
                if load.state.incarnation == incarnation {
                    continue;
                }
                was_replaced = has_seen;
                load.reset();
                load.seen = Position::START;
                load.state.incarnation = incarnation;
            }
            let is_newer = self.restore(loads).await?;
            let is_behind = self.catch_up(loads, None, handler).await?;
            // This very read may have found out, halfway, that the log was replaced. If that
            // happens after this check, the store refuses the append.
            if self.store.heads().incarnation() == incarnation {
                if self.cache.is_enabled() {
                    loads.iter_mut().for_each(Load::keep_fallback);
                }
                return Ok(was_replaced || is_newer || is_behind);
            }
        }
    }

    /// Reads the stored states. Returns whether one of them is newer than the decision had seen.
    async fn restore(&self, loads: &mut [Load]) -> Result<bool, Failure> {
        let keys: Vec<_> = loads
            .iter()
            .filter(|load| load.stores_states())
            .map(Load::state_key)
            .collect();
        if keys.is_empty() {
            return Ok(false);
        }
        let Some(states) = self.store.capabilities().states else {
            return Ok(false);
        };
        let stored = states.states(keys).await?;
        let asked = loads.iter_mut().filter(|load| load.stores_states());
        let mut is_newer = false;
        for (load, stored) in asked.zip(stored) {
            is_newer |= stored.as_ref().is_some_and(|it| it.position > load.seen);
            load.restore_from(stored)?;
        }
        Ok(is_newer)
    }

    /// Folds the events after each state, up to `up_to` or the head. Returns whether one of them is
    /// newer than the decision had seen.
    ///
    /// All states end at one position, the head that the first read saw. The other reads are
    /// limited to it. The log below a position never changes, so all of them see the same snapshot.
    async fn catch_up(
        &self,
        loads: &mut [Load],
        mut up_to: Option<Position>,
        handler: &'static str,
    ) -> Result<bool, Failure> {
        let mut any = false;
        loads.sort_by_key(|load| load.state.up_to);
        for group in groups(loads) {
            // The lowest position of the group: the other states skip the events that they have.
            let after = group
                .first()
                .map_or(Position::START, |load| load.state.up_to);
            let reads_recorded = group.iter().any(|load| load.aggregate.reads_recorded);
            let query = EventQuery::Items(group.iter().map(Load::item).collect());
            let range = ReadRange {
                up_to,
                ..ReadRange::after(after)
            };
            let mut events = EventsToFold::read(&*self.store, query, range, reads_recorded);
            for load in group.iter_mut() {
                load.state.value.begin()?;
            }
            let index = TagIndex::new(group);
            while let Some(event) = events.next().await? {
                let event = event.envelope();
                let position = event.position().unwrap_or_default();
                for place in index.candidates(&event.tags, group.len()) {
                    let load = &mut group[place];
                    if position > load.state.up_to && load.is_concerned(&event) {
                        any |= position > load.seen;
                        // Until all reads are done: a failed read, or a dropped future, leaves the
                        // state between two positions.
                        load.is_dirty = true;
                        load.fold(&event, handler)?;
                    }
                }
            }
            up_to = up_to.or(events.as_of());
        }
        let as_of = up_to.unwrap_or_default();
        for load in loads {
            load.state.up_to = as_of;
            load.seen = as_of;
            load.is_dirty = false;
        }
        Ok(any)
    }
}

/// Splits loads, sorted by position, into groups that are read together: those at the same position
/// or, if there are more than [`MAX_READS`] positions, at neighboring ones.
fn groups(loads: &mut [Load]) -> impl Iterator<Item = &mut [Load]> {
    let positions = loads
        .chunk_by(|a, b| a.state.up_to == b.state.up_to)
        .count();
    let per_read = positions.div_ceil(MAX_READS);
    let mut seen = 0;
    loads.chunk_by_mut(move |a, b| {
        seen += usize::from(a.state.up_to != b.state.up_to);
        let is_next = seen == per_read;
        seen %= per_read;
        !is_next
    })
}
