use std::any::type_name;
use std::future::{Future, IntoFuture, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::inner::{Inner, QuerySlot};
use super::query_sources::AwaitedSources;
use super::session::SessionWrites;
use super::wanted::Wanted;
use super::{After, Bookmark, Dispatcher};
use crate::CommandId;
use crate::auth::Actor;
use crate::error::{Failure, Invalid, NotCaughtUp, QueryError, Result};
use crate::handler::{Context, QueryFn, QueryResult};
use crate::json;
use crate::message::Query;
use crate::panic::{guarded, method};
use crate::registry::{MessageKind, Registry};
use crate::store::{BoxFuture, CustomMetadata, Incarnation, Position, StoreError, ViewStore};
use crate::subscription::Progress;
use crate::trace;

/// A query with its options, which `.await` asks. `Q` is the query's type, or
/// [`Named`](super::Named) for a query that is asked by its wire name.
///
/// `.await` begins with `into_future`. There, a sync handler answers, if it needs neither the
/// context nor a wait for read models; such a call allocates nothing.
#[must_use = "a query is asked when the call is awaited"]
pub struct QueryCall<'d, Q> {
    pub(super) dispatcher: &'d Dispatcher,
    pub(super) query: Q,
    options: Option<Box<QueryOptions>>,
    /// What a session has written.
    written: Option<&'d SessionWrites>,
}

/// The answer to a query, or its future.
///
/// Two options instead of one enum: an enum is written in parts and read as a whole, which has to
/// wait for the writes (decision 0018).
#[must_use = "futures do nothing unless polled"]
pub struct QueryFuture<'d, A> {
    now: Option<A>,
    later: Option<BoxFuture<'d, QueryResult<A>>>,
}

/// The options of a call besides the query.
#[derive(Clone, Debug, Default)]
pub(super) struct QueryOptions {
    pub(super) actor: Option<Actor>,
    pub(super) wanted: Wanted,
    /// A bookmark of another log, which fails the query.
    pub(super) foreign: Option<Bookmark>,
    pub(super) max_wait: Option<Duration>,
}

impl<'d, Q> QueryCall<'d, Q> {
    #[inline]
    pub(super) fn new(dispatcher: &'d Dispatcher, query: Q) -> Self {
        Self {
            dispatcher,
            query,
            options: None,
            written: None,
        }
    }

    /// Waits until the query's read models include the events of a command, which is given by its
    /// [`Receipt`](super::Receipt) or by a [`Bookmark`]. Either may come from another process. One of
    /// another log fails the query as invalid. If a projection has [parked](super::Subscriptions::parked) the
    /// id of one of the events, the query fails at once with [`QueryErrorKind::Parked`]; of several commands, the
    /// last 16 are looked up.
    ///
    /// [`QueryErrorKind::Parked`]: crate::error::QueryErrorKind::Parked
    pub fn after(mut self, command: impl After) -> Self {
        let bookmark = command.bookmark();
        if self.dispatcher.is_of_log(bookmark) {
            self.options().wanted.add(bookmark);
            return self;
        }
        self.options().foreign = Some(bookmark);
        self
    }

    /// Waits until the query's read models include every event up to this position.
    pub fn after_position(mut self, position: Position) -> Self {
        self.options().wanted.add_all_up_to(position);
        self
    }

    /// Answers from the read models as they are, without waiting for what the session of this call has
    /// written. Whatever [`after`](Self::after) names is waited for all the same. No effect outside of
    /// sessions.
    pub fn stale(mut self) -> Self {
        self.written = None;
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
    pub(super) fn written(mut self, written: &'d SessionWrites) -> Self {
        self.written = Some(written);
        self
    }

    fn options(&mut self) -> &mut QueryOptions {
        self.options.get_or_insert_default()
    }

    /// The options, with what the session has written by now.
    pub(super) fn into_options(self) -> (Q, QueryOptions) {
        let mut options = *self.options.unwrap_or_default();
        if let Some(written) = self.written {
            options.wanted.add_wanted(&written.wanted());
        }
        (self.query, options)
    }
}

impl QueryOptions {
    /// Refuses a bookmark of another log.
    pub(super) fn check_log(&self) -> Result<(), Invalid> {
        let Some(foreign) = self.foreign else {
            return Ok(());
        };
        let reason =
            format!("the bookmark `{foreign}` is of another log than that of this dispatcher");
        Err(Invalid::new(reason))
    }
}

/// The time that a query has to wait for read models, in all of its runs.
pub(super) struct QueryWait {
    started: Instant,
    longest: Duration,
}

impl QueryWait {
    /// The time that errors name.
    pub(super) fn longest(&self) -> Duration {
        self.longest
    }

    pub(super) fn left(&self) -> Duration {
        self.longest.saturating_sub(self.started.elapsed())
    }

