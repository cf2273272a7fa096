use std::borrow::Cow;

/// A rejection with a text, the error of commands without an error type of their own.
///
/// Callers can show the text, but cannot distinguish reasons. To allow that, give the command an
/// error type with `#[command(error = ..)]`.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Rejected(Cow<'static, str>);

crate::debug_as_report!(Rejected);

impl From<&'static str> for Rejected {
    fn from(text: &'static str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Rejected {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}
