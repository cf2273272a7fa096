use std::future::IntoFuture;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde_json::Value;

use super::Dispatcher;
use super::inner::Inner;
use crate::Timestamp;
use crate::auth::Action;
use crate::auth::Actor;
use crate::error::{Failure, Invalid, QueryError, Unknown};
use crate::handler::AggregateType;
use crate::message::Aggregate;
use crate::panic::panic_message;
use crate::store::{
    BoxFuture, EventLogExt, EventQuery, Events, Position, ReadRange, Recorded, RecordedFilter, Tag,
    Tags,
};

/// A read of the state of an aggregate, which `.await` folds. Created by
/// [`Dispatcher::state`](super::Dispatcher::state) and [`Dispatcher::state_json`](super::Dispatcher::state_json).
#[must_use = "the state is folded when the call is awaited"]
pub struct StateCall<'d, A> {
    dispatcher: &'d Dispatcher,
    aggregate: &'static AggregateType,
    permission: Option<&'static str>,
    tags: Result<Tags, BrokenId>,
    as_of: AsOf,
    actor: Option<Actor>,
    of: PhantomData<fn() -> A>,
}

/// An id whose `Display` panicked.
#[derive(Clone)]
struct BrokenId {
    aggregate: &'static str,
    /// The panic's message.
    message: String,
}

enum AsOf {
    Now,
    At(Position),
    AtTime(Timestamp),
}

impl<'d, A: Aggregate> StateCall<'d, A> {
    pub(crate) fn new(dispatcher: &'d Dispatcher, id: &A::Id) -> Self {
        Self {
            dispatcher,
            aggregate: const { &AggregateType::of::<A>() },
            permission: A::PERMISSION,
            tags: tags::<A>(id),
            as_of: AsOf::Now,
            actor: None,
            of: PhantomData,
        }
    }
}

impl<'d> StateCall<'d, Value> {
    pub(crate) fn named(
        dispatcher: &'d Dispatcher,
        name: &str,
        ids: &[&str],
    ) -> Result<Self, QueryError> {
        let inner = &dispatcher.inner;
        let aggregate = inner.aggregate_named(name)?;
        let keys = aggregate.keys;
        if ids.len() != keys.len() {
            let reason = format!(
                "`{name}` has {}: {}",
                if keys.len() == 1 {
                    "one id"
                } else {
                    "several ids"
                },
                keys.join(", ")
            );
            return Err(Invalid::new(reason).into());
        }
        let tags: Vec<_> = keys
            .iter()
            .zip(ids)
            .map(|(key, id)| Tag::new(key, id))
            .collect();
        Ok(Self {
            dispatcher,
            aggregate,
            permission: aggregate.permission.or(inner.log_permission),
            tags: Ok(tags.into()),
            as_of: AsOf::Now,
            actor: None,
            of: PhantomData,
        })
    }

    /// Returns the events of the aggregate, with their metadata.
    pub fn history(&self) -> History {
        let query = self.tags.clone().map(EventQuery::tagged);
        let guarded = (self.aggregate.name, self.permission);
        let history = History::new(self.dispatcher.inner.clone(), query, guarded);
        match &self.actor {
            Some(actor) => history.actor(actor.clone()),
            None => history,
        }
    }

    /// Returns the first events of the aggregate after a position, at most this number, each with the state after it.
    /// The state is `None` if its type is not `Serialize`.
    ///
    /// # Errors
    /// If the actor may not read the state, an event cannot be folded, or the store cannot be read.
    pub async fn timeline(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<(Arc<Recorded>, Option<Value>)>, QueryError> {
        let tags = self.permitted_tags()?;
        let decisions = &self.dispatcher.inner.decisions;
        let timeline = decisions.timeline(self.aggregate, tags, after, limit);
        Ok(timeline.await?)
    }
}

impl<A> StateCall<'_, A> {
    /// The tags of the aggregate, if the actor may read it.
    fn permitted_tags(&self) -> Result<Tags, QueryError> {
        let inner = &self.dispatcher.inner;
        let actor = self.actor.as_ref();
        inner.permit(Action::Read, self.aggregate.name, self.permission, actor)??;
        let tags = self.tags.as_ref().map_err(BrokenId::failure)?;
        Ok(tags.clone())
    }

    /// The last position whose event is folded. `None` for the head.
    async fn up_to(&self) -> Result<Option<Position>, QueryError> {
        Ok(match self.as_of {
            AsOf::Now => None,
            AsOf::At(position) => Some(position),
            AsOf::AtTime(time) => {
                let position = self.dispatcher.inner.log.position_at(time).await;
                Some(position.map_err(Failure::from)?)
            }
        })
    }

    /// Sets the actor that reads the state. Defaults to none.
    pub fn actor(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Reads the state as it was after the event at this position. Defaults to the current state.
    pub fn at(mut self, position: Position) -> Self {
        self.as_of = AsOf::At(position);
        self
    }

    /// Reads the state as it was at this time: with all events recorded at that time or before.
    pub fn at_time(mut self, time: Timestamp) -> Self {
        self.as_of = AsOf::AtTime(time);
        self
    }
}

impl<'d, A: Aggregate> IntoFuture for StateCall<'d, A> {
    type Output = Result<A, QueryError>;
    type IntoFuture = BoxFuture<'d, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let tags = self.permitted_tags()?;
            let up_to = self.up_to().await?;
            let decisions = &self.dispatcher.inner.decisions;
            let replayed = decisions.replay(self.aggregate, tags, up_to).await?;
            // The cast succeeds, since the state was made by this aggregate type.
            let state = replayed.and_then(|state| state.into_any().downcast::<A>().ok());
            Ok(state.map(|state| *state).unwrap_or_default())
        })
    }
}

