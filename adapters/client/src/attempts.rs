use std::error::Error as _;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{RequestBuilder, Response};
use tokio::time::{Instant, sleep, timeout};

use crate::client::Client;
use crate::error::ClientError;
use crate::problem::Problem;

/// Pause after the first attempt. After each further one it is twice as long, up to the maximum.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(50);
pub(crate) const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Time for an answer to a single attempt, unless the patience is shorter. A server that hangs is asked again after it.
const ATTEMPT_TIME: Duration = Duration::from_secs(35);

/// Maximum size of a problem, in bytes.
const MAX_PROBLEM: usize = 64 * 1024;

/// Why an attempt failed, if another one may not.
enum Failed {
    Told {
        problem: Problem,
        again: Option<Duration>,
    },
    Unanswered(String),
}

/// Sends a request until there is an answer, or one that another attempt would not change, or the patience is over.
pub(crate) async fn send<E>(
    client: &Client,
    request: impl Fn() -> RequestBuilder,
) -> Result<Response, ClientError<E>> {
    let began = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let left = client.longest().saturating_sub(began.elapsed());
        let limit = if client.longest().is_zero() {
            ATTEMPT_TIME
        } else {
            left.clamp(FIRST_PAUSE, ATTEMPT_TIME)
        };
        let failed = match timeout(limit, attempt(request())).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(failed)) => failed,
            Err(_) => Failed::Unanswered(format!("no answer within {:.1} s", limit.as_secs_f64())),
        };
        let again = match &failed {
            Failed::Told { problem, .. } if !problem.may_pass() => None,
            Failed::Told { again, .. } => Some(again.unwrap_or_default()),
            Failed::Unanswered(_) => Some(Duration::ZERO),
        };
        // Not all clients at once.
        let jitter = pause.mul_f64(fastrand::f64() / 2.0);
        let next = again.map(|again| again.max(pause) + jitter);
        match next.filter(|next| began.elapsed() + *next < client.longest()) {
            Some(next) => sleep(next).await,
            None => return Err(failed.into_error(client, began.elapsed())),
        }
        pause = MAX_PAUSE.min(pause * 2);
    }
}

async fn attempt(request: RequestBuilder) -> Result<Response, Failed> {
    let unanswered = |error: reqwest::Error| {
        let source = error.source().map(ToString::to_string);
        Failed::Unanswered(source.unwrap_or_else(|| error.without_url().to_string()))
    };
    let mut response = request.send().await.map_err(unanswered)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let again = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|seconds| seconds.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unanswered)? {
        if body.len() + chunk.len() > MAX_PROBLEM {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    let problem = Problem::read(status.as_u16(), &body);
    Err(Failed::Told { problem, again })
}

impl Failed {
    fn into_error<E>(self, client: &Client, waited: Duration) -> ClientError<E> {
        match self {
            Self::Told { problem, .. } => ClientError::Refused(problem),
            Self::Unanswered(reason) => ClientError::Unanswered {
                server: client.server(),
                seconds: waited.as_secs_f64(),
                reason,
            },
        }
    }
}

/// Reads the body of an answer.
pub(crate) async fn read<A: serde::de::DeserializeOwned, E>(
    client: &Client,
    response: Response,
) -> Result<A, ClientError<E>> {
    let unreadable = |reason: String| ClientError::Unreadable {
        server: client.server(),
        reason,
    };
    let read = response.bytes().await;
    let body = read.map_err(|error| unreadable(error.without_url().to_string()))?;
    serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))
}