    pub(super) fn is_over(&self) -> bool {
        self.left().is_zero()
    }
}

/// The projections that a wait was for, once it is over.
pub(super) struct Reached {
    /// The incarnation of the view store of each of them by then.
    pub(super) known: Vec<Incarnation>,
    /// The position of the one that is behind the others.
    pub(super) position: Position,
}

/// Returns the answer, unless one of these view stores has lost commits since it had this incarnation: the
/// handler may have read views as they were before.
pub(super) fn confirm<'p, A>(
    mut awaited: impl Iterator<Item = (&'p Progress, &'p Incarnation)>,
    answer: A,
) -> Result<A, QueryError> {
    if awaited.any(|(progress, known)| progress.view_incarnation() != *known) {
        let reason = "its database lost the last commits of a read model in a crash while the \
                      query ran: ask again";
        let lost = StoreError::Unavailable {
            reason: reason.into(),
        };
        return Err(Failure::from(lost).into());
    }
    Ok(answer)
}

/// The answer of a sync handler, or the future of any other and of errors.
type Asked<'d, A> = Result<A, BoxFuture<'d, QueryResult<A>>>;

impl<'d, Q: Query> QueryCall<'d, Q> {
    /// Gives the query to its handler, unless the call has to wait for read models first.
    #[inline]
    fn ask(self) -> Asked<'d, Q::Output> {
        let inner: &'d Inner = &self.dispatcher.inner;
        inner
            .lifecycle
            .check_query(self.dispatcher.caller())
            .map_err(failed)?;
        let (run, slot) = inner.query::<Q>().map_err(failed)?;
        if Q::PERMISSION.is_some() || Q::ROWS.is_some() {
            let options = self.options.as_deref();
            let actor = options.and_then(|options| options.actor.as_ref());
            inner
                .authorize_query(slot.entry, actor)
                .map_err(failed)?
                .map_err(failed)?;
        }
        guarded(
            || method(type_name::<Q>(), "validate"),
            || self.query.check(),
        )
        .map_err(failed)?
        .map_err(failed)?;
        let may_wait = self.options.is_some() || self.written.is_some() || !slot.is_settled();
        match run {
            QueryFn::Now(answer) if !may_wait => {
                answer(self.query, slot.scope(None)).map_err(failed)
            }
            QueryFn::Later(start) if !may_wait && !slot.takes_context => {
                Err(start(self.query, slot.scope(None)))
            }
            QueryFn::Now(_) | QueryFn::Later(_) => {
                let (query, options) = self.into_options();
                Err(Box::pin(inner.ask_after(run, slot, query, options)))
            }
        }
    }

    /// [`ask`](QueryCall::ask), in a span.
    #[cold]
    fn ask_traced(self) -> BoxFuture<'d, QueryResult<Q::Output>> {
        let span = trace::query(Q::NAME);
        match span.in_scope(|| self.ask()) {
            Ok(answer) => {
                let answer = Ok(answer);
                trace::answers(&span, &answer);
                Box::pin(ready(answer))
            }
            Err(later) => Box::pin(trace::answered(span, later)),
        }
    }
}

/// The future of a failed call. Not an [`Asked`]: that is returned in memory, as the answers of handlers
/// would be with it.
#[cold]
fn failed<'d, A: Send + 'd>(error: impl Into<QueryError>) -> BoxFuture<'d, QueryResult<A>> {
    Box::pin(ready(Err(error.into())))
}

impl Inner {
    /// The handler of a query.
    #[inline]
    pub(super) fn query<Q: Query>(&self) -> Result<(QueryFn<Q>, &QuerySlot), Failure> {
        let found = self.queries.get(Q::cell());
        found.ok_or_else(|| Registry::get().no_handler(MessageKind::Query, Q::NAME))
    }

    /// Waits for the query's read models, if it reads any, and runs the handler. Again, if they have lost
    /// commits meanwhile and there is time left.
    async fn ask_after<Q: Query>(
        &self,
        run: QueryFn<Q>,
        slot: &QuerySlot,
        mut query: Q,
        options: QueryOptions,
    ) -> QueryResult<Q::Output> {
        let wait = self.query_wait(&options);
        loop {
            let awaited = self.wait_for(slot, &options, &wait).await?;
            // The handler takes the query, which need not be `Clone`.
            let copy = awaited.may_be_lost().then(|| json::encode(&query));
            let context = self.query_context(slot, options.actor.clone())?;
            let scope = awaited.sources.scope(slot, context.as_ref());
            let answer = run.run(query, scope).await?;
            let lost = match awaited.confirm(answer) {
                Ok(answer) => return Ok(answer),
                Err(lost) => lost,
            };
            match copy.map(|copy| copy.and_then(|json| json::decode(&json))) {
                Some(Ok(again)) if !wait.is_over() => query = again,
                _ => return Err(lost),
            }
        }
    }

