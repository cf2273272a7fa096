use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The error of a request. `E` is that of the command, and of a query, [`Infallible`](std::convert::Infallible).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError<E> {
    /// The domain rejects the command.
    #[error("{0}")]
    Rejected(Rejection<E>),
    /// The server refuses the request, or could not answer it as long as the patience was.
    #[error("{0}")]
    Refused(Problem),
    /// There was no answer. It is not known whether a command was carried out: the same command with the same id
    /// tells.
    #[error("{server} did not answer for {seconds:.1} s: {reason}")]
    Unanswered {
        /// The address.
        server: String,
        /// The time, in seconds.
        seconds: f64,
        /// The last error of the connection.
        reason: String,
    },
    /// The answer is not one of this command or query: the server runs another version, or is something else.
    #[error("the answer of {server} cannot be read: {reason}")]
    Unreadable {
        /// The address.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A rejection by the domain.
#[derive(Clone)]
pub struct Rejection<E> {
    problem: Problem,
    error: PhantomData<fn() -> E>,
}

impl<E> Rejection<E> {
    pub(crate) fn new(problem: Problem) -> Self {
        Self {
            problem,
            error: PhantomData,
        }
    }

    /// The name of the error's variant in lower case, such as `too-many`. `None` if the error is a text.
    pub fn variant(&self) -> Option<&str> {
        let (_, variant) = self.problem.rejected()?.split_once(':')?;
        Some(variant)
    }

    /// The problem that the server has told.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl<E: DeserializeOwned> Rejection<E> {
    /// The error of the command. `None` if the server's type does not implement `Serialize`, or has data that this program
    /// does not know.
    pub fn error(&self) -> Option<E> {
        let json = self.problem.rejection.as_ref()?;
        E::deserialize(json).ok()
    }
}

impl<E> fmt::Display for Rejection<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.detail)
    }
}

impl<E> fmt::Debug for Rejection<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}
