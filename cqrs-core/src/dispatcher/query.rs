use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use super::inner::{Inner, QuerySlot};
use super::{Dispatcher, Guarded, Receipt, panic_message};
use crate::CommandId;
use crate::error::{Behind, Failure, QueryError, Result};
use crate::handler::{Actor, Answer, Context, QueryFn, QueryScope};
use crate::message::Query;
use crate::store::{BoxFuture, Position};

/// A query about to be asked; `.await` asks it.
///
/// When the handler is sync and nothing has to be waited for, it is ready at the first poll and
/// allocates nothing. The fields are few and stay where they are: moving them would cost more than
/// the rest of the call.
#[must_use = "a query is asked when the call is awaited"]
pub struct QueryCall<'d, Q: Query> {
    inner: &'d Inner,
    /// Taken when the query is given to its handler.
    query: Option<Q>,
    options: Option<Box<QueryOptions>>,
    /// How far a session has written.
    seen: Option<&'d AtomicU64>,
    later: Option<Later<'d, Q>>,
}

/// What a caller may say besides the query.
#[derive(Clone, Debug, Default)]
pub(crate) struct QueryOptions {
    pub(crate) actor: Option<Actor>,
    pub(crate) after: Position,
    pub(crate) within: Option<Duration>,
}

/// An answer that is not there yet.
enum Later<'d, Q: Query> {
    Handler(&'static str, Guarded<'d, Result<Q::Output>>),
    /// For read models; then the query is asked.
    Waiting(BoxFuture<'d, Result<(), Behind>>, Option<Ask<'d, Q>>),
}

/// A query with all that its handler needs.
struct Ask<'d, Q: Query> {
    inner: &'d Inner,
    run: QueryFn<Q>,
    slot: &'d QuerySlot,
    query: Q,
    actor: Option<Actor>,
}

/// What became of a query that was given to its handler.
enum Asked<'d, Q: Query> {
    Answered(Q::Output),
    Failed(QueryError),
    Later(Later<'d, Q>),
}

impl<'d, Q: Query> QueryCall<'d, Q> {
    #[inline]
    pub(crate) fn new(dispatcher: &'d Dispatcher, query: Q) -> Self {
        Self {
            inner: &dispatcher.inner,
            query: Some(query),
            options: None,
            seen: None,
            later: None,
        }
    }

    pub(crate) fn options(&mut self) -> &mut QueryOptions {
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
    pub fn within(mut self, wait: Duration) -> Self {
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

    /// Gives the query to its handler, unless read models have to be waited for first.
    #[inline]
    fn ask(&mut self, query: Q) -> Asked<'d, Q> {
        let inner = self.inner;
        let filled = Q::cell().get();
        let slot = filled.and_then(|filled| inner.queries.get(filled.number));
        let (run, slot) = match (filled, slot) {
            (Some(filled), Some(Some(slot))) => (filled.run, slot),
            _ => match inner.other_query::<Q>() {
                Ok(found) => found,
                Err(failure) => return Asked::Failed(failure.into()),
            },
        };
        if Q::PERMISSION.is_some() {
            let actor = self
                .options
                .as_ref()
                .and_then(|options| options.actor.as_ref());
            if let Err(denied) = inner.authorize(Q::NAME, Q::PERMISSION, actor) {
                return Asked::Failed(denied.into());
            }
        }
        if let Err(invalid) = query.check() {
            return Asked::Failed(invalid.into());
        }
        if self.options.is_none() && self.seen.is_none() {
            return run_now(inner, run, slot, query, None);
        }
        self.ask_with_options(inner, run, slot, query)
    }

    fn ask_with_options(
        &mut self,
        inner: &'d Inner,
        run: QueryFn<Q>,
        slot: &'d QuerySlot,
        query: Q,
    ) -> Asked<'d, Q> {
        let QueryOptions {
            actor,
            after,
            within,
        } = *self.options.take().unwrap_or_default();
        let seen = self.seen.map_or(0, |seen| seen.load(Ordering::Acquire));
        let after = after.max(Position::new(seen));
        if after == Position::START || slot.reads.is_empty() {
            return run_now(inner, run, slot, query, actor);
        }
        let within = within.unwrap_or(inner.limits.wait);
        let ask = Ask {
            inner,
            run,
            slot,
            query,
            actor,
        };
        Asked::Later(Later::Waiting(
            Box::pin(inner.reach(slot, after, within)),
            Some(ask),
        ))
    }

