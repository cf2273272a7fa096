use std::any::type_name;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep_until, timeout};

use super::inner::{Inner, QuerySlot};
use super::query::QueryOptions;
use super::query_sources::QuerySources;
use super::wanted::Wanted;
use super::{After, Dispatcher};
use crate::auth::Actor;
use crate::error::{Failure, NotCaughtUp, QueryError, QueryErrorKind, Rebuilding};
use crate::handler::{QueryResult, QueryScope};
use crate::message::Query;
use crate::panic::{guarded, method};
use crate::store::{BoxFuture, EventLog, EventLogExt, Position};
use crate::subscription::{Backoff, Progress, unless};
use crate::trace;

/// Interval between two reads of the head for events of other processes, which send no notification.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// A query that is asked again whenever the read models of its handler have changed. Created by
/// [`Dispatcher::watch`] and [`Dispatcher::watch_json`].
///
/// The query is asked in [`next`](Self::next), so a slow reader gets the newest answer, and nothing runs
/// while nobody waits. A watch keeps the dispatcher running, until
/// [`shutdown`](Dispatcher::shutdown).
///
/// ```
/// use cqrs_core::prelude::*;
/// # cqrs_core::module!();
/// #
/// # #[derive(Command, Clone, Serialize, Deserialize)]
/// # struct Deposit {
/// #     cents: u64,
/// # }
/// #
/// # #[derive(Event, Serialize, Deserialize)]
/// # #[event(name = "deposited", version = 1)]
/// # struct Deposited {
/// #     cents: u64,
/// # }
/// #
/// # #[command_handler]
/// # fn deposit(Deposit { cents }: Deposit) -> Deposited {
/// #     Deposited { cents }
/// # }
/// #
/// # #[derive(ReadModel, Clone, Serialize, Deserialize)]
/// # struct Sum {
/// #     #[key]
/// #     of: String,
/// #     cents: u64,
/// # }
/// #
/// # struct Sums;
/// #
/// # #[projection(name = "sums", version = 1)]
/// # impl Sums {
/// #     #[on]
/// #     fn deposited(event: &Deposited, sums: &mut Views<Sum>) -> Result<()> {
/// #         let cents = event.cents;
/// #         let first = || Sum { of: "all".into(), cents };
/// #         sums.upsert(&"all".to_owned(), first, |sum| sum.cents += cents)
/// #     }
/// # }
/// #
/// # #[derive(Query, Clone, Serialize, Deserialize)]
/// # #[query(returns = u64)]
/// # struct Total;
/// #
/// # #[query_handler]
/// # async fn total(_: Total, sums: Read<Sum>) -> Result<u64> {
/// #     Ok(sums.get(&"all".to_owned()).await?.map_or(0, |sum| sum.cents))
/// # }
///
/// # #[tokio::main]
/// # async fn main() -> Result<()> {
/// # let app = Dispatcher::builder().module(module()).store(Memory::new());
/// # let app = app.build().await?;
/// let mut totals = app.watch(Total);
/// app.execute(Deposit { cents: 5 }).await?;
/// let mut known = Position::START;
/// while let Some(answer) = totals.next().await {
///     let answer = answer?;
///     known = answer.position;
///     if answer.output == 5 {
///         break;
///     }
/// }
/// // Later, after the reader has lost its connection.
/// let mut totals = app.watch(Total).after_position(known);
/// # let answer = totals.next().await.expect("the dispatcher runs")?;
/// # assert!(answer.output == 5 && answer.position >= known);
/// # Ok(())
/// # }
/// ```
#[must_use = "a watched query is asked in `next`"]
pub struct Watch<A> {
    dispatcher: Dispatcher,
    query: Box<dyn WatchedQuery<A>>,
    /// The wanted position grows with each answer that was returned: none is older than the one before it.
    options: QueryOptions,
    /// The sources as of the last run, unless that failed.
    seen: Option<WatchedSources>,
    /// The JSON of the answer that was returned last, unless an error was returned since.
    returned: Option<Vec<u8>>,
    failures: Backoff,
    retry_at: Option<Instant>,
    is_over: bool,
}

