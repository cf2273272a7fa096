//! One process: it prepares, says `ready`, waits for a line, sends commands, and prints what it
//! measured.

use std::env;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cqrs_core::Dispatcher;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::callers::{deposit, execute, insist};
use crate::domain::Deposit;
use crate::load::{Latencies, Load};
use crate::postgres::database::block_on;
use crate::postgres::ours;

/// The task of a process, in its argument.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    pub url: String,
    /// Precedes the names of its accounts.
    pub name: String,
    pub callers: u32,
    /// Number of accounts, of which each caller has its own. 1 is an account that all processes
    /// share.
    pub accounts: u32,
    pub millis: u64,
}

/// The figures of a process.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sent {
    /// The latency of each successful command, in microseconds.
    pub micros: Vec<f64>,
    /// Number of commands that failed.
    pub failed: u32,
    pub seconds: f64,
}

/// A process of the task in the argument.
pub fn run() -> Result<()> {
    let task = env::args().nth(1).ok_or("a task is missing")?;
    let task: Task = serde_json::from_str(&task)?;
    let sent = block_on(carry_out(task))?;
    println!("{}", serde_json::to_string(&sent)?);
    Ok(())
}

async fn carry_out(task: Task) -> Result<Sent> {
    let dispatcher = ours::builder(&task.url).await?.build().await?;
    let callers: Vec<_> = (0..task.callers)
        .map(|caller| task.accounts_of(caller))
        .collect();
    // Loads the state of each account.
    execute(&dispatcher, callers.iter().map(deposits_to).collect()).await?;
    println!("ready");
    // The task's other processes are ready, too, when the line comes.
    io::stdin().read_line(&mut String::new())?;
    let senders = callers
        .into_iter()
        .map(|accounts| sender(dispatcher.clone(), accounts))
        .collect();
    let insisted = insist(senders, Duration::from_millis(task.millis)).await?;
    Ok(Sent {
        micros: insisted.latencies.micros().to_vec(),
        failed: insisted.failed,
        seconds: insisted.took.as_secs_f64(),
    })
}

fn deposits_to(accounts: &Vec<String>) -> Vec<Deposit> {
    accounts.iter().map(|account| deposit(account)).collect()
}

/// Sends a command to the next account at each call.
fn sender(
    dispatcher: Dispatcher,
    accounts: Vec<String>,
) -> impl Fn() -> futures_util::future::BoxFuture<'static, Result<()>> + Send + 'static {
    let next = AtomicUsize::new(0);
    move || {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let command = deposit(&accounts[number % accounts.len()]);
        let dispatcher = dispatcher.clone();
        Box::pin(async move {
            dispatcher.execute(command).await?;
            Ok(())
        })
    }
}

impl Task {
    fn accounts_of(&self, caller: u32) -> Vec<String> {
        if self.accounts == 1 {
            return vec!["hot".to_owned()];
        }
        let load = Load {
            commands: self.accounts,
            aggregates: self.accounts,
            callers: self.callers,
            first: 0,
        };
        load.ids_of(caller)
            .map(|id| format!("{}-{id}", self.name))
            .collect()
    }
}

impl Sent {
    pub fn per_second(&self) -> f64 {
        self.micros.len() as f64 / self.seconds
    }

    pub fn latencies(&self) -> Latencies {
        self.micros.iter().copied().collect()
    }
}