impl<'d> IntoFuture for StateCall<'d, Value> {
    /// `None` if the type of the state is not `Serialize`.
    type Output = Result<Option<Value>, QueryError>;
    type IntoFuture = BoxFuture<'d, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let tags = self.permitted_tags()?;
            let up_to = self.up_to().await?;
            let decisions = &self.dispatcher.inner.decisions;
            Ok(decisions.replay_json(self.aggregate, tags, up_to).await?)
        })
    }
}

impl Inner {
    /// The aggregate with this name.
    fn aggregate_named(&self, name: &str) -> Result<&'static AggregateType, Unknown> {
        let all = self.plan.aggregates.iter().map(|entry| &entry.aggregate);
        let found = all.clone().find(|aggregate| aggregate.name == name);
        found.ok_or_else(|| Unknown::new("aggregate", name, all.map(|it| it.name)))
    }
}

/// A read of events in position order, in one snapshot, page by page. Created by
/// [`Dispatcher::history`](super::Dispatcher::history) and
/// [`Dispatcher::events`](super::Dispatcher::events).
pub struct History {
    inner: Arc<Inner>,
    query: Result<EventQuery, BrokenId>,
    range: ReadRange,
    filter: Option<RecordedFilter>,
    actor: Option<Actor>,
    /// The name for the authorizer, and the required permission.
    guarded: (&'static str, Option<&'static str>),
}

impl History {
    /// The events of an aggregate.
    pub(crate) fn of<A: Aggregate>(inner: Arc<Inner>, id: &A::Id) -> Self {
        let query = tags::<A>(id).map(EventQuery::tagged);
        Self::new(inner, query, (A::NAME, A::PERMISSION))
    }

    /// All events that match.
    pub(crate) fn of_log(inner: Arc<Inner>, query: EventQuery) -> Self {
        let guarded = ("events", inner.log_permission);
        Self::new(inner, Ok(query), guarded)
    }

    /// The events of an instance of a process manager.
    pub(crate) fn of_process(
        inner: Arc<Inner>,
        process: &'static str,
        query: Result<EventQuery, String>,
    ) -> Self {
        let guarded = (process, inner.log_permission);
        let query = query.map_err(|message| BrokenId {
            aggregate: process,
            message,
        });
        Self::new(inner, query, guarded)
    }

    fn new(
        inner: Arc<Inner>,
        query: Result<EventQuery, BrokenId>,
        guarded: (&'static str, Option<&'static str>),
    ) -> Self {
        Self {
            inner,
            query,
            range: ReadRange::after(Position::START),
            filter: None,
            actor: None,
            guarded,
        }
    }

    /// Sets the actor that reads the events. Defaults to none.
    #[must_use]
    pub fn actor(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Reads only events after this position. Defaults to the start of the log.
    #[must_use]
    pub fn after(mut self, position: Position) -> Self {
        self.range.after = position;
        self
    }

    /// Reads only events up to this position. Defaults to the head.
    #[must_use]
    pub fn up_to(mut self, position: Position) -> Self {
        self.range.up_to = Some(position);
        self
    }

    /// Reads only events of commands that the actor with this name has sent. Logs have no index of actors: all events that
    /// match otherwise are read, page by page, and the others are left out.
    #[must_use]
    pub fn by(mut self, actor: impl Into<String>) -> Self {
        self.filter().actor = Some(actor.into());
        self
    }

    /// Reads only events that were recorded at this time or later. Where they begin is found by bisection.
    #[must_use]
    pub fn since(mut self, time: Timestamp) -> Self {
        self.filter().since = Some(time);
        self
    }

    /// Reads only events that were recorded at this time or before.
    #[must_use]
    pub fn until(mut self, time: Timestamp) -> Self {
        self.filter().until = Some(time);
        self
    }

    fn filter(&mut self) -> &mut RecordedFilter {
        self.filter.get_or_insert_default()
    }

    /// Returns the events one by one: `while let Some(event) = events.next().await? { .. }`.
    ///
    /// # Errors
    /// If the actor may not read them, or the `Display` of the id panicked.
    pub fn stream(&self) -> Result<Events<'_>, QueryError> {
        let (name, permission) = self.guarded;
        let actor = self.actor.as_ref();
        self.inner.permit(Action::Read, name, permission, actor)??;
        let query = self.query.as_ref().map_err(BrokenId::failure)?;
        let (log, query) = (&*self.inner.log, query.clone());
        Ok(match &self.filter {
            None => Events::read(log, query, self.range),
            Some(filter) => Events::filtered(log, query, self.range, filter.clone()),
        })
    }

    /// Returns all events at once.
    ///
    /// # Errors
    /// If the actor may not read them, the `Display` of the id panicked, or the store cannot be
    /// read.
    pub async fn all(&self) -> Result<Vec<Arc<Recorded>>, QueryError> {
        let mut events = self.stream()?;
        let mut all = Vec::new();
        while let Some(event) = events.next().await.map_err(Failure::from)? {
            all.push(event);
        }
        Ok(all)
    }
}

/// The tags of an aggregate's events.
fn tags<A: Aggregate>(id: &A::Id) -> Result<Tags, BrokenId> {
    let tags = catch_unwind(AssertUnwindSafe(|| A::tags(id)));
    tags.map_err(|panic| BrokenId {
        aggregate: A::NAME,
        message: panic_message(&*panic),
    })
}

impl BrokenId {
    fn failure(&self) -> Failure {
        Failure::FunctionPanicked {
            function: format!("Display of an id of {}", self.aggregate).into(),
            event: None,
            message: self.message.clone(),
        }
    }
}
