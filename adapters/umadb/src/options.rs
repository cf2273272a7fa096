use std::fmt;
use std::time::Duration;

/// Connection options.
///
/// ```no_run
/// # async fn example() -> Result<(), cqrs_umadb::ConnectError> {
/// let log = cqrs_umadb::UmaDb::options()
///     .api_key("secret")
///     .connect("umadb://localhost:50051")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "nothing is connected until `connect` is awaited"]
pub struct Options {
    pub(crate) api_key: Option<String>,
    pub(crate) queue: usize,
    pub(crate) answer_timeout: Duration,
    pub(crate) retry_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            api_key: None,
            queue: 4096,
            answer_timeout: Duration::from_secs(10),
            retry_timeout: Duration::from_secs(10),
        }
    }
}

/// Without the API key.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every option is named here, so that a new one cannot be forgotten.
        let Self {
            api_key: _,
            queue,
            answer_timeout,
            retry_timeout,
        } = self;
        f.debug_struct("Options")
            .field("queue", queue)
            .field("answer_timeout", answer_timeout)
            .field("retry_timeout", retry_timeout)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// The key that the server was started with, `--api-key`. It is sent as it is, without TLS.
    /// Defaults to none.
    pub fn api_key(mut self, key: &str) -> Self {
        self.api_key = Some(key.to_owned());
        self
    }

    /// Maximum number of appends in progress; further ones are refused as overload. At least one.
    /// Defaults to 4,096.
    pub fn queue(mut self, appends: usize) -> Self {
        self.queue = appends.max(1);
        self
    }

    /// Maximum time that the server takes for an answer, or for the next part of a long one. After
    /// that the connection is abandoned. Defaults to 10 seconds.
    pub fn answer_timeout(mut self, timeout: Duration) -> Self {
        self.answer_timeout = timeout;
        self
    }

    /// Maximum time that a request is retried after the connection is lost. After that it fails as
    /// unavailable, or as indeterminate if it was an append that the server may have received.
    /// Defaults to 10 seconds.
    pub fn retry_timeout(mut self, timeout: Duration) -> Self {
        self.retry_timeout = timeout;
        self
    }
}
