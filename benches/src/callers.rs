//! Callers that each send their commands one after the other to this framework.

use std::time::{Duration, Instant};

use cqrs_core::{Command, CommandError, Dispatcher, Receipt};

use crate::domain::{AccountId, Deposit};
use crate::load::{Latencies, Load, Outcome};
use crate::{Error, Result};

type Executed<C> = std::result::Result<Receipt, CommandError<<C as Command>::Error>>;

/// Sends the commands of each caller.
pub async fn execute<C: Command>(dispatcher: &Dispatcher, commands: Vec<Vec<C>>) -> Result<Outcome>
where
    CommandError<C::Error>: Into<Error>,
{
    let dispatcher = dispatcher.clone();
    let send = move |command| {
        let dispatcher = dispatcher.clone();
        async move {
            let sent: Executed<C> = dispatcher.execute(command).await;
            sent.map(drop).map_err(Into::into)
        }
    };
    measure(commands, send).await
}

/// The deposits of each caller.
pub fn deposits_of(load: Load) -> Vec<Vec<Deposit>> {
    let callers = (0..load.callers).map(|caller| load.ids_of(caller));
    callers
        .map(|ids| ids.map(|id| deposit(&id)).collect())
        .collect()
}

pub fn deposit(account: &str) -> Deposit {
    Deposit {
        account: AccountId(account.to_owned()),
        amount: 1,
    }
}

/// Runs the function on the commands of each caller.
pub async fn measure<C, S, F>(commands: Vec<Vec<C>>, send: S) -> Result<Outcome>
where
    C: Send + 'static,
    S: Fn(C) -> F + Clone + Send + 'static,
    F: Future<Output = Result<()>> + Send,
{
    let start = Instant::now();
    let callers = commands.into_iter().map(|commands| {
        let send = send.clone();
        tokio::spawn(async move {
            let mut latencies = Latencies::default();
            for command in commands {
                let start = Instant::now();
                send(command).await?;
                latencies.since(start);
            }
            Ok::<_, crate::Error>(latencies)
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut latencies = Latencies::default();
    for caller in callers {
        latencies.extend(caller.await??);
    }
    Ok(latencies.outcome(start.elapsed()))
}

/// The commands of callers that insist for some time.
#[derive(Default)]
pub struct Insisted {
    pub latencies: Latencies,
    /// Number of commands that failed.
    pub failed: u32,
    pub took: Duration,
}

impl Insisted {
    /// The figures, and the share of commands that failed.
    pub fn outcome(self) -> (Outcome, f64) {
        let failed = f64::from(self.failed);
        let sent = self.latencies.count() + failed;
        (self.latencies.outcome(self.took), failed / sent.max(1.0))
    }
}

/// Sends commands for this duration, each caller its own.
pub async fn insist<S, F>(callers: Vec<S>, time: Duration) -> Result<Insisted>
where
    S: Fn() -> F + Send + 'static,
    F: Future<Output = Result<()>> + Send,
{
    let start = Instant::now();
    let callers = callers.into_iter().map(|send| {
        tokio::spawn(async move {
            let (mut latencies, mut failed) = (Latencies::default(), 0_u32);
            while start.elapsed() < time {
                let start = Instant::now();
                match send().await {
                    Ok(()) => latencies.since(start),
                    Err(_) => failed += 1,
                }
            }
            (latencies, failed)
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut insisted = Insisted::default();
    for caller in callers {
        let (latencies, failed) = caller.await?;
        insisted.latencies.extend(latencies);
        insisted.failed += failed;
    }
    insisted.took = start.elapsed();
    Ok(insisted)
}
