use std::fmt;

use super::report;

/// The error of a handler that failed, as opposed to a rejection by the domain: any error, converted by
/// `?`. Keeps its causes, which `{:?}` prints line by line.
pub struct Error(Box<dyn std::error::Error + Send + Sync>);

/// A result whose error type defaults to [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error that is only a message: a text, or the text of what has no other way to become an
    /// error, as a `Box<dyn std::error::Error>`.
    pub fn message(message: impl fmt::Display) -> Self {
        Self(message.to_string().into())
    }

    /// Of anything that can be boxed as an error: a `Box<dyn std::error::Error + Send + Sync>`,
    /// whose causes it keeps.
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }

    /// Of a function that panicked.
    pub(crate) fn panicked(message: String) -> Self {
        Self::message(format_args!("it panicked: {message}"))
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
