//! The load: callers, their commands and aggregates, the same for all contenders.

use std::time::{Duration, Instant};

/// The size of a workload.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub commands: u32,
    pub aggregates: u32,
    pub callers: u32,
    /// The number of the first aggregate.
    pub first: u32,
}

impl Load {
    /// The aggregates of a caller's commands, in turn. Callers share none, so that they do not
    /// conflict, and all aggregates get the same number of events.
    pub fn numbers_of(self, caller: u32) -> impl Iterator<Item = u32> {
        let numbers = (0..self.commands).map(move |command| command % self.aggregates);
        let own = numbers.filter(move |number| number % self.callers == caller);
        own.map(move |number| self.first + number)
    }

    pub fn ids_of(self, caller: u32) -> impl Iterator<Item = String> {
        self.numbers_of(caller).map(Self::id)
    }

    /// The account with this number.
    pub fn id(number: u32) -> String {
        format!("account-{number:04}")
    }

    /// The same load with this number of commands, but at least one for each aggregate.
    #[must_use]
    pub fn at_most(self, commands: u32) -> Self {
        Self {
            commands: self.commands.min(commands).max(self.aggregates),
            ..self
        }
    }
}

/// A number of callers, in words.
pub fn callers(number: u32) -> String {
    match number {
        1 => "1 caller".to_owned(),
        many => format!("{many} callers"),
    }
}

/// The latencies of commands, in microseconds.
#[derive(Debug, Default)]
pub struct Latencies(Vec<f64>);

impl FromIterator<f64> for Latencies {
    fn from_iter<I: IntoIterator<Item = f64>>(micros: I) -> Self {
        Self(micros.into_iter().collect())
    }
}

impl Latencies {
    pub fn since(&mut self, start: Instant) {
        self.0.push(start.elapsed().as_secs_f64() * 1e6);
    }

    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Each latency, in no order.
    pub fn micros(&self) -> &[f64] {
        &self.0
    }

    pub fn count(&self) -> f64 {
        self.0.len() as f64
    }

    pub fn outcome(mut self, took: Duration) -> Outcome {
        self.0.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            self.0
                .get(self.0.len() * percent / 100)
                .copied()
                .unwrap_or(f64::NAN)
        };
        let per_second = self.count() / took.as_secs_f64();
        Outcome {
            per_second,
            p50: at(50),
            p99: at(99),
        }
    }
}

/// The figures of one run: commands per second, latencies in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub per_second: f64,
    pub p50: f64,
    pub p99: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_share_the_commands_and_no_aggregate() {
        let load = Load {
            commands: 500,
            aggregates: 100,
            callers: 16,
            first: 0,
        };
        let mut seen = vec![0; 100];
        for caller in 0..16 {
            load.numbers_of(caller)
                .for_each(|number| seen[number as usize] += 1);
        }
        assert!(seen.iter().all(|count| *count == 5));
    }
}
