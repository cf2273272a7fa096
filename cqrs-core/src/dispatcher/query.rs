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
use crate::store::{BoxFuture, Position};
use crate::trace;

/// A query about to be asked; `.await` asks it.
///
/// When the handler is sync and nothing has to be waited for, it is ready at the first poll and
/// allocates nothing. The fields are few and stay where they are: moving them would cost more than
/// the rest of the call.
#[must_use = "a query is asked when the call is awaited"]
pub struct QueryCall<'d, Q: Query> {
    dispatcher: &'d Dispatcher,
    /// Taken when the query is given to its handler.
    query: Option<Q>,
    options: Option<Box<QueryOptions>>,
    /// How far a session has written.
    seen: Option<&'d AtomicU64>,
    /// The answer that is not there yet.
    later: Option<BoxFuture<'d, QueryResult<Q::Output>>>,
}

/// What a caller may say besides the query.
#[derive(Clone, Debug, Default)]
pub(crate) struct QueryOptions {
    pub(crate) actor: Option<Actor>,
    pub(crate) after: Position,
    pub(crate) within: Option<Duration>,
}

impl<'d, Q: Query> QueryCall<'d, Q> {
    #[inline]
    pub(crate) fn new(dispatcher: &'d Dispatcher, query: Q) -> Self {
        Self {
            dispatcher,
            query: Some(query),
            options: None,
            seen: None,
            later: None,
        }
    }

    fn options(&mut self) -> &mut QueryOptions {
        self.options.get_or_insert_default()
    }

    /// Waits until the query's read models have what this command did.
    pub fn after(self, receipt: &Receipt) -> Self {
        self.after_position(receipt.last())
    }

    /// Waits until the query's read models have everything up to this position.
    pub fn after_position(mut self, position: Position) -> Self {
        let options = self.options();
        options.after = options.after.max(position);
        self
    }

    /// How long to wait at most; none said: what the builder says.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.options().within = Some(wait);
        self
    }

    /// Who asks.
    pub fn actor(mut self, actor: Actor) -> Self {
        self.options().actor = Some(actor);
        self
    }

    /// Waits for what the session has written by the time the query is asked.
    pub(crate) fn seen(mut self, seen: &'d AtomicU64) -> Self {
        self.seen = Some(seen);
        self
    }

    /// Gives the query to its handler, unless read models have to be waited for first. Either
    /// writes the answer or returns its future.
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
        let options = *self.options.take().unwrap_or_default();
        let seen = self.seen.map_or(0, |seen| seen.load(Ordering::Acquire));
        Some(Box::pin(inner.ask_after(
            run,
            slot,
            query,
            options,
            Position::new(seen),
        )))
    }
}

impl<'d, Q: Query> QueryCall<'d, Q> {
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

    /// What the handler's inputs are taken from.
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
        seen: Position,
    ) -> QueryResult<Q::Output> {
        let after = options.after.max(seen);
        self.wait_for(slot, after, options.within).await?;
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
        within: Option<Duration>,
    ) -> Result<(), QueryError> {
        if after > Position::START {
            let within = within.unwrap_or(self.limits.wait);
            self.reach(slot, after, within).await?;
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
        within: Duration,
    ) -> Result<(), QueryError> {
        let started = Instant::now();
        let left = || within.saturating_sub(started.elapsed());
        for worker in &slot.reads {
            let reached = self.workers[*worker].wait_for(wanted, left()).await;
            reached.map_err(|behind| NotCaughtUp {
                waited: within,
                ..behind
            })?;
        }
        if slot.reads.is_empty() && !slot.takes_transaction {
            return Ok(());
        }
        let Some(replicated) = self.store.replicated() else {
            return Ok(());
        };
        if let Ok(replicated) = timeout(left(), replicated).await {
            return Ok(replicated.map_err(Failure::from)?);
        }
        let why = "what queries read from has not replicated it yet".to_owned();
        let behind = match slot.reads.last() {
            Some(last) => self.workers[*last].behind(wanted, within),
            // SQL on tables that no projection keeps.
            None => NotCaughtUp {
                kind: "replica",
                name: "reads",
                at: Position::START,
                wanted,
                waited: within,
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

/// Nothing in it is pinned in place: futures are boxed, the query is moved out.
impl<Q: Query> Unpin for QueryCall<'_, Q> {}

impl<Q: Query> Future for QueryCall<'_, Q> {
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
            // Part by part: what was just written is not copied as a whole.
            match answer {
                Poll::Ready(Ok(answer)) => return Poll::Ready(Ok(answer)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => self.later = later,
            }
        }
        match &mut self.later {
            Some(later) => later.as_mut().poll(context),
            // Polled again after it was ready: there is no answer left to give.
            None => Poll::Pending,
        }
    }
}
