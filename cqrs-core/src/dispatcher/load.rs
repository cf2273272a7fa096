use super::Weight;
use super::cache::StateCache;
use super::inner::Inner;
use super::pending::{Pending, Pledge};
use crate::error::{Error, Failure};
use crate::handler::{AggregateType, AnyState, Load};
use crate::message::Storage;
use crate::store::{
    Append, Boundary, EventQuery, EventQueryItem, EventType, Events, NewEvent, Position, ReadRange,
    Recorded, StateKey, StateWrite, StoredState, Tag, Ticket,
};

/// The aggregates of a decision, each as of a position of its own: that nothing happened to any of
/// them since is for the append to check.
pub(crate) struct Loaded {
    pub(crate) loads: Vec<Load>,
    /// Whether the log was asked what happened to each, or a state is from the cache.
    pub(super) is_newest: bool,
}

impl Inner {
    /// Loads the aggregates. One that is in the cache is taken as it is: if the log has gone on, the
    /// append will say so.
    pub(crate) async fn load(
        &self,
        mut loads: Vec<Load>,
        handler: &'static str,
    ) -> Result<Loaded, Failure> {
        // In the order of their tags, whatever the command, so that no two decisions wait for each
        // other; the same aggregate twice in one decision waits for itself just once.
        loads.sort_by(|a, b| a.tag.cmp(&b.tag));
        for at in 0..loads.len() {
            let is_first = at == 0 || loads[at - 1].tag != loads[at].tag;
            if is_first && !loads[at].is_kept() {
                self.cache.check_out(&mut loads[at]).await;
            }
        }
        let is_cached = |load: &Load| load.up_to > Position::START || load.pending.is_some();
        loads.sort_by_key(is_cached);
        let missing = loads.partition_point(|load| !is_cached(load));
        if missing > 0 {
            // What reads is boxed: a command that needs no read has a small future.
            Box::pin(self.read(&mut loads[..missing], handler)).await?;
        }
        Ok(Loaded {
            is_newest: missing == loads.len(),
            loads,
        })
    }

    /// Reads the states as of one position; whether anything had happened since the ones they are.
    async fn read(&self, loads: &mut [Load], handler: &'static str) -> Result<bool, Failure> {
        self.restore(loads).await?;
        self.catch_up(loads, None, handler).await
    }

    /// Brings them up to date; whether anything had happened that they did not have.
    pub(crate) async fn reload(
        &self,
        loaded: &mut Loaded,
        handler: &'static str,
    ) -> Result<bool, Failure> {
        let was_wrong = loaded.settle().await;
        let spoilt = |load: &&mut Load| load.is_kept() || load.is_ahead;
        for load in loaded.loads.iter_mut().filter(spoilt) {
            load.begin_anew();
        }
        loaded.is_newest = true;
        let is_behind = self.read(&mut loaded.loads, handler).await?;
        Ok(was_wrong || is_behind)
    }

    /// Puts the stored states in place.
    async fn restore(&self, loads: &mut [Load]) -> Result<(), Failure> {
        let keys: Vec<_> = loads
            .iter()
            .filter(|load| load.is_stored())
            .map(Load::key)
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        let stored = self.store.states(keys).await?;
        let asked = loads.iter_mut().filter(|load| load.is_stored());
        for (load, stored) in asked.zip(stored) {
            load.put(stored);
        }
        Ok(())
    }

