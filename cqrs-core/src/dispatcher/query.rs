use std::any::type_name;
use std::future::{Future, poll_fn};
use std::mem::replace;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use tokio::time::timeout;
use tracing::Instrument;

use super::inner::{Inner, QuerySlot};
use super::{Dispatcher, Receipt};
use crate::CommandId;
use crate::auth::Actor;
use crate::error::{Failure, NotCaughtUp, QueryError, Result};
use crate::handler::{Context, QueryFn, QueryResult, QueryScope};
use crate::message::Query;
use crate::panic::{guarded, method};
use crate::registry::{MessageKind, Registry};
use crate::store::{BoxFuture, Position, StoreError};
use crate::trace;

/// A query about to be asked; `.await` asks it. `Q` is the query's type, or
/// [`Named`](super::Named) for a query that is asked by its wire name; `A` is the type of its answer.
///
/// When the handler is sync and nothing has to be waited for, the call is ready at the first poll and
/// allocates nothing. The fields are few and stay where they are: moving them would cost more than
/// the rest of the call.
#[must_use = "a query is asked when the call is awaited"]
pub struct QueryCall<'d, Q, A> {
    pub(super) dispatcher: &'d Dispatcher,
    /// Taken when the query is given to its handler.
    pub(super) query: Option<Q>,
    options: Option<Box<QueryOptions>>,
    /// The position up to which a session has written.
    seen: Option<&'d AtomicU64>,
    /// The future of an answer that was not ready at the first poll.
    pub(super) later: Option<BoxFuture<'d, QueryResult<A>>>,
}

/// The options of a call besides the query.
#[derive(Clone, Debug, Default)]
pub(super) struct QueryOptions {
    pub(super) actor: Option<Actor>,
    pub(super) after: Position,
    pub(super) max_wait: Option<Duration>,
}

impl<'d, Q, A> QueryCall<'d, Q, A> {
    #[inline]
    pub(super) fn new(dispatcher: &'d Dispatcher, query: Q) -> Self {
        Self {
            dispatcher,
            query: Some(query),
            options: None,
            seen: None,
            later: None,
        }
    }

    /// Waits until the query's read models include the command's events.
    pub fn after(self, receipt: &Receipt) -> Self {
        self.after_position(receipt.last())
    }

    /// Waits until the query's read models include every event up to this position.
    pub fn after_position(mut self, position: Position) -> Self {
        let options = self.options();
        options.after = options.after.max(position);
        self
    }

    /// Sets the maximum time to wait for read models. Defaults to
    /// [`Builder::max_wait`](super::Builder::max_wait).
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.options().max_wait = Some(wait);
        self
    }

    /// Sets the actor that asks the query. Defaults to none.
    pub fn actor(mut self, actor: Actor) -> Self {
        self.options().actor = Some(actor);
        self
    }

    /// Waits for everything that the session has written by the time the query is asked.
    pub(super) fn seen(mut self, seen: &'d AtomicU64) -> Self {
        self.seen = Some(seen);
        self
    }

    fn options(&mut self) -> &mut QueryOptions {
        self.options.get_or_insert_default()
    }

    /// The options, once the query is asked.
    pub(super) fn take_options(&mut self) -> QueryOptions {
        let mut options = *self.options.take().unwrap_or_default();
        if let Some(seen) = self.seen {
            let seen = Position::new(seen.load(Ordering::Acquire));
            options.after = options.after.max(seen);
        }
        options
    }
}

impl<'d, Q: Query> QueryCall<'d, Q, Q::Output> {
    /// Gives the query to its handler, unless the call has to wait for read models first. Either writes
    /// the answer or returns its future.
    #[inline]
    fn ask(
        &mut self,
        query: Q,
        answer: &mut Poll<QueryResult<Q::Output>>,
    ) -> Option<BoxFuture<'d, QueryResult<Q::Output>>> {
        let inner: &'d Inner = &self.dispatcher.inner;
        if let Err(shut_down) = inner.lifecycle.check(self.dispatcher.caller()) {
            return fail(answer, shut_down);
        }
        let (run, slot) = match inner.query::<Q>() {
            Ok(found) => found,
            Err(failure) => return fail(answer, failure),
        };
        if Q::PERMISSION.is_some() {
            let options = self.options.as_deref();
            let actor = options.and_then(|options| options.actor.as_ref());
            match inner.authorize(Q::NAME, Q::PERMISSION, actor) {
                Ok(Ok(())) => {}
                Ok(Err(denied)) => return fail(answer, denied),
                Err(panicked) => return fail(answer, panicked),
            }
        }
        match guarded(|| method(type_name::<Q>(), "validate"), || query.check()) {
            Ok(Ok(())) => {}
            Ok(Err(invalid)) => return fail(answer, invalid),
            Err(panicked) => return fail(answer, panicked),
        }
        if self.options.is_none() && self.seen.is_none() {
            return match inner.run(run, slot, query, None, answer) {
                Ok(later) => later,
                Err(panicked) => fail(answer, panicked),
            };
        }
        let options = self.take_options();
        Some(Box::pin(inner.ask_after(run, slot, query, options)))
    }

    /// [`ask`](QueryCall::ask), in a span.
    #[cold]
    fn ask_traced(
        &mut self,
        query: Q,
        answer: &mut Poll<QueryResult<Q::Output>>,
    ) -> Option<BoxFuture<'d, QueryResult<Q::Output>>> {
        let span = trace::query(Q::NAME);
        let later = span.in_scope(|| self.ask(query, answer))?;
        Some(Box::pin(later.instrument(span)))
    }
}

