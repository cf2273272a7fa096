use std::future::Future;

use super::failure::Failing;
use super::input::{Input, Source};
use super::resource::{self, Shared};
use super::{Context, Res};
use crate::dispatcher::{Inner, QuerySlot};
use crate::error::{Error, Result};
use crate::message::Query;
use crate::store::BoxFuture;
use crate::views::{Read, ReadModel};

/// A query handler. `#[query_handler]` implements it.
pub trait HandlesQuery: 'static {
    /// The query.
    type Query: Query;
    /// The function's name.
    const NAME: &'static str;
    /// Where it is.
    const SOURCE: Source;

    /// What it takes besides the query.
    fn inputs() -> Vec<Input>;

    /// Answers.
    fn handle(
        query: Self::Query,
        scope: QueryScope<'_>,
    ) -> Answer<'_, <Self::Query as Query>::Output>;
}

/// A query handler as a pointer. The answer is written in place: handing it up by value, through
/// `catch_unwind`, copies it so soon after it was written that the copy costs more than the rest of
/// the call.
pub type QueryFn<Q> = for<'a> fn(Q, QueryScope<'a>, &mut Option<Answer<'a, <Q as Query>::Output>>);

/// Runs `H`; see [`QueryFn`].
pub(crate) fn answer<'a, H: HandlesQuery>(
    query: H::Query,
    scope: QueryScope<'a>,
    answer: &mut Option<Answer<'a, <H::Query as Query>::Output>>,
) {
    *answer = Some(H::handle(query, scope));
}

/// The answer of a sync handler, or the future of an async one.
pub enum Answer<'a, T> {
    /// Answered.
    Now(Result<T>),
    /// Being answered.
    Later(BoxFuture<'a, Result<T>>),
}

impl<'a, T> Answer<'a, T> {
    /// Runs a sync handler.
    #[inline]
    pub fn now(answer: impl FnOnce() -> Result<T>) -> Self {
        Self::Now(answer())
    }

    /// Boxes an async handler.
    pub fn later(answer: impl Future<Output = Result<T>> + Send + 'a) -> Self {
        Self::Later(Box::pin(answer))
    }
}

/// What a query handler's inputs are taken from.
pub struct QueryScope<'a> {
    pub(crate) inner: &'a Inner,
    pub(crate) slot: &'a QuerySlot,
    /// There if the handler takes it: reading the clock costs more than answering from memory.
    pub(crate) context: Option<Box<Context>>,
}

/// What a query handler may take besides its query.
#[diagnostic::on_unimplemented(
    message = "a query handler cannot take `{Self}`",
    label = "not one of the inputs of a query handler",
    note = "a query handler takes its query, then any of: `Read<V>` (a read model), `Res<T>` or \
            `Res<dyn Trait>` (a service, given to the builder with `.provide(..)`), `&Context`",
    note = "a query changes nothing: `&mut Views<V>` is for projections, `&State` for command \
            handlers"
)]
pub trait QueryInput<'a>: Sized {
    /// What it is.
    fn describe() -> Input;

    /// Takes it.
    ///
    /// # Errors
    /// Never, once `build` has checked the wiring.
    fn take(scope: &'a QueryScope<'_>, place: usize) -> Result<Self>;
}

impl<'a, T: ?Sized + Shared> QueryInput<'a> for Res<T> {
    fn describe() -> Input {
        Input::resource::<T>()
    }

    fn take(scope: &'a QueryScope<'_>, place: usize) -> Result<Self> {
        resource::take(&scope.slot.services, place)
    }
}

impl<'a, V: ReadModel> QueryInput<'a> for Read<V> {
    fn describe() -> Input {
        Input::views::<V>()
    }

    fn take(scope: &'a QueryScope<'_>, place: usize) -> Result<Self> {
        let model = scope.slot.models.get(place).and_then(Option::as_ref);
        let model = model.ok_or_else(|| Error::message(format!("`{}` is not wired", V::NAME)))?;
        Ok(Read::new(scope.inner.store.clone(), model.clone()))
    }
}

#[diagnostic::do_not_recommend]
impl<'a> QueryInput<'a> for &'a Context {
    fn describe() -> Input {
        Input::context()
    }

    fn take(scope: &'a QueryScope<'_>, _: usize) -> Result<Self> {
        let context = scope.context.as_deref();
        context.ok_or_else(|| Error::message("the context was not made"))
    }
}

/// What a handler of a query that returns `A` may return: that, bare or in a `Result`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the answer of this query",
    label = "the query returns `{A}`",
    note = "return `{A}` or `Result<{A}>`, or change the query's `#[query(returns = ..)]`"
)]
pub trait AnswerFrom<A> {
    /// The answer.
    ///
    /// # Errors
    /// The handler's.
    fn answer(self) -> Result<A>;
}

#[diagnostic::do_not_recommend]
impl<A> AnswerFrom<A> for A {
    #[inline]
    fn answer(self) -> Result<A> {
        Ok(self)
    }
}

impl<A, E: Failing> AnswerFrom<A> for Result<A, E> {
    #[inline]
    fn answer(self) -> Result<A> {
        self.map_err(Failing::into_error)
    }
}
