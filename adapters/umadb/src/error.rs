/// Reasons that a connection failed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL cannot be read.
    #[error("the UmaDB URL cannot be read: write `umadb://host:50051` ({reason})")]
    Url {
        /// Description of the problem.
        reason: String,
    },
    /// The API key cannot be sent.
    #[error("the API key cannot be sent: use visible ASCII characters")]
    ApiKey,
    /// The server cannot be reached.
    #[error("cannot connect: check that the server runs and that the URL is right ({reason})")]
    Unreachable {
        /// Description of the failure.
        reason: String,
    },
    /// The server answered with an error.
    #[error("cannot connect: {reason}")]
    Refused {
        /// The server's answer, and the remedy.
        reason: String,
    },
}

cqrs_core::debug_as_report!(ConnectError);
