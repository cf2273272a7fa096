//! Several processes with callers, on one log at the same time.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::process::{Sent, Task};
use crate::Result;
use crate::load::{Latencies, Outcome};

/// Processes with the same number of callers each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowd {
    pub processes: u32,
    /// Callers of each process.
    pub callers: u32,
    /// Accounts of each process. 1 is an account that all processes share.
    pub accounts: u32,
}

/// The figures of all processes of a run.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub outcome: Outcome,
    /// The commands of the slowest process, as a part of those of the fastest one.
    pub fairness: f64,
    /// Number of commands that failed.
    pub failed: u32,
}

/// A process that is ready.
struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Crowd {
    /// One run. The commands of all processes begin at the same time.
    pub fn run(&self, program: &Path, url: &str, time: Duration) -> Result<Figures> {
        let mut processes = Vec::new();
        for number in 0..self.processes {
            let task = Task {
                url: url.to_owned(),
                name: format!("process-{number}"),
                callers: self.callers,
                accounts: self.accounts,
                millis: u64::try_from(time.as_millis())?,
            };
            // One after the other, so that nothing fails while states are loaded.
            let mut process = Process::start(program, &task)?;
            process.wait_until_ready()?;
            processes.push(process);
        }
        for process in &mut processes {
            process.begin()?;
        }
        let sent: Vec<_> = processes
            .into_iter()
            .map(Process::finish)
            .collect::<Result<_>>()?;
        Ok(Figures::of(&sent))
    }
}

impl Figures {
    fn of(sent: &[Sent]) -> Self {
        let mut latencies = Latencies::default();
        for process in sent {
            latencies.extend(process.latencies());
        }
        let rates: Vec<_> = sent.iter().map(Sent::per_second).collect();
        let slowest = rates.iter().copied().fold(f64::INFINITY, f64::min);
        let fastest = rates.iter().copied().fold(0.0, f64::max);
        Self {
            outcome: Outcome {
                per_second: rates.iter().sum(),
                ..latencies.outcome(Duration::from_secs(1))
            },
            fairness: slowest / fastest,
            failed: sent.iter().map(|process| process.failed).sum(),
        }
    }
}

impl Process {
    fn start(program: &Path, task: &Task) -> Result<Self> {
        let mut child = Command::new(program)
            .arg(serde_json::to_string(task)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("a process without output")?;
        Ok(Self {
            child,
            output: BufReader::new(output),
        })
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        match self.line()?.as_str() {
            "ready\n" => Ok(()),
            _ => Err("a process has ended before it was ready".into()),
        }
    }

    fn begin(&mut self) -> Result<()> {
        let mut input = self.child.stdin.take().ok_or("a process without input")?;
        Ok(input.write_all(b"begin\n")?)
    }

    fn finish(mut self) -> Result<Sent> {
        let line = self.line()?;
        self.child.wait()?;
        Ok(serde_json::from_str(&line)?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line)
    }
}

impl Drop for Process {
    /// The others end, too, when one of them has failed.
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_add_up_and_the_slowest_process_is_compared_with_the_fastest() {
        let sent = |commands: usize, failed| Sent {
            micros: vec![100.0; commands],
            failed,
            seconds: 2.0,
        };
        let figures = Figures::of(&[sent(20, 0), sent(40, 1)]);
        assert!((figures.outcome.per_second - 30.0).abs() < 1e-9);
        assert!((figures.outcome.p99 - 100.0).abs() < 1e-9);
        assert!((figures.fairness - 0.5).abs() < 1e-9);
        assert_eq!(figures.failed, 1);
    }
}
