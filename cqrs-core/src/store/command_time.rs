//! The time at which the command of a task was sent. Loads and the append of a command wait for a database that is
//! unreachable for as long as the command has patience, not each for as long again.

use std::future::Future;
use std::time::Instant;

use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    /// The innermost command that this task carries out.
    static SENT: Instant;
}

/// Carries out a command that is sent now.
pub(crate) fn sent_now<F: Future>(carrying_out: F) -> TaskLocalFuture<Instant, F> {
    SENT.scope(Instant::now(), carrying_out)
}

/// When the command was sent that this task carries out. `None` outside of commands.
pub fn sent_at() -> Option<Instant> {
    SENT.try_with(|sent| *sent).ok()
}

/// Runs a part of a command in another task.
pub async fn with_sent_at<F: Future>(sent: Option<Instant>, part: F) -> F::Output {
    match sent {
        Some(sent) => SENT.scope(sent, part).await,
        None => part.await,
    }
}