    /// The time that a query has for its read models, which begins now.
    pub(super) fn query_wait(&self, options: &QueryOptions) -> QueryWait {
        QueryWait {
            started: Instant::now(),
            longest: options.max_wait.unwrap_or(self.limits.wait),
        }
    }

    /// The context of a query, if its handler takes it.
    pub(super) fn query_context(
        &self,
        slot: &QuerySlot,
        actor: Option<Actor>,
    ) -> Result<Option<Context>, Failure> {
        if !slot.takes_context {
            return Ok(None);
        }
        let time = self.decisions.now()?;
        let id = CommandId::assigned(time).as_uuid();
        Ok(Some(Context {
            command: None,
            correlation: id,
            causation: id,
            actor: actor.map(|it| it.asking(self.authorizer.as_ref())),
            metadata: CustomMetadata::default(),
            time,
        }))
    }

    /// Waits until the query's read models, if it reads any, have everything that the options name.
    pub(super) async fn wait_for(
        &self,
        slot: &QuerySlot,
        options: &QueryOptions,
        wait: &QueryWait,
    ) -> Result<AwaitedSources, QueryError> {
        options.check_log()?;
        if options.wanted.is_nothing() {
            return Ok(AwaitedSources {
                sources: self.sources(slot)?,
                known: Vec::new(),
                position: None,
            });
        }
        self.wait_for_sources(slot, &options.wanted, wait).await
    }

    /// Waits until the projections have handled these events, and the stores show it to queries, with all that
    /// was committed before: for the time that is left of the longest one.
    pub(super) async fn reach(
        &self,
        projections: &[Progress],
        stores: &[Arc<dyn ViewStore>],
        wanted: &Wanted,
        (limit, max_wait): (Duration, Duration),
    ) -> Result<Reached, QueryError> {
        let started = Instant::now();
        let left = || limit.saturating_sub(started.elapsed());
        let mut known = Vec::with_capacity(projections.len());
        for progress in projections {
            let (position, slices) = (wanted.position(), wanted.slices());
            if progress.parked() > 0 && progress.position() < position {
                self.check_parked(progress, wanted.last_events()).await?;
            }
            let reached = progress.wait_for_slices(&slices, position, left()).await;
            // A key is parked in the commit that moves the checkpoint past its event.
            self.check_parked(progress, wanted.last_events()).await?;
            match reached {
                Ok(incarnation) => known.push(incarnation),
                Err(_) if progress.is_shut_down() => return Err(Failure::ShutDown.into()),
                Err(behind) => {
                    return Err(QueryError::from(NotCaughtUp {
                        waited: max_wait,
                        ..behind
                    }));
                }
            }
        }
        // Before the wait for visibility, which is for everything that was committed by then.
        let positions = projections.iter().map(Progress::position);
        let position = positions.min().unwrap_or_default();
        let visible = async {
            for store in stores {
                store.wait_until_visible().await?;
            }
            Ok::<_, StoreError>(())
        };
        if let Ok(visible) = timeout(left(), visible).await {
            visible.map_err(Failure::from)?;
            return Ok(Reached { known, position });
        }
        let why = "what queries read from has not replicated it yet".to_owned();
        let (of, at) = match projections.last() {
            Some(last) => ((last.kind().as_str(), last.name()), last.position()),
            // The handler reads tables with SQL that no projection writes.
            None => (("replica", "reads"), Position::START),
        };
        Err(QueryError::from(NotCaughtUp {
            failing: Some(why),
            ..NotCaughtUp::new(of, at, wanted.position(), max_wait)
        }))
    }
}

impl<'d, Q: Query> IntoFuture for QueryCall<'d, Q> {
    type Output = Result<Q::Output, QueryError>;
    type IntoFuture = QueryFuture<'d, Q::Output>;

    #[inline]
    fn into_future(self) -> Self::IntoFuture {
        let asked = if trace::is_on() {
            Err(self.ask_traced())
        } else {
            self.ask()
        };
        match asked {
            Ok(answer) => QueryFuture {
                now: Some(answer),
                later: None,
            },
            Err(later) => QueryFuture {
                now: None,
                later: Some(later),
            },
        }
    }
}

/// The answer is moved out, and the future is boxed.
impl<A> Unpin for QueryFuture<'_, A> {}

impl<A> Future for QueryFuture<'_, A> {
    type Output = Result<A, QueryError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        if let Some(answer) = self.now.take() {
            return Poll::Ready(Ok(answer));
        }
        match &mut self.later {
            Some(later) => later.as_mut().poll(context),
            // The future was polled again after it was ready.
            None => Poll::Pending,
        }
    }
}