/// An answer of a watched query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<A> {
    /// Everything up to this position is in the answer, and perhaps more. With several projections, it is
    /// the position of the one that is behind the others. A watch resumes from it with
    /// [`Watch::after_position`].
    pub position: Position,
    /// The answer of the handler.
    pub output: A,
}

/// A query that can be asked any number of times.
trait WatchedQuery<A>: Send + Sync {
    /// The handler of the query.
    fn slot<'i>(&self, inner: &'i Inner) -> QueryResult<&'i QuerySlot>;

    /// Runs the handler. Returns the answer with its JSON.
    fn ask<'a>(
        &'a self,
        inner: &'a Inner,
        slot: &'a QuerySlot,
        scope: QueryScope<'a>,
    ) -> BoxFuture<'a, QueryResult<(A, Vec<u8>)>>;
}

struct TypedQuestion<Q>(Q);

struct NamedQuestion {
    name: String,
    json: Vec<u8>,
}

/// The state of everything that a query reads, as far as this process knows.
struct WatchedSources {
    sources: QuerySources,
    /// The moves of the checkpoint, for each of [`QuerySlot::reads`].
    moves: Vec<u64>,
    /// The head, if the query reads tables that are written with events.
    head: Option<Position>,
}

impl Dispatcher {
    /// Watches a query: the first answer comes at once, and another one whenever the read models of its
    /// handler have changed. No change is missed in between. See [`Watch`] for the options.
    pub fn watch<Q: Query + Clone>(&self, query: Q) -> Watch<Q::Output> {
        Watch::new(self, TypedQuestion(query))
    }

    /// Watches the query with this wire name and JSON body; the answers are JSON. See
    /// [`watch`](Self::watch).
    pub fn watch_json(&self, name: &str, json: &[u8]) -> Watch<Value> {
        let question = NamedQuestion {
            name: name.to_owned(),
            json: json.to_vec(),
        };
        Watch::new(self, question)
    }
}

impl<A> Watch<A> {
    fn new(dispatcher: &Dispatcher, query: impl WatchedQuery<A> + 'static) -> Self {
        Self {
            dispatcher: dispatcher.clone(),
            query: Box::new(query),
            options: QueryOptions::default(),
            seen: None,
            returned: None,
            failures: Backoff::default(),
            retry_at: None,
            is_over: false,
        }
    }

    /// Waits with the first answer until the query's read models include the events of a command, which is
    /// given by its [`Receipt`](super::Receipt) or by a [`Bookmark`](super::Bookmark). One of another log
    /// fails the query as invalid.
    pub fn after(mut self, command: impl After) -> Self {
        let bookmark = command.bookmark();
        if self.dispatcher.is_of_log(bookmark) {
            self.options.wanted.add(bookmark);
            return self;
        }
        self.options.foreign = Some(bookmark);
        self
    }

    /// Waits with the first answer until the query's read models include every event up to this position,
    /// such as that of an [`Answer`] of an earlier watch.
    pub fn after_position(mut self, position: Position) -> Self {
        self.options.wanted.add_all_up_to(position);
        self
    }

    /// Waits with the first answer for what a session has written.
    pub(super) fn after_wanted(mut self, wanted: &Wanted) -> Self {
        self.options.wanted.add_wanted(wanted);
        self
    }

