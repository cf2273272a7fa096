//! A figure, measured several times.

/// The figures of several runs of one workload.
#[derive(Clone, Debug, Default)]
pub struct Runs(Vec<f64>);

impl Runs {
    pub fn push(&mut self, figure: f64) {
        let place = self.0.partition_point(|known| *known < figure);
        self.0.insert(place, figure);
    }

    pub fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        match self.0.len() {
            0 => f64::NAN,
            even if even % 2 == 0 => f64::midpoint(self.0[middle - 1], self.0[middle]),
            _ => self.0[middle],
        }
    }

    pub fn lowest(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    pub fn highest(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<f64> for Runs {
    fn from_iter<I: IntoIterator<Item = f64>>(figures: I) -> Self {
        let mut runs = Self::default();
        figures.into_iter().for_each(|figure| runs.push(figure));
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        let runs: Runs = [3.0, 1.0, 2.0].into_iter().collect();
        assert!((runs.median() - 2.0).abs() < f64::EPSILON);
        assert!((runs.lowest() - 1.0).abs() < f64::EPSILON);
        let runs: Runs = [4.0, 1.0, 2.0, 3.0].into_iter().collect();
        assert!((runs.median() - 2.5).abs() < f64::EPSILON);
    }
}
