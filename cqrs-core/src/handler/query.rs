use std::any::Any;
use std::future::{Future, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::failure::IntoHandlerError;
use super::input::Input;
use super::reader::ReaderStore;
use super::service::{self, ErasedService, Shareable};
use super::{Context, Service};
use crate::error::{Error, Failure, Invalid, QueryError, Result};
use crate::message::{Query, RowLimits, RowRule};
use crate::panic::panic_message;
use crate::source::Source;
use crate::store::{BoxFuture, ModelSchema, ViewStore};
use crate::views::{Read, ReadModel};

/// A query handler. `#[query_handler]` implements it.
pub trait QueryHandler: Sized + 'static {
    /// The query.
    type Query: Query;
    /// The function's name.
    const NAME: &'static str;
    /// The place of the function in the source.
    const SOURCE: Source;
    /// Whether the function is `async`.
    const IS_ASYNC: bool;

    /// The function's inputs, without the query.
    fn inputs() -> Vec<Input>;

    /// Calls the function. The answer is ready, unless the function is `async`.
    fn handle(query: Self::Query, scope: QueryScope<'_>) -> QueryReply<'_, Self>;
}

/// A query handler as a function pointer that catches panics. Sync and async handlers have separate
/// pointers, so that a small answer is returned in registers: with one type of pointer for both,
/// handing the answer over takes longer than the rest of the call (decision 0018).
pub enum QueryFn<Q: Query> {
    /// A sync handler that needs no context.
    Now(for<'a> fn(Q, QueryScope<'a>) -> QueryResult<<Q as Query>::Output>),
    /// Any other handler.
    Later(for<'a> fn(Q, QueryScope<'a>) -> BoxFuture<'a, QueryResult<<Q as Query>::Output>>),
}

/// The result of a query, as its caller gets it.
pub(crate) type QueryResult<T> = Result<T, QueryError>;

type Output<H> = <<H as QueryHandler>::Query as Query>::Output;

impl<Q: Query> QueryFn<Q> {
    /// The pointer of `H`.
    pub(crate) fn of<H: QueryHandler<Query = Q>>() -> Self {
        if H::IS_ASYNC {
            Self::Later(start::<H>)
        } else if H::inputs().iter().any(Input::is_context) {
            Self::Later(|query, scope| Box::pin(run::<H>(query, scope)))
        } else {
            Self::Now(answer::<H>)
        }
    }

    /// Runs the handler to its end.
    pub(crate) async fn run(self, query: Q, scope: QueryScope<'_>) -> QueryResult<Q::Output> {
        match self {
            Self::Now(run) => run(query, scope),
            Self::Later(run) => run(query, scope).await,
        }
    }
}

/// Runs the handler `H` to its end.
pub(crate) async fn run<H: QueryHandler>(
    query: H::Query,
    scope: QueryScope<'_>,
) -> QueryResult<Output<H>> {
    if H::IS_ASYNC {
        start::<H>(query, scope).await
    } else {
        answer::<H>(query, scope)
    }
}

// A derive would ask for `Q: Copy`.
#[allow(clippy::expl_impl_clone_on_copy)]
impl<Q: Query> Clone for QueryFn<Q> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Q: Query> Copy for QueryFn<Q> {}

/// Runs the sync handler `H`.
fn answer<H: QueryHandler>(query: H::Query, scope: QueryScope<'_>) -> QueryResult<Output<H>> {
    let answer = catch_unwind(AssertUnwindSafe(|| match H::handle(query, scope) {
        QueryReply::Now(answer) => answer,
        QueryReply::Later(_) => Err(Error::message("it is async, and `IS_ASYNC` is false")),
    }));
    match answer {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(failed::<H>(error)),
        Err(panic) => Err(panicked::<H>(&*panic)),
    }
}

/// Starts the async handler `H`.
fn start<H: QueryHandler>(
    query: H::Query,
    scope: QueryScope<'_>,
) -> BoxFuture<'_, QueryResult<Output<H>>> {
    match H::handle(query, scope) {
        QueryReply::Later(future) => future,
        QueryReply::Now(answer) => Box::pin(ready(answer.map_err(failed::<H>))),
    }
}

#[cold]
fn failed<H: QueryHandler>(error: Error) -> QueryError {
    match error.downcast_ref::<Invalid>() {
        Some(invalid) => invalid.clone().into(),
        None => Failure::handler(H::NAME, error).into(),
    }
}

#[cold]
fn panicked<H: QueryHandler>(panic: &(dyn Any + Send)) -> QueryError {
    Failure::Panicked {
        handler: H::NAME,
        message: panic_message(panic),
    }
    .into()
}

/// The answer of a sync handler, or the future of an async one.
pub enum QueryReply<'a, H: QueryHandler> {
    /// The handler has answered.
    Now(Result<Output<H>>),
    /// The handler is running; its panic is an error of the call.
    Later(BoxFuture<'a, QueryResult<Output<H>>>),
}