    /// Folds the events that the states do not have yet, up to `up_to` or the head, and returns
    /// whether there were any. The log below a position never changes, so reads that are limited to
    /// the first one's head see the same snapshot.
    async fn catch_up(
        &self,
        loads: &mut [Load],
        mut up_to: Option<Position>,
        handler: &'static str,
    ) -> Result<bool, Failure> {
        let mut any = false;
        let mut starts: Vec<_> = loads.iter().map(|load| load.up_to).collect();
        starts.sort_unstable();
        starts.dedup();
        for after in starts {
            let behind = loads.iter().filter(|load| load.up_to == after);
            let reads_recorded = behind.clone().any(|load| load.aggregate.reads_recorded);
            let query = EventQuery::Items(behind.map(Load::item).collect());
            let range = ReadRange {
                up_to,
                ..ReadRange::after(after)
            };
            let mut events = if reads_recorded {
                Events::read(&*self.store, query, range)
            } else {
                Events::read_to_fold(&*self.store, query, range)
            };
            while let Some(event) = events.next().await? {
                any = true;
                for load in loads.iter_mut().filter(|load| load.up_to == after) {
                    load.fold(&event)
                        .map_err(|error| Failure::handler(handler, error))?;
                }
            }
            up_to = up_to.or(events.as_of());
        }
        let as_of = up_to.unwrap_or_default();
        for load in loads {
            load.up_to = as_of;
        }
        Ok(any)
    }

    /// The state of one aggregate as of a position, folded from the log, or from the stored state
    /// if that is not later.
    pub(crate) async fn replay(
        &self,
        aggregate: &'static AggregateType,
        tag: Tag,
        up_to: Option<Position>,
    ) -> Result<Box<dyn AnyState>, Failure> {
        let mut load = [Load::new(0, aggregate, tag)];
        self.restore(&mut load).await?;
        if up_to.is_some_and(|up_to| up_to < load[0].up_to) {
            load[0].begin_anew();
        }
        self.catch_up(&mut load, up_to, aggregate.name).await?;
        let [load] = load;
        Ok(load.state)
    }

    /// The states to write with the events: of every aggregate with `storage = "state"` that an
    /// event concerns, whether the decision read it or not.
    pub(crate) async fn kept_states(
        &self,
        loaded: &mut Loaded,
        events: &[NewEvent],
        recorded: impl Fn(Position) -> Vec<Recorded>,
        handler: &'static str,
    ) -> Result<Vec<StateWrite>, Failure> {
        let mut touched: Vec<(&'static AggregateType, Tag)> = Vec::new();
        for event in events {
            for aggregate in &self.kept {
                let folds = aggregate.events.contains(&event.event_type.as_str());
                let concerns = event
                    .tags
                    .into_iter()
                    .filter(|tag| tag.name() == aggregate.name);
                for tag in concerns.filter(|_| folds) {
                    if !touched.iter().any(|(_, known)| known == tag) {
                        touched.push((aggregate, tag.clone()));
                    }
                }
            }
        }
        let unread: Vec<_> = touched
            .iter()
            .filter(|(_, tag)| !loaded.loads.iter().any(|load| load.tag == *tag))
            .map(|(aggregate, tag)| Load::new(usize::MAX, aggregate, tag.clone()))
            .collect();
        if !unread.is_empty() {
            let mut unread = unread;
            self.read(&mut unread, handler).await?;
            loaded.loads.extend(unread);
        }
        let mut writes = Vec::with_capacity(touched.len());
        for (_, tag) in touched {
            let Some(load) = loaded.loads.iter_mut().find(|load| load.tag == tag) else {
                continue;
            };
            for event in recorded(load.up_to) {
                load.fold(&event)
                    .map_err(|error| Failure::handler(handler, error))?;
            }
            let body = load
                .save()
                .map_err(|error| Failure::handler(handler, error))?;
            let Some(body) = body else { continue };
            writes.push(StateWrite {
                key: load.key(),
                body,
                based_on: load.stored,
            });
        }
        Ok(writes)
    }
}

impl Loaded {
    /// What was read, and up to where. Includes what was loaded only because an event concerned
    /// it: its new state was made from what it was.
    pub(crate) fn boundaries(&self) -> Vec<Boundary> {
        let mut boundaries: Vec<Boundary> = Vec::new();
        for load in &self.loads {
            let item = load.item();
            let follows = load.pending.as_ref().map(Pending::ticket);
            let known = boundaries
                .iter_mut()
                .find(|it| (it.after, it.follows) == (load.up_to, follows));
            match known.map(|known| &mut known.fail_if) {
                Some(EventQuery::Items(items)) => items.push(item),
                _ => boundaries.push(Boundary {
                    follows,
                    ..Boundary::new(EventQuery::Items(vec![item]), load.up_to)
                }),
            }
        }
        boundaries
    }

