use std::any::TypeId;

use hashbrown::HashSet;

use super::load::{Load, TagIndex};
use super::loaded::Loaded;
use super::{Decisions, nesting};
use crate::error::Failure;
use crate::handler::{AggregateType, AnyState, Inputs, LoadRequest};
use crate::message::Envelope;
use crate::store::{EventData, EventQuery, Events, Position, ReadRange, Tags};

/// How many reads bring aggregates up to date, at most, however many positions they are at.
const MAX_READS: usize = 16;

impl Decisions {
    /// Loads the aggregates. One that is in the cache is taken as it is: if the log has gone on, the
    /// append will say so.
    pub(super) async fn load(
        &self,
        mut loads: Vec<Load>,
        handler: &'static str,
    ) -> Result<Loaded<'_>, Failure> {
        // In the order of their tags, whatever the command, so that no two decisions wait for each
        // other.
        loads.sort_by(|a, b| a.tags.cmp(&b.tags));
        // The same aggregate twice in one decision is loaded once.
        loads.dedup_by(|second, first| {
            let is_same = first.is_same(second);
            if is_same {
                first.inputs.extend(&second.inputs);
            }
            is_same
        });
        nesting::check_loads(&loads, &*self.store, handler)?;
        let mut loaded = Loaded::new(loads, &self.cache);
        for load in &mut loaded.loads {
            let limit = self.limits.decision_wait;
            let waiting = self.cache.check_out(load, handler, &*self.store, limit);
            if let Some(waiting) = waiting {
                waiting.await?;
            }
        }
        let is_cached = |load: &Load| load.up_to > Position::START || load.pending.is_some();
        loaded.loads.sort_by_key(is_cached);
        let missing = loaded.loads.partition_point(|load| !is_cached(load));
        if missing > 0 {
            // What reads is boxed: a command that needs no read has a small future.
            Box::pin(self.read(&mut loaded.loads[..missing], handler)).await?;
        }
        loaded.is_newest = missing == loaded.loads.len();
        Ok(loaded)
    }

    /// Brings them up to date; whether anything had happened that they did not have.
    pub(super) async fn reload(
        &self,
        loaded: &mut Loaded<'_>,
        handler: &'static str,
    ) -> Result<bool, Failure> {
        let was_wrong = loaded
            .await_pending(&*self.store, self.limits.decision_wait)
            .await;
        loaded.drop_unread();
        let spoiled = |load: &&mut Load| load.stores_every_state() || load.is_dirty;
        for load in loaded.loads.iter_mut().filter(spoiled) {
            load.reset();
        }
        let is_behind = self.read(&mut loaded.loads, handler).await?;
        loaded.is_newest = true;
        Ok(was_wrong || is_behind)
    }

    /// Loads every aggregate with `storage = "state"` that an event concerns and the decision did
    /// not read, since its state is written with the events.
    pub(super) async fn load_touched(
        &self,
        loaded: &mut Loaded<'_>,
        events: &[EventData],
        handler: &'static str,
    ) -> Result<(), Failure> {
        // By type, too: one that is not taken in may have the name of one that is.
        let key = |load: &Load| ((load.aggregate.type_id)(), load.tags.clone());
        let mut known: HashSet<(TypeId, Tags)> = loaded.loads.iter().map(key).collect();
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
                    if known.insert(key(&load)) {
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
    /// if that is not later.
    pub(crate) async fn replay(
        &self,
        aggregate: &'static AggregateType,
        tags: Tags,
        up_to: Option<Position>,
    ) -> Result<Option<Box<dyn AnyState>>, Failure> {
        let mut load = [Load::new(LoadRequest {
            inputs: Inputs::NONE,
            aggregate,
            tags,
        })];
        self.restore(&mut load).await?;
        if up_to.is_some_and(|up_to| up_to < load[0].up_to) {
            load[0].reset();
        }
        self.catch_up(&mut load, up_to, aggregate.name).await?;
        let [load] = load;
        Ok(load.state.into_inner())
    }

    /// Reads the states as of one position; whether anything had happened that was not seen before.
    async fn read(&self, loads: &mut [Load], handler: &'static str) -> Result<bool, Failure> {
        let mut was_replaced = false;
        loop {
            // What is known of a log that was replaced is of no use.
            let incarnation = self.store.incarnation();
            for load in loads.iter_mut().filter(|it| it.incarnation != incarnation) {
                was_replaced |= load.seen > Position::START;
                load.reset();
                load.seen = Position::START;
                load.incarnation = incarnation;
            }
            let is_newer = self.restore(loads).await?;
            let is_behind = self.catch_up(loads, None, handler).await?;
            // It may have been this read that found the other log. Later, the store refuses what is
            // appended.
            if self.store.incarnation() == incarnation {
                return Ok(was_replaced || is_newer || is_behind);
            }
        }
    }

    /// Puts the stored states in place; whether one is of a position that was not seen before.
    async fn restore(&self, loads: &mut [Load]) -> Result<bool, Failure> {
        let keys: Vec<_> = loads
            .iter()
            .filter(|load| load.stores_states())
            .map(Load::key)
            .collect();
        if keys.is_empty() {
            return Ok(false);
        }
        let stored = self.store.states(keys).await?;
        let asked = loads.iter_mut().filter(|load| load.stores_states());
        let mut is_newer = false;
        for (load, stored) in asked.zip(stored) {
            is_newer |= stored.as_ref().is_some_and(|it| it.position > load.seen);
            load.restore_from(stored)?;
        }
        Ok(is_newer)
    }

    /// Folds the events that the states do not have yet, up to `up_to` or the head, and returns
    /// whether there were any that were not seen before. The log below a position never changes, so
    /// reads that are limited to the first one's head see the same snapshot.
    async fn catch_up(
        &self,
        loads: &mut [Load],
        mut up_to: Option<Position>,
        handler: &'static str,
    ) -> Result<bool, Failure> {
        let mut any = false;
        loads.sort_by_key(|load| load.up_to);
        for group in groups(loads) {
            let after = group.first().map_or(Position::START, |load| load.up_to);
            let reads_recorded = group.iter().any(|load| load.aggregate.reads_recorded);
            let query = EventQuery::Items(group.iter().map(Load::item).collect());
            let range = ReadRange {
                up_to,
                ..ReadRange::after(after)
            };
            let mut events = if reads_recorded {
                Events::read(&*self.store, query, range)
            } else {
                Events::read_to_fold(&*self.store, query, range)
            };
            for load in group.iter_mut() {
                load.state.begin()?;
            }
            let index = TagIndex::new(group);
            while let Some(event) = events.next().await? {
                for place in index.candidates(&event.data.tags, group.len()) {
                    let load = &mut group[place];
                    if event.position > load.up_to && load.is_concerned(&event.data) {
                        any |= event.position > load.seen;
                        load.is_dirty = true;
                        load.fold(&Envelope::recorded(&event), handler)?;
                    }
                }
            }
            up_to = up_to.or(events.as_of());
        }
        let as_of = up_to.unwrap_or_default();
        for load in loads {
            load.up_to = as_of;
            load.seen = as_of;
            load.is_dirty = false;
        }
        Ok(any)
    }
}

/// The loads, which are in the order of their positions, in groups that are read at once: those at
/// the same position or, if there are too many of these, at neighboring ones.
fn groups(loads: &mut [Load]) -> impl Iterator<Item = &mut [Load]> {
    let positions = loads.chunk_by(|a, b| a.up_to == b.up_to).count();
    let per_read = positions.div_ceil(MAX_READS);
    let mut seen = 0;
    loads.chunk_by_mut(move |a, b| {
        seen += usize::from(a.up_to != b.up_to);
        let is_next = seen == per_read;
        seen %= per_read;
        !is_next
    })
}