    /// Sets the maximum time that a run of the query waits for read models. Defaults to
    /// [`Builder::max_wait`](super::Builder::max_wait).
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.options.max_wait = Some(wait);
        self
    }

    /// Sets the actor that asks the query. Defaults to none. The authorizer is asked before each run.
    pub fn actor(mut self, actor: Actor) -> Self {
        self.options.actor = Some(actor);
        self
    }

    /// Waits for the next answer: the first one, or one whose JSON differs from the one before it. If the
    /// query's read models have changed several times since, this is the newest answer. Positions never
    /// decrease.
    ///
    /// An error is that of one run of the query. The next call asks it again, after a pause that grows with
    /// each failure up to 10 seconds, and returns the answer even if it is the one before the error. After
    /// an error that would stay the same, and after [`Failure::ShutDown`], the watch is over, and each call
    /// returns `None`.
    ///
    /// Dropping the future loses nothing, so it can be used in `select!`.
    pub async fn next(&mut self) -> Option<Result<Answer<A>, QueryError>> {
        if self.is_over {
            return None;
        }
        let inner = self.dispatcher.inner.clone();
        let refused = inner.lifecycle.refused(self.dispatcher.caller());
        let answered = unless(refused, self.find(&inner)).await;
        let answer = answered.unwrap_or_else(|| {
            let refused = inner.lifecycle.check_query(self.dispatcher.caller());
            Err(refused.err().unwrap_or(Failure::ShutDown).into())
        });
        if let Err(error) = &answer {
            self.failed(error);
        }
        Some(answer)
    }

    /// Asks until there is a new answer.
    async fn find(&mut self, inner: &Inner) -> QueryResult<Answer<A>> {
        if let Some(time) = self.retry_at {
            sleep_until(time).await;
        }
        let slot = self.query.slot(inner)?;
        loop {
            if let Some(seen) = &self.seen
                && let Err(ended) = inner.changed(seen).await
            {
                self.is_over = true;
                return Err(ended.into());
            }
            // Before the run: it may or may not see what changes from now on, which is found by then.
            // None, if nothing answers yet: the run waits for that, and is repeated after it.
            let sources = inner.watched_sources(slot).ok();
            let asked = inner.ask_watched(&*self.query, slot, &self.options);
            let span = trace::query(slot.entry.message);
            let outcome = trace::within!(span.clone(), asked);
            trace::answers(&span, &outcome);
            let (answer, json) = outcome?;
            self.seen = sources;
            self.failures = Backoff::default();
            self.retry_at = None;
            if self.returned.as_ref() != Some(&json) {
                self.returned = Some(json);
                self.options.wanted = Wanted::default();
                self.options.wanted.add_all_up_to(answer.position);
                return Ok(answer);
            }
        }
    }

    fn failed(&mut self, error: &QueryError) {
        self.seen = None;
        self.returned = None;
        self.failures.failed();
        self.retry_at = Some(Instant::now() + self.failures.pause());
        self.is_over |= match error.kind() {
            QueryErrorKind::Invalid(_) | QueryErrorKind::Unknown(_) => true,
            QueryErrorKind::Failed(failure) => matches!(
                failure,
                Failure::NoHandler { .. }
                    | Failure::NotInRole { .. }
                    | Failure::NotWatchable { .. }
                    | Failure::ShutDown
            ),
            QueryErrorKind::Denied(_)
            | QueryErrorKind::NotCaughtUp(_)
            | QueryErrorKind::Parked(_)
            | QueryErrorKind::Rebuilding(_) => false,
        };
    }
}

impl Inner {
    fn watched_sources(&self, slot: &QuerySlot) -> Result<WatchedSources, Rebuilding> {
        let sources = self.sources(slot)?;
        Ok(WatchedSources {
            moves: sources.progress.iter().map(Progress::moves).collect(),
            head: slot.reads_beside_log.then(|| self.log.heads().position()),
            sources,
        })
    }

