/// Why there is no connection.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL cannot be read.
    #[error("the UmaDB URL cannot be read: write `umadb://host:50051` ({reason})")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// The API key cannot be sent.
    #[error("the API key cannot be sent: use visible ASCII characters")]
    ApiKey,
    /// The server cannot be reached.
    #[error("cannot connect: check that the server runs and that the URL is right ({reason})")]
    Unreachable {
        /// What happened.
        reason: String,
    },
    /// The server answered with an error.
    #[error("cannot connect: {reason}")]
    Refused {
        /// What it answered, and what to do about it.
        reason: String,
    },
}

cqrs_core::debug_as_report!(ConnectError);