    /// Forgets the aggregates that were loaded only because an event concerned them.
    pub(crate) fn forget_unread(&mut self) {
        self.loads.retain(|load| load.place != usize::MAX);
    }

    /// The snapshots that are due with these events: a state with these events folded in, of every
    /// aggregate that the decision read. Until the events are recorded it is ahead of the log.
    pub(super) fn snapshots(&mut self, append: &Append) -> Vec<StateWrite> {
        let mut writes: Vec<StateWrite> = Vec::new();
        for load in &mut self.loads {
            let Storage::Snapshots { every } = load.aggregate.storage else {
                continue;
            };
            let concerns = |event: &&NewEvent| {
                let folds = load.aggregate.events.contains(&event.event_type.as_str());
                folds && event.tags.contains(&load.tag)
            };
            let own = append.events.iter().filter(concerns).count();
            let folded = usize::try_from(load.folded).unwrap_or(usize::MAX);
            let is_due = own > 0 && folded.saturating_add(own) >= every as usize;
            // What the events before it wrote is not known yet.
            if !is_due || load.pending.is_some() {
                continue;
            }
            let key = load.key();
            if writes.iter().any(|write| write.key == key) {
                continue;
            }
            load.is_ahead = true;
            // What cannot be folded or written as JSON makes no snapshot; to record the events is
            // what matters.
            if let Ok(Some(body)) = load.folded_with(append) {
                writes.push(StateWrite {
                    key,
                    body,
                    based_on: load.stored,
                });
            }
        }
        writes
    }

    /// Whether a state has events that are not recorded yet.
    pub(super) fn is_pending(&self) -> bool {
        self.loads.iter().any(|load| load.pending.is_some())
    }

    /// Whether one more event makes a snapshot due.
    pub(super) fn is_snapshot_due(&self) -> bool {
        self.loads.iter().any(|load| match load.aggregate.storage {
            Storage::Snapshots { every } => load.folded.saturating_add(1) >= every,
            Storage::Events | Storage::State => false,
        })
    }

    /// Waits until it is known what became of the events that are not recorded yet; whether a state
    /// had some that never will be, as far as one can tell. It begins anew then.
    async fn settle(&mut self) -> bool {
        let mut was_wrong = false;
        for load in &mut self.loads {
            let Some(pending) = load.pending.take() else {
                continue;
            };
            if let Some(last) = pending.settled().await {
                load.up_to = last;
            } else {
                was_wrong = true;
                load.begin_anew();
                if let Some(slot) = &mut load.checkout {
                    slot.warn();
                }
            }
        }
        was_wrong
    }

    /// Whether the states may be passed on before the append is answered: each comes from the cache,
    /// and what it becomes follows from the events alone.
    pub(super) fn can_go_on(&self, append: &Append, cache: &StateCache) -> bool {
        let can = |load: &Load| {
            let slot = load.checkout.as_ref();
            slot.is_some_and(|slot| slot.is_trusting()) && !load.aggregate.reads_recorded
        };
        let keeps = cache.keeps() && !self.loads.is_empty();
        let writes_events_only = !append.events.is_empty() && append.states.is_empty();
        keeps && writes_events_only && self.loads.iter().all(can)
    }

    /// Passes the states on to the next decisions as if the append that is under way had succeeded.
    /// What is written next about them follows it.
    pub(super) fn go_on(
        &mut self,
        ticket: Ticket,
        events: &[Recorded],
        cache: &StateCache,
    ) -> Pledge {
        let (pending, pledge) = Pending::new(ticket);
        for mut load in self.loads.drain(..) {
            if events.iter().any(|event| event.tags.contains(&load.tag)) {
                load.pending = Some(pending.clone());
            }
            if events.iter().all(|event| load.fold(event).is_ok()) {
                cache.check_in(load);
            }
        }
        pledge
    }

