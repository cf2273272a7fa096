//! Another process, which watches a query and says when it sees what.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use cqrs_core::app::Role;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::domain::AccountId;
use crate::postgres::database::block_on;
use crate::postgres::ours;
use crate::read_model::{self, GetAccount};

/// The task of a watcher, in its argument.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    url: String,
    account: String,
    work: Work,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// It keeps the read model, too.
    Folds,
    /// The read model is kept by another process.
    Asks,
}

impl Task {
    pub fn new(url: &str, account: &str, work: Work) -> Self {
        let (url, account) = (url.to_owned(), account.to_owned());
        Self { url, account, work }
    }
}

/// Microseconds, by the clock that all processes share.
pub fn now() -> Result<f64> {
    let time = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(time.as_secs_f64() * 1e6)
}

/// A watcher that has begun.
pub struct Watcher {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Watcher {
    /// Starts the program, and waits for its first answer.
    pub fn start(program: &Path, task: &Task) -> Result<Self> {
        let mut child = Command::new(program)
            .arg(serde_json::to_string(task)?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("a process without output")?;
        let output = BufReader::new(output);
        let mut watcher = Self { child, output };
        watcher.sees(0)?;
        Ok(watcher)
    }

    /// Waits until the watcher has seen this balance. Returns the time of that answer.
    pub fn sees(&mut self, balance: u64) -> Result<f64> {
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line)?;
            let (seen, at) = line.trim().split_once(' ').ok_or("the watcher has ended")?;
            if seen.parse::<u64>()? >= balance {
                return Ok(at.parse()?);
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program of a watcher.
pub fn run() -> Result<()> {
    let task = std::env::args().nth(1).ok_or("a task is missing")?;
    let Task { url, account, work } = serde_json::from_str(&task)?;
    block_on(async {
        let builder = ours::builder(&url).await?.module(read_model::module());
        let builder = match work {
            Work::Folds => builder.roles([Role::Queries, Role::Projections]),
            Work::Asks => builder.roles([Role::Queries]),
        };
        let app = builder.build().await?;
        let account = AccountId(account);
        let mut answers = app.watch(GetAccount { account });
        let mut output = std::io::stdout();
        while let Some(answer) = answers.next().await {
            let balance = answer?.output.map_or(0, |view| view.balance);
            writeln!(output, "{balance} {}", now()?)?;
            output.flush()?;
        }
        Ok(())
    })
}
