use std::fmt;

use super::report;

/// An error of any kind, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What a handler returns when something other than the domain says no: any error, converted by
/// `?`. Keeps its causes, which `{:?}` prints line by line.
pub struct Error(BoxError);

/// A result whose error, unless said otherwise, is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error that is only a message.
    pub fn message(message: impl Into<String>) -> Self {
        Self(message.into().into())
    }

    /// The error as an `E`, if it is one.
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl From<Error> for BoxError {
    fn from(error: Error) -> Self {
        error.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        report(&*self.0, f)
    }
}
