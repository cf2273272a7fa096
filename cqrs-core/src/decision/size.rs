/// A small state may grow by this many bytes before it is measured again.
const REMEASURE_SLACK: usize = 256;

/// The approximate size of a state in memory.
///
/// Measuring a state takes as long as writing it as JSON. Therefore it is measured once, and again
/// when the events folded since may have made it larger by half. In between, their size is added.
#[derive(Clone, Copy, Default)]
pub(super) struct SizeEstimate {
    /// 0 if the state was never measured.
    measured: usize,
    /// Bytes of the events folded since the measurement.
    since: usize,
}

impl SizeEstimate {
    /// Notes that an event of this size was folded.
    pub(super) fn add(&mut self, bytes: usize) {
        self.since = self.since.saturating_add(bytes);
    }

    /// The estimate, in bytes. Calls `measure` if the state has to be measured again.
    pub(super) fn bytes(&mut self, measure: impl FnOnce() -> usize) -> usize {
        if self.measured == 0 || self.since > self.measured / 2 + REMEASURE_SLACK {
            self.measured = measure().max(1);
            self.since = 0;
        }
        self.measured.saturating_add(self.since)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_state_is_measured_when_it_may_have_grown_by_half() {
        let mut size = SizeEstimate::default();
        let measured = Cell::new(0);
        let measure = || {
            measured.set(measured.get() + 1);
            1_000
        };
        assert_eq!((size.bytes(measure), measured.get()), (1_000, 1));
        size.add(700);
        assert_eq!((size.bytes(measure), measured.get()), (1_700, 1));
        size.add(100);
        assert_eq!((size.bytes(measure), measured.get()), (1_000, 2));
        assert_eq!((size.bytes(measure), measured.get()), (1_000, 2));
    }
}
