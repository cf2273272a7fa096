use std::future::{Future, IntoFuture};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{self, Poll};
use std::time::Duration;

use super::inner::{CallOptions, Inner, QuerySlot};
use super::{Dispatcher, Guarded, Receipt, panic_message};
use crate::error::{Failure, QueryError, Result};
use crate::handler::{Actor, Answer, QueryFn, QueryScope};
use crate::message::Query;
use crate::store::{BoxFuture, Position};

/// A query about to be asked; `.await` asks it.
#[must_use = "a query is asked when the call is awaited"]
pub struct QueryCall<'d, Q> {
    dispatcher: &'d Dispatcher,
    query: Q,
    pub(crate) options: CallOptions,
    /// How far a session has written.
    pub(crate) seen: Option<&'d AtomicU64>,
}

impl<'d, Q: Query> QueryCall<'d, Q> {
    #[inline]
    pub(crate) fn new(dispatcher: &'d Dispatcher, query: Q) -> Self {
        Self {
            dispatcher,
            query,
            options: CallOptions::default(),
            seen: None,
        }
    }

    /// Waits until the query's read models have what this command did.
    pub fn after(self, receipt: &Receipt) -> Self {
        self.after_position(receipt.last())
    }

    /// Waits until the query's read models have everything up to this position.
    pub fn after_position(mut self, position: Position) -> Self {
        self.options.after = self.options.after.max(position);
        self
    }

    /// How long to wait at most; none said: what the builder says.
    pub fn within(mut self, wait: Duration) -> Self {
        self.options.within = Some(wait);
        self
    }

    /// Who asks.
    pub fn actor(mut self, actor: Actor) -> Self {
        self.options.actor = Some(actor);
        self
    }

    #[inline]
    fn start(self) -> QueryFuture<'d, Q> {
        let inner: &'d Inner = &self.dispatcher.inner;
        let found = match Q::cell().get() {
            Some(filled) => match inner.queries.get(filled.number) {
                Some(Some(slot)) => Ok((filled.run, slot)),
                _ => inner.other_query::<Q>(),
            },
            None => inner.other_query::<Q>(),
        };
        let (run, slot) = match found {
            Ok(found) => found,
            Err(failure) => return QueryFuture::ready(Err(QueryError::Failed(failure))),
        };
        let CallOptions {
            actor,
            after,
            within,
            ..
        } = self.options;
        if let Err(denied) = inner.authorize(Q::NAME, Q::PERMISSION, actor.as_ref()) {
            return QueryFuture::ready(Err(QueryError::Denied(denied)));
        }
        if let Err(invalid) = self.query.check() {
            return QueryFuture::ready(Err(QueryError::Invalid(invalid)));
        }
        let seen = self.seen.map_or(0, |seen| seen.load(Ordering::Acquire));
        let ask = Ask {
            inner,
            run,
            slot,
            query: self.query,
            actor,
        };
        let after = after.max(Position::new(seen));
        if after == Position::START || slot.reads.is_empty() {
            return ask.now();
        }
        let within = within.unwrap_or(inner.limits.wait);
        QueryFuture::later(async move {
            for worker in &ask.slot.reads {
                ask.inner.workers[*worker].reach(after, within).await?;
            }
            ask.now().await
        })
    }
}

impl<'d, Q: Query> IntoFuture for QueryCall<'d, Q> {
    type Output = Result<Q::Output, QueryError>;
    type IntoFuture = QueryFuture<'d, Q>;

    #[inline]
    fn into_future(self) -> Self::IntoFuture {
        self.start()
    }
}

/// The answer to a query: already there when the handler is sync and nothing was waited for, so
/// that such a query allocates nothing.
pub struct QueryFuture<'d, Q: Query>(State<'d, Q>);

enum State<'d, Q: Query> {
    Ready(Option<Result<Q::Output, QueryError>>),
    Handler(&'static str, Guarded<'d, Result<Q::Output>>),
    Later(BoxFuture<'d, Result<Q::Output, QueryError>>),
}

/// Nothing in it is pinned in place: futures are boxed, answers are moved out.
impl<Q: Query> Unpin for QueryFuture<'_, Q> {}

impl<'d, Q: Query> QueryFuture<'d, Q> {
    #[inline]
    fn ready(answer: Result<Q::Output, QueryError>) -> Self {
        Self(State::Ready(Some(answer)))
    }

    fn later(future: impl Future<Output = Result<Q::Output, QueryError>> + Send + 'd) -> Self {
        Self(State::Later(Box::pin(future)))
    }
}

impl<Q: Query> Future for QueryFuture<'_, Q> {
    type Output = Result<Q::Output, QueryError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            // A future that is polled again after it was ready has no answer to give.
            State::Ready(answer) => answer.take().map_or(Poll::Pending, Poll::Ready),
            State::Handler(handler, future) => {
                let handler = *handler;
                Pin::new(future).poll(context).map(|outcome| match outcome {
                    Ok(answer) => answered(handler, answer),
                    Err(message) => Err(panicked(handler, message)),
                })
            }
            State::Later(future) => future.as_mut().poll(context),
        }
    }
}

/// A query whose handler is known and whose sender may ask it.
struct Ask<'d, Q: Query> {
    inner: &'d Inner,
    run: QueryFn<Q>,
    slot: &'d QuerySlot,
    query: Q,
    actor: Option<Actor>,
}

impl<'d, Q: Query> Ask<'d, Q> {
    /// Runs the handler; its panic is an error of this call.
    #[inline]
    fn now(self) -> QueryFuture<'d, Q> {
        let Self {
            inner,
            run,
            slot,
            query,
            actor,
        } = self;
        let scope = QueryScope {
            store: &inner.store,
            services: &slot.services,
            models: &slot.models,
            actor,
            clock: &inner.clock,
            context: OnceLock::new(),
        };
        let handler = slot.entry.name;
        match catch_unwind(AssertUnwindSafe(|| run(query, scope))) {
            Ok(Answer::Now(answer)) => QueryFuture::ready(answered(handler, answer)),
            Ok(Answer::Later(future)) => QueryFuture(State::Handler(handler, Guarded(future))),
            Err(panic) => QueryFuture::ready(Err(panicked(handler, panic_message(&*panic)))),
        }
    }
}

#[inline]
fn answered<T>(handler: &'static str, answer: Result<T>) -> Result<T, QueryError> {
    answer.map_err(|error| QueryError::Failed(Failure::handler(handler, error)))
}

#[cold]
fn panicked(handler: &'static str, message: String) -> QueryError {
    QueryError::Failed(Failure::Panicked { handler, message })
}
