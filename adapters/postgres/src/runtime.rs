//! The Tokio runtime of whoever calls the store.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use crate::fault::{Fault, Kind};

/// The caller's runtime has no timers or no I/O, or there is none. With the words of Tokio.
#[derive(Debug, thiserror::Error)]
#[error("each call of the PostgreSQL store needs a Tokio runtime with I/O and timers ({0})")]
pub(crate) struct UnusableRuntime(pub(crate) String);

impl UnusableRuntime {
    fn of(panic: &(dyn Any + Send)) -> Self {
        let formatted = panic.downcast_ref::<String>().map(String::as_str);
        let text = formatted.or_else(|| panic.downcast_ref::<&str>().copied());
        Self(text.unwrap_or("no message").to_owned())
    }
}

impl From<UnusableRuntime> for Fault {
    fn from(unusable: UnusableRuntime) -> Self {
        Self::new(Kind::Refused, unusable.to_string())
    }
}

/// Does the first work of a call that needs the runtime. Tokio does not tell beforehand what a runtime lacks, and
/// panics about it.
pub(crate) async fn require_runtime<T>(
    mut work: Pin<&mut impl Future<Output = T>>,
) -> Result<T, UnusableRuntime> {
    poll_fn(
        |context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(UnusableRuntime::of(&*panic))),
        },
    )
    .await
}
