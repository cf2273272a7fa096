use std::future::Future;
use std::io::Write;
use std::time::Duration;

/// Maximum duration of a promise's test. Only turns a hang into a message.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The result of a promise's test that found nothing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The store keeps the promise.
    Kept,
    /// The promise was not tested, because the store does not claim the capability concerned.
    NotClaimed(&'static str),
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::Kept
    }
}

/// Runs a promise's test, which fails if it hangs. Names a promise that is not claimed on standard
/// error, even if the output of passing tests is captured.
#[doc(hidden)]
pub async fn run(promise: &str, test: impl Future<Output: Into<Outcome>>) {
    let Ok(outcome) = tokio::time::timeout(TIMEOUT, test).await else {
        panic!("`{promise}` still hangs after {TIMEOUT:?}")
    };
    if let Outcome::NotClaimed(capability) = outcome.into() {
        let _ = writeln!(
            std::io::stderr(),
            "{promise}: not run, the store does not claim {capability}"
        );
    }
}
