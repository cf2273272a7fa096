use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time over which rates are measured.
const WINDOW: Duration = Duration::from_secs(20);

/// Minimum time between two samples.
const INTERVAL: Duration = Duration::from_secs(1);

/// Positions at several times, from which rates follow. There are samples only while somebody looks.
#[derive(Default)]
pub(crate) struct Rates(Mutex<VecDeque<Sample>>);

struct Sample {
    at: Instant,
    positions: Vec<u64>,
}

impl Rates {
    /// Notes positions, and returns how fast each of them has moved of late, in positions per second. `None` if that is not
    /// known yet, or if a position has moved back.
    pub(crate) fn note(&self, now: Instant, positions: Vec<u64>) -> Vec<Option<f64>> {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while samples
            .front()
            .is_some_and(|it| now.duration_since(it.at) > WINDOW)
        {
            samples.pop_front();
        }
        let oldest = samples
            .front()
            .filter(|it| now.duration_since(it.at) >= INTERVAL);
        let each = positions.iter().enumerate().map(|(place, position)| {
            let oldest = oldest?;
            let moved = position.checked_sub(*oldest.positions.get(place)?)?;
            Some(per_second(moved, now.duration_since(oldest.at)))
        });
        let rates = each.collect();
        if samples
            .back()
            .is_none_or(|it| now.duration_since(it.at) >= INTERVAL)
        {
            samples.push_back(Sample { at: now, positions });
        }
        rates
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with a few digits")]
fn per_second(moved: u64, time: Duration) -> f64 {
    moved as f64 / time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let rates = Rates::default();
        let begin = Instant::now();
        let note = |seconds, positions: &[u64]| {
            rates.note(begin + Duration::from_secs(seconds), positions.to_vec())
        };
        assert_eq!(note(0, &[100, 50]), [None, None]);
        assert_eq!(note(0, &[110, 50]), [None, None]);
        assert_eq!(note(2, &[120, 50]), [Some(10.0), Some(0.0)]);
        // A position that was moved back has no rate.
        assert_eq!(note(4, &[140, 0]), [Some(10.0), None]);
        // What was longer ago does not count.
        assert_eq!(note(24, &[340, 200]), [Some(10.0), Some(10.0)]);
        assert_eq!(note(90, &[900, 200]), [None, None]);
    }
}
