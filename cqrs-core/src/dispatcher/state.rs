use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;

use super::Dispatcher;
use super::guard::guarded;
use crate::Timestamp;
use crate::error::Failure;
use crate::handler::AggregateType;
use crate::message::Aggregate;
use crate::store::{
    BoxFuture, EventQuery, Events, Position, ReadRange, Recorded, Store, StoreError, Tag,
};

/// The state of an aggregate, about to be folded; `.await` folds it.
#[must_use = "the state is folded when the call is awaited"]
pub struct StateCall<'d, A> {
    dispatcher: &'d Dispatcher,
    /// Of an id whose `Display` panicked there is none.
    tag: Result<Tag, Failure>,
    when: When,
    of: PhantomData<fn() -> A>,
}

enum When {
    Now,
    At(Position),
    AtTime(Timestamp),
}

impl<'d, A: Aggregate> StateCall<'d, A> {
    pub(crate) fn new(dispatcher: &'d Dispatcher, id: &A::Id) -> Self {
        Self {
            dispatcher,
            tag: guarded(
                || format!("Display of an id of {}", A::NAME),
                || Tag::of::<A>(id),
            ),
            when: When::Now,
            of: PhantomData,
        }
    }

    /// As it was once the event at this position was recorded.
    pub fn at(mut self, position: Position) -> Self {
        self.when = When::At(position);
        self
    }

    /// As it was at this time: with every event recorded then or before.
    pub fn at_time(mut self, time: Timestamp) -> Self {
        self.when = When::AtTime(time);
        self
    }
}

impl<'d, A: Aggregate> IntoFuture for StateCall<'d, A> {
    type Output = Result<A, Failure>;
    type IntoFuture = BoxFuture<'d, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            dispatcher,
            tag,
            when,
            ..
        } = self;
        Box::pin(async move {
            let inner = &dispatcher.inner;
            let up_to = match when {
                When::Now => None,
                When::At(position) => Some(position),
                When::AtTime(time) => Some(inner.store.position_at(time).await?),
            };
            let state = inner
                .replay(const { &AggregateType::of::<A>() }, tag?, up_to)
                .await?;
            // The state was made by this very aggregate type.
            let state = state.and_then(|state| state.into_any().downcast::<A>().ok());
            Ok(state.map(|state| *state).unwrap_or_default())
        })
    }
}

/// Events in position order, all of one snapshot, read a page at a time.
pub struct History {
    store: Arc<dyn Store>,
    query: EventQuery,
    range: ReadRange,
}

impl History {
    pub(crate) fn new(store: Arc<dyn Store>, query: EventQuery) -> Self {
        Self {
            store,
            query,
            range: ReadRange::after(Position::START),
        }
    }

    /// Only events after this position.
    #[must_use]
    pub fn after(mut self, position: Position) -> Self {
        self.range.after = position;
        self
    }

    /// Only events up to this position.
    #[must_use]
    pub fn up_to(mut self, position: Position) -> Self {
        self.range.up_to = Some(position);
        self
    }

    /// The events one by one: `while let Some(event) = events.next().await? { .. }`.
    pub fn stream(&self) -> Events<'_, dyn Store> {
        Events::read(&*self.store, self.query.clone(), self.range)
    }

    /// All events at once.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn all(&self) -> Result<Vec<Arc<Recorded>>, StoreError> {
        let mut events = self.stream();
        let mut all = Vec::new();
        while let Some(event) = events.next().await? {
            all.push(event);
        }
        Ok(all)
    }
}
