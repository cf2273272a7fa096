use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Result;

/// The figures of the callers.
#[derive(Default)]
pub struct Figures {
    /// The latency of each successful command, in microseconds.
    micros: Vec<f64>,
    /// Number of failed attempts.
    failed: u32,
}

impl Figures {
    pub fn done(&mut self, since: Instant) {
        self.micros.push(since.elapsed().as_secs_f64() * 1e6);
    }

    pub fn failed(&mut self) {
        self.failed += 1;
    }

    pub fn extend(&mut self, other: Self) {
        self.micros.extend(other.micros);
        self.failed += other.failed;
    }

    /// The figures in the format that the benchmarks read.
    pub fn json(mut self, took: Duration) -> Value {
        self.micros.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            self.micros
                .get(self.micros.len() * percent / 100)
                .copied()
                .unwrap_or_default()
        };
        let done = self.micros.len() as f64;
        let failed = f64::from(self.failed);
        json!({
            "per_second": done / took.as_secs_f64(),
            "p50_us": at(50),
            "p99_us": at(99),
            "failed": failed / (done + failed).max(1.0),
        })
    }
}

/// Prints the figures to standard error, since some peers print to standard output.
pub fn print(measured: Result<Value>) -> Result<()> {
    eprintln!("{}", measured?);
    Ok(())
}