    /// Waits until a source has changed.
    ///
    /// # Errors
    /// If a projection has ended, so that its views do not change.
    async fn changed(&self, seen: &WatchedSources) -> Result<(), NotCaughtUp> {
        let progress = &seen.sources.progress;
        // That of another version ends, and a query then has other sources.
        let own = progress.iter().filter(|_| !seen.sources.may_change());
        if let Some(ended) = own.into_iter().find(|it| it.has_ended()) {
            let wanted = ended.position().plus(1);
            return Err(ended.behind(&ended.shards(), wanted, Duration::ZERO));
        }
        let mut changes: Vec<BoxFuture<'_, ()>> = Vec::with_capacity(progress.len() + 2);
        for (progress, moves) in progress.iter().zip(&seen.moves) {
            changes.push(Box::pin(progress.moved_since(*moves)));
        }
        if seen.sources.may_change() {
            changes.push(Box::pin(seen.sources.changed()));
        }
        if let Some(head) = seen.head {
            changes.push(Box::pin(moved(&self.log, head)));
        }
        poll_fn(|context| {
            let is_any_ready = changes
                .iter_mut()
                .any(|change| change.as_mut().poll(context).is_ready());
            if is_any_ready {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        Ok(())
    }

    /// Asks a query with permission, after a wait for its read models. Returns the answer with its JSON.
    async fn ask_watched<A>(
        &self,
        query: &dyn WatchedQuery<A>,
        slot: &QuerySlot,
        options: &QueryOptions,
    ) -> QueryResult<(Answer<A>, Vec<u8>)> {
        let entry = slot.entry;
        self.authorize_query(entry, options.actor.as_ref())??;
        options.check_log()?;
        let wanted = &options.wanted;
        // Before the wait for visibility, which is for everything that was committed by then.
        let head = match &*slot.reads {
            [] => Some(self.head_beside(slot, wanted.position()).await?),
            _ => None,
        };
        let wait = self.query_wait(options);
        let awaited = self.wait_for_sources(slot, wanted, &wait).await?;
        let position = head.or(awaited.position).unwrap_or_default();
        let context = self.query_context(slot, options.actor.clone())?;
        let scope = awaited.sources.scope(slot, context.as_ref());
        let answered = query.ask(self, slot, scope).await?;
        let (output, json) = awaited.confirm(answered)?;
        Ok((Answer { position, output }, json))
    }

    /// The head, for a query that reads nothing but tables that are written with events.
    async fn head_beside(&self, slot: &QuerySlot, wanted: Position) -> QueryResult<Position> {
        if !slot.reads_beside_log {
            return Err(QueryError::from(Failure::NotWatchable {
                query: slot.entry.message,
                handler: slot.entry.name,
            }));
        }
        let mut head = self.log.heads().position();
        // Another process may have recorded it.
        if head < wanted {
            head = self.log.head().await.map_err(Failure::from)?;
        }
        if head < wanted {
            let of = ("log", "events");
            let behind = NotCaughtUp::new(of, head, wanted, Duration::ZERO);
            return Err(QueryError::from(behind));
        }
        Ok(head)
    }
}

/// Waits until the log no longer ends here.
async fn moved(log: &Arc<dyn EventLog>, head: Position) {
    let mut heads = log.heads().watch();
    while heads.position() == head {
        if timeout(POLL_INTERVAL, heads.changed()).await.is_err() {
            // A failed read is repeated, and one that succeeds is seen by all who watch the head.
            let _ = log.head().await;
        }
    }
}

impl<Q: Query + Clone> WatchedQuery<Q::Output> for TypedQuestion<Q> {
    fn slot<'i>(&self, inner: &'i Inner) -> QueryResult<&'i QuerySlot> {
        Ok(inner.query::<Q>()?.1)
    }

    fn ask<'a>(
        &'a self,
        inner: &'a Inner,
        _: &'a QuerySlot,
        scope: QueryScope<'a>,
    ) -> BoxFuture<'a, QueryResult<(Q::Output, Vec<u8>)>> {
        Box::pin(async move {
            guarded(|| method(type_name::<Q>(), "validate"), || self.0.check())??;
            let query = guarded(|| method(type_name::<Q>(), "clone"), || self.0.clone())?;
            let (run, _) = inner.query::<Q>()?;
            let output = run.run(query, scope).await?;
            let json = to_json(&output, Q::NAME)?;
            Ok((output, json))
        })
    }
}

impl WatchedQuery<Value> for NamedQuestion {
    fn slot<'i>(&self, inner: &'i Inner) -> QueryResult<&'i QuerySlot> {
        Ok(inner.queries.named("query", &self.name)?)
    }

    fn ask<'a>(
        &'a self,
        inner: &'a Inner,
        slot: &'a QuerySlot,
        scope: QueryScope<'a>,
    ) -> BoxFuture<'a, QueryResult<(Value, Vec<u8>)>> {
        Box::pin(async move {
            let query = (slot.entry.parse)(&self.json, inner.limits.message)??;
            query.check()??;
            let output = query.answer(scope).await?;
            let json = to_json(&output, slot.entry.message)?;
            Ok((output, json))
        })
    }
}

/// The JSON of an answer, by which it is compared with the next one.
fn to_json<A: Serialize>(output: &A, query: &'static str) -> QueryResult<Vec<u8>> {
    let json = guarded(
        || method(type_name::<A>(), "serialize"),
        || serde_json::to_vec(output),
    )?;
    json.map_err(|error| Failure::handler(query, error.into()).into())
}
