use std::any::Any;
use std::borrow::Cow;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::Failure;
use crate::store::BoxFuture;

/// A handler's future whose panic becomes an error. What the handler owned is dropped with it, and
/// what it borrowed is not changed by handlers, so no broken state can be seen.
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

/// Runs a function that is not a handler; its panic becomes an error with the function's name.
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

/// The name of a method, as errors have it: `Product::apply`.
pub(crate) fn method(type_name: &str, method: &str) -> String {
    format!("{}::{method}", short(type_name))
}

/// A type's name without the path to it.
fn short(type_name: &str) -> &str {
    let path = type_name.split('<').next().unwrap_or(type_name);
    let start = path.rfind("::").map_or(0, |colons| colons + 2);
    type_name.get(start..).unwrap_or(type_name)
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("(no message)").to_owned()
}
