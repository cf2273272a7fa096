//! The figures of several runs of one contender.

use crate::load::Outcome;
use crate::runs::Runs;

#[derive(Default)]
pub struct Measured {
    pub per_second: Runs,
    pub p50: Runs,
    pub p99: Runs,
}

impl Measured {
    pub fn push(&mut self, outcome: Outcome) {
        self.per_second.push(outcome.per_second);
        self.p50.push(outcome.p50);
        self.p99.push(outcome.p99);
    }

    /// The one with the most commands per second, with its name.
    pub fn best<const N: usize>(several: [(&str, Self); N]) -> (&str, Self) {
        let figure = |(_, it): &(&str, Self)| it.per_second.median();
        let best = several
            .into_iter()
            .max_by(|a, b| figure(a).total_cmp(&figure(b)));
        best.unwrap_or_default()
    }
}
