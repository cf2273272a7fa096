use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::panic::{Guarded, panic_message};
use crate::store::BoxFuture;

/// The result of a sync function, or the future of an async one.
pub enum Reply<'a, T> {
    /// The function has returned.
    Now(T),
    /// The function is running.
    Later(BoxFuture<'a, T>),
}

impl<'a, T> Reply<'a, T> {
    /// Runs a sync function.
    #[inline]
    pub fn now(function: impl FnOnce() -> T) -> Self {
        Self::Now(function())
    }

    /// Boxes the future of an async function.
    pub fn later(future: impl Future<Output = T> + Send + 'a) -> Self {
        Self::Later(Box::pin(future))
    }

    /// Calls a function. A sync function runs to its end, an async one returns its future.
    ///
    /// # Errors
    /// The message of a panic. [`Guarded`] catches the panics of a future.
    #[inline]
    pub(crate) fn start(function: impl FnOnce() -> Self) -> Result<Self, String> {
        catch_unwind(AssertUnwindSafe(function)).map_err(|panic| panic_message(&*panic))
    }

    /// Runs a function to its end.
    ///
    /// # Errors
    /// The message of a panic.
    pub(crate) async fn guarded(function: impl FnOnce() -> Self) -> Result<T, String> {
        match Self::start(function)? {
            Self::Now(result) => Ok(result),
            Self::Later(future) => Guarded(future).await,
        }
    }
}