/// Writes an error as the answer.
#[cold]
fn fail<'d, T>(
    answer: &mut Poll<QueryResult<T>>,
    error: impl Into<QueryError>,
) -> Option<BoxFuture<'d, QueryResult<T>>> {
    *answer = Poll::Ready(Err(error.into()));
    None
}

impl Inner {
    /// The handler of a query.
    #[inline]
    fn query<Q: Query>(&self) -> Result<(QueryFn<Q>, &QuerySlot), Failure> {
        let found = self.queries.get(Q::cell());
        found.ok_or_else(|| Registry::get().no_handler(MessageKind::Query, Q::NAME))
    }

    /// Runs the handler; see [`QueryFn`].
    #[inline]
    fn run<'d, Q: Query>(
        &'d self,
        run: QueryFn<Q>,
        slot: &'d QuerySlot,
        query: Q,
        actor: Option<Actor>,
        answer: &mut Poll<QueryResult<Q::Output>>,
    ) -> Result<Option<BoxFuture<'d, QueryResult<Q::Output>>>, Failure> {
        Ok(run.run(query, self.scope(slot, actor)?, answer))
    }

    /// The scope that the handler's inputs are taken from.
    #[inline]
    pub(super) fn scope<'d>(
        &'d self,
        slot: &'d QuerySlot,
        actor: Option<Actor>,
    ) -> Result<QueryScope<'d>, Failure> {
        let context = if slot.takes_context {
            Some(Box::new(self.context(actor)?))
        } else {
            None
        };
        Ok(QueryScope {
            inputs: &slot.inputs,
            context,
        })
    }

    /// Waits for the query's read models, if it reads any, and runs the handler.
    async fn ask_after<Q: Query>(
        &self,
        run: QueryFn<Q>,
        slot: &QuerySlot,
        query: Q,
        options: QueryOptions,
    ) -> QueryResult<Q::Output> {
        self.wait_for(slot, options.after, options.max_wait).await?;
        let mut answer = Poll::Pending;
        match self.run(run, slot, query, options.actor, &mut answer)? {
            Some(later) => later.await,
            None => poll_fn(|_| replace(&mut answer, Poll::Pending)).await,
        }
    }

    /// Waits until the query's read models, if it reads any, have everything up to this position.
    pub(super) async fn wait_for(
        &self,
        slot: &QuerySlot,
        after: Position,
        max_wait: Option<Duration>,
    ) -> Result<(), QueryError> {
        if after > Position::START {
            let max_wait = max_wait.unwrap_or(self.limits.wait);
            self.reach(slot, after, max_wait).await?;
        }
        Ok(())
    }

    #[cold]
    fn context(&self, actor: Option<Actor>) -> Result<Context, Failure> {
        let time = self.decisions.now()?;
        let id = CommandId::at(time).as_uuid();
        Ok(Context {
            command: None,
            correlation: id,
            causation: id,
            actor,
            time,
        })
    }

    /// Waits until the query's read models have everything up to this position.
    async fn reach(
        &self,
        slot: &QuerySlot,
        wanted: Position,
        max_wait: Duration,
    ) -> Result<(), QueryError> {
        let started = Instant::now();
        let left = || max_wait.saturating_sub(started.elapsed());
        for worker in &slot.reads {
            let reached = self.workers[*worker].wait_for(wanted, left()).await;
            reached.map_err(|behind| NotCaughtUp {
                waited: max_wait,
                ..behind
            })?;
        }
        let visible = async {
            for store in &slot.stores {
                store.wait_until_visible().await?;
            }
            Ok::<_, StoreError>(())
        };
        if let Ok(visible) = timeout(left(), visible).await {
            return Ok(visible.map_err(Failure::from)?);
        }
        let why = "what queries read from has not replicated it yet".to_owned();
        let behind = match slot.reads.last() {
            Some(last) => self.workers[*last].behind(wanted, max_wait),
            // The handler reads tables with SQL that no projection writes.
            None => NotCaughtUp {
                kind: "replica",
                name: "reads",
                at: Position::START,
                wanted,
                waited: max_wait,
                failing: None,
                stopped: None,
            },
        };
        Err(QueryError::from(NotCaughtUp {
            failing: Some(why),
            stopped: None,
            ..behind
        }))
    }
}

/// None of its fields is pinned: futures are boxed, and the query is moved out.
impl<Q, A> Unpin for QueryCall<'_, Q, A> {}

impl<Q: Query> Future for QueryCall<'_, Q, Q::Output> {
    type Output = Result<Q::Output, QueryError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        if let Some(query) = self.query.take() {
            let mut answer = Poll::Pending;
            let later = if trace::is_on() {
                self.ask_traced(query, &mut answer)
            } else {
                self.ask(query, &mut answer)
            };
            // Matched part by part: a copy of the whole value would have to wait until the write of its
            // parts, just before, has completed (decision 0018).
            match answer {
                Poll::Ready(Ok(answer)) => return Poll::Ready(Ok(answer)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => self.later = later,
            }
        }
        poll_later(&mut self.later, context)
    }
}

/// Polls the future of an answer. A call that is polled again after it was ready has none, and stays
/// pending.
pub(super) fn poll_later<A>(
    later: &mut Option<BoxFuture<'_, QueryResult<A>>>,
    context: &mut task::Context<'_>,
) -> Poll<QueryResult<A>> {
    match later {
        Some(later) => later.as_mut().poll(context),
        None => Poll::Pending,
    }
}