impl<'a, H: QueryHandler> QueryReply<'a, H> {
    /// Runs a sync handler.
    #[inline]
    pub fn now(answer: impl FnOnce() -> Result<Output<H>>) -> Self {
        Self::Now(answer())
    }

    /// Boxes the future of an async handler, once with everything that its outcome needs.
    pub fn later(answer: impl Future<Output = Result<Output<H>>> + Send + 'a) -> Self {
        Self::Later(Box::pin(async move {
            let mut answer = pin!(answer);
            let outcome = poll_fn(|context| {
                let poll = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context)));
                poll.map_or_else(|panic| Poll::Ready(Err(panic)), |poll| poll.map(Ok))
            });
            match outcome.await {
                Ok(answer) => answer.map_err(failed::<H>),
                Err(panic) => Err(panicked::<H>(&*panic)),
            }
        }))
    }
}

/// A read model and the store of its views.
pub(crate) type ModelInput = (Arc<dyn ViewStore>, Arc<ModelSchema>);

/// The inputs of one query handler in a dispatcher.
#[derive(Clone)]
pub(crate) struct QueryInputs {
    /// By the place of the input.
    pub(crate) services: Box<[Option<ErasedService>]>,
    /// The read models and their stores, by the place of the input.
    pub(crate) models: Box<[Option<ModelInput>]>,
    /// By the place of the input.
    pub(crate) readers: Box<[Option<ReaderStore>]>,
    /// What an actor may see, by the place of the input. Empty, if it does not depend on the actor.
    pub(crate) rows: Box<[Option<RowRule>]>,
}

/// The source of a query handler's inputs.
#[derive(Clone, Copy)]
pub struct QueryScope<'a> {
    pub(crate) inputs: &'a QueryInputs,
    /// Set only if the handler takes it: reading the clock costs more than answering from memory.
    pub(crate) context: Option<&'a Context>,
}

/// An input of a query handler, besides its query.
#[diagnostic::on_unimplemented(
    message = "a query handler cannot take `{Self}`",
    label = "not one of the inputs of a query handler",
    note = "a query handler takes its query, then any of: `Read<V>` (a read model), `Service<T>` or \
            `Service<dyn Trait>` (a service, given to the builder with `.provide(..)`), `&Context`, \
            `ReadTx<..>` (SQL on the store's database), `Reader<..>` (a view store's own reader)",
    note = "a query changes nothing: `&mut Views<V>` is for projections, `&State` for command \
            handlers"
)]
pub trait QueryInput<'a>: Sized {
    /// Describes it to the wiring.
    fn describe() -> Input;

    /// Takes it.
    ///
    /// # Errors
    /// Never, once `build` has checked the wiring.
    fn take(scope: QueryScope<'a>, place: usize) -> Result<Self>;
}

impl<'a, T: ?Sized + Shareable> QueryInput<'a> for Service<T> {
    fn describe() -> Input {
        Input::service::<T>()
    }

    fn take(scope: QueryScope<'a>, place: usize) -> Result<Self> {
        service::take(&scope.inputs.services, place)
    }
}

impl<'a, V: ReadModel> QueryInput<'a> for Read<V> {
    fn describe() -> Input {
        Input::views::<V>()
    }

    fn take(scope: QueryScope<'a>, place: usize) -> Result<Self> {
        let model = scope.inputs.models.get(place).and_then(Option::as_ref);
        let (store, model) =
            model.ok_or_else(|| Error::message(format!("`{}` is not wired", V::NAME)))?;
        let read = Read::new(store.clone(), model.clone());
        let Some(rule) = scope.inputs.rows.get(place).and_then(Option::as_ref) else {
            return Ok(read);
        };
        // Without an actor, the call was refused.
        let actor = scope.context.and_then(|context| context.actor.as_ref());
        let limits = actor.map_or(RowLimits::None, |actor| (rule.limits)(actor));
        Ok(read.limited_to(limits))
    }
}

#[diagnostic::do_not_recommend]
impl<'a> QueryInput<'a> for &'a Context {
    fn describe() -> Input {
        Input::context()
    }

    fn take(scope: QueryScope<'a>, _: usize) -> Result<Self> {
        scope
            .context
            .ok_or_else(|| Error::message("the context was not made"))
    }
}

/// The return type of a handler whose query returns `A`: `A`, bare or in a `Result`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the answer of this query",
    label = "the query returns `{A}`",
    note = "return `{A}` or `Result<{A}>`, or change the query's `#[query(returns = ..)]`"
)]
pub trait IntoAnswer<A> {
    /// The answer.
    ///
    /// # Errors
    /// The handler's.
    fn into_answer(self) -> Result<A>;
}

#[diagnostic::do_not_recommend]
impl<A> IntoAnswer<A> for A {
    #[inline]
    fn into_answer(self) -> Result<A> {
        Ok(self)
    }
}

impl<A, E: IntoHandlerError> IntoAnswer<A> for Result<A, E> {
    #[inline]
    fn into_answer(self) -> Result<A> {
        self.map_err(IntoHandlerError::into_error)
    }
}
