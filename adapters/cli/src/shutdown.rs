use std::pin::pin;
use std::process::exit;
use std::time::Duration;

use cqrs_core::Dispatcher;
use tokio::time::timeout;

use crate::error::CliError;
use crate::out::eprint_line;
use crate::signal::Signal;

/// Maximum time to wait for read models that make no progress.
pub(crate) const MAX_IDLE: Duration = Duration::from_secs(10);

/// Time for work in progress and for writing read models. Less than the ten seconds after which a
/// container is killed.
pub(crate) const GRACE: Duration = Duration::from_secs(8);

/// Runs an action to completion, then shuts down the dispatcher.
///
/// A signal shuts it down while the action is running: the command in progress finishes, and the
/// action fails when it sends another one. A second signal ends the process immediately.
pub(crate) async fn run_until_signal(
    dispatcher: &Dispatcher,
    action: impl Future<Output = Result<(), CliError>>,
) -> Result<(), CliError> {
    let mut action = pin!(action);
    let signal = tokio::select! {
        // The action comes first: it may read the standard input, which only a signal without a
        // handler can interrupt.
        biased;
        outcome = &mut action => {
            close(dispatcher).await;
            return outcome;
        }
        signal = Signal::received() => signal?,
    };
    let ending = async { tokio::join!(timeout(GRACE, action), close(dispatcher)) };
    let outcome = tokio::select! {
        (outcome, ()) = ending => outcome,
        again = Signal::received() => exit(again?.exit_code().into()),
    };
    match outcome {
        Err(_) => {
            let reason = format!("interrupted: not finished after {GRACE:?}");
            Err(CliError::interrupted(signal, reason))
        }
        Ok(Err(CliError::Failed(reason))) => {
            let reason = format!("interrupted: {reason}");
            Err(CliError::interrupted(signal, reason))
        }
        Ok(outcome) => outcome,
    }
}

/// Shuts down the dispatcher, so that read models are written.
pub(crate) async fn close(dispatcher: &Dispatcher) {
    if let Err(unfinished) = dispatcher.shutdown(GRACE).await {
        eprint_line(format_args!("warning:"), &format!("{unfinished:?}"));
    }
}
