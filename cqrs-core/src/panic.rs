use std::any::Any;
use std::borrow::Cow;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::Failure;
use crate::store::BoxFuture;

/// A handler's future that turns a panic into an error. Values the handler owned are dropped with
/// it, and handlers do not change the values they borrow, so no broken state is observable.
pub(crate) struct Guarded<'a, T>(pub(crate) BoxFuture<'a, T>);

impl<T> Future for Guarded<'_, T> {
    type Output = Result<T, String>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic_message(&*panic))),
        }
    }
}

/// Runs a function that is not a handler, and turns a panic into an error that names the function.
#[inline]
pub(crate) fn guarded<T, N: Into<Cow<'static, str>>>(
    function: impl FnOnce() -> N,
    run: impl FnOnce() -> T,
) -> Result<T, Failure> {
    let outcome = catch_unwind(AssertUnwindSafe(run));
    outcome.map_err(|panic| Failure::FunctionPanicked {
        function: function().into(),
        event: None,
        message: panic_message(&*panic),
    })
}

/// Name of a method in errors: `Product::apply`.
pub(crate) fn method(type_name: &str, method: &str) -> String {
    format!("{}::{method}", short(type_name))
}

/// A type's name without its path.
pub(crate) fn short(type_name: &str) -> &str {
    let path = type_name.split('<').next().unwrap_or(type_name);
    let start = path.rfind("::").map_or(0, |colons| colons + 2);
    type_name.get(start..).unwrap_or(type_name)
}

/// Message of a panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
        .to_owned()
}