    /// Whether a state will go back to the cache.
    pub(super) fn is_cached(&self) -> bool {
        self.loads.iter().any(|load| load.checkout.is_some())
    }

    /// Puts the states back into the cache as they are.
    pub(super) fn give_back(self, cache: &StateCache) {
        self.loads.into_iter().for_each(|load| cache.check_in(load));
    }

    /// Puts the states back with the decision's own events folded in: the boundary held, so nothing
    /// that concerns them lies between. What cannot be folded is left out, and is read again.
    pub(super) fn give_back_with(self, events: &[Recorded], cache: &StateCache) {
        for mut load in self.loads {
            if load.is_ahead {
                // It has the events, and if it was written with them, that is all it has.
                if let (Some(last), true) = (events.last(), load.folded == 0) {
                    (load.up_to, load.stored) = (last.position, Some(last.position));
                    load.pending = None;
                    cache.check_in(load);
                }
                continue;
            }
            // The store may have raised the events' time.
            let is_known = |event: &Recorded| {
                !load.aggregate.reads_recorded || !event.tags.contains(&load.tag)
            };
            if events.iter().all(is_known) && events.iter().all(|it| load.fold(it).is_ok()) {
                if let Some(last) = events.last() {
                    (load.up_to, load.pending) = (last.position, None);
                }
                cache.check_in(load);
            }
        }
    }
}

impl Load {
    pub(crate) fn new(place: usize, aggregate: &'static AggregateType, tag: Tag) -> Self {
        let state = (aggregate.new)();
        Self {
            place,
            index: 0,
            aggregate,
            tag,
            state,
            stored: None,
            up_to: Position::START,
            pending: None,
            folded: 0,
            weight: Weight::default(),
            is_ahead: false,
            checkout: None,
        }
    }

    /// Whether every append writes the state.
    fn is_kept(&self) -> bool {
        self.aggregate.storage == Storage::State
    }

    /// Whether there may be a state in the store.
    fn is_stored(&self) -> bool {
        self.aggregate.storage != Storage::Events
    }

    fn begin_anew(&mut self) {
        self.state = (self.aggregate.new)();
        (self.up_to, self.folded, self.is_ahead) = (Position::START, 0, false);
        self.weight = Weight::default();
    }

    /// The state with the append's events folded in, as JSON; it has no fold to its name then.
    fn folded_with(&mut self, append: &Append) -> Result<Option<Vec<u8>>, Error> {
        for event in append.clone().record(self.up_to, append.time) {
            self.fold(&event)?;
        }
        let body = self.state.save()?;
        self.folded = 0;
        Ok(body)
    }

    /// The state as JSON, if it is stored.
    fn save(&self) -> Result<Option<Vec<u8>>, Error> {
        self.state.save().map_err(|error| {
            Error::message(format!(
                "the state of `{}` cannot be stored: {error}",
                self.tag
            ))
        })
    }

    fn key(&self) -> StateKey {
        StateKey {
            aggregate: self.aggregate.name,
            id: self.tag.id().to_owned(),
        }
    }

    fn item(&self) -> EventQueryItem {
        let types = self
            .aggregate
            .events
            .iter()
            .copied()
            .map(EventType::new)
            .collect();
        EventQueryItem {
            types,
            tags: vec![self.tag.clone()],
        }
    }

    /// Takes a stored state. One that does not fit the type any more is left aside: the log has
    /// everything to fold it anew, and the next write replaces it.
    fn put(&mut self, stored: Option<StoredState>) {
        self.stored = stored.as_ref().map(|stored| stored.position);
        if let Some(stored) = stored
            && stored.position >= self.up_to
            && let Some(state) = (self.aggregate.restore)(&stored.body)
        {
            self.state = state;
            (self.up_to, self.folded) = (stored.position, 0);
            self.weight = Weight::default();
        }
    }

    fn fold(&mut self, event: &Recorded) -> Result<(), Error> {
        if event.tags.contains(&self.tag) {
            self.state.apply(event)?;
            self.folded = self.folded.saturating_add(1);
            self.weight.add(event.payload.len());
        }
        Ok(())
    }
}
