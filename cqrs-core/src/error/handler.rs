use std::fmt;

use super::{is_of_newer_version, report};

/// The error of a handler that failed, as opposed to a rejection by the domain: any error,
/// converted by `?`. Keeps its causes, which `{:?}` prints line by line.
pub struct Error(Box<dyn std::error::Error + Send + Sync>);

/// A result whose error type defaults to [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Creates an error from a text, or from the text of any other value.
    pub fn message(message: impl fmt::Display) -> Self {
        Self(message.to_string().into())
    }

    /// Creates an error from a value that can be boxed as one, such as a
    /// `Box<dyn std::error::Error + Send + Sync>`, and keeps its causes.
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }

    /// Creates the error of a function that panicked.
    pub(crate) fn panicked(message: String) -> Self {
        Self::message(format_args!("it panicked: {message}"))
    }

    /// Whether it, or one of its causes, is that an event has a newer version than this program knows.
    pub(crate) fn is_of_newer_version(&self) -> bool {
        is_of_newer_version(&*self.0)
    }

    /// The error, if it is an `E`.
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl From<Error> for Box<dyn std::error::Error + Send + Sync> {
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