    fn poll_later(
        &mut self,
        context: &mut task::Context<'_>,
    ) -> Poll<Result<Q::Output, QueryError>> {
        match &mut self.later {
            Some(Later::Handler(handler, future)) => {
                let handler = *handler;
                let poll = Pin::new(future).poll(context);
                poll.map(|outcome| guarded(handler, outcome))
            }
            Some(Later::Waiting(future, ask)) => {
                let reached = task::ready!(future.as_mut().poll(context));
                let Some(Ask {
                    inner,
                    run,
                    slot,
                    query,
                    actor,
                }) = ask.take()
                else {
                    return Poll::Pending;
                };
                if let Err(behind) = reached {
                    return Poll::Ready(Err(behind.into()));
                }
                match run_now(inner, run, slot, query, actor) {
                    Asked::Answered(answer) => Poll::Ready(Ok(answer)),
                    Asked::Failed(error) => Poll::Ready(Err(error)),
                    Asked::Later(later) => {
                        self.later = Some(later);
                        self.poll_later(context)
                    }
                }
            }
            // Polled again after it was ready: there is no answer left to give.
            None => Poll::Pending,
        }
    }
}

impl Inner {
    #[cold]
    fn context(&self, actor: Option<Actor>) -> Context {
        let time = self.clock.now();
        let id = CommandId::at(time).as_uuid();
        Context {
            command: None,
            correlation: id,
            causation: id,
            actor,
            time,
        }
    }

    /// Waits until the query's read models have everything up to this position.
    async fn reach(
        &self,
        slot: &QuerySlot,
        wanted: Position,
        within: Duration,
    ) -> Result<(), Behind> {
        let deadline = Instant::now() + within;
        for worker in &slot.reads {
            let left = deadline.saturating_duration_since(Instant::now());
            let reached = self.workers[*worker].reach(wanted, left).await;
            reached.map_err(|behind| Behind {
                waited: within,
                ..behind
            })?;
        }
        Ok(())
    }
}

/// Nothing in it is pinned in place: futures are boxed, the query is moved out.
impl<Q: Query> Unpin for QueryCall<'_, Q> {}

impl<Q: Query> Future for QueryCall<'_, Q> {
    type Output = Result<Q::Output, QueryError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        if let Some(query) = self.query.take() {
            match self.ask(query) {
                Asked::Answered(answer) => return Poll::Ready(Ok(answer)),
                Asked::Failed(error) => return Poll::Ready(Err(error)),
                Asked::Later(later) => self.later = Some(later),
            }
        }
        self.poll_later(context)
    }
}

/// Runs the handler; its panic is an error of this call.
#[inline]
fn run_now<'d, Q: Query>(
    inner: &'d Inner,
    run: QueryFn<Q>,
    slot: &'d QuerySlot,
    query: Q,
    actor: Option<Actor>,
) -> Asked<'d, Q> {
    let context = slot.takes_context.then(|| Box::new(inner.context(actor)));
    let scope = QueryScope {
        inner,
        slot,
        context,
    };
    let mut answer = None;
    let outcome = catch_unwind(AssertUnwindSafe(|| run(query, scope, &mut answer)));
    match answer {
        Some(Answer::Now(Ok(answer))) => Asked::Answered(answer),
        Some(Answer::Now(Err(error))) => {
            Asked::Failed(Failure::handler(slot.entry.name, error).into())
        }
        Some(Answer::Later(future)) => {
            Asked::Later(Later::Handler(slot.entry.name, Guarded(future)))
        }
        None => {
            let message = outcome.err().map(|panic| panic_message(&*panic));
            Asked::Failed(panicked(slot.entry.name, message.unwrap_or_default()))
        }
    }
}

fn guarded<T>(
    handler: &'static str,
    outcome: std::result::Result<Result<T>, String>,
) -> Result<T, QueryError> {
    match outcome {
        Ok(answer) => answer.map_err(|error| Failure::handler(handler, error).into()),
        Err(message) => Err(panicked(handler, message)),
    }
}

#[cold]
fn panicked(handler: &'static str, message: String) -> QueryError {
    Failure::Panicked { handler, message }.into()
}
