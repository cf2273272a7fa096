/// How much may come to a small state before it is measured again.
const SLACK: usize = 256;

/// About how many bytes a state has. To measure it takes as long as to write it as JSON, so that is
/// done when it has grown by half; in between, what was folded counts.
#[derive(Clone, Copy, Default)]
pub(crate) struct Weight {
    /// 0: never.
    measured: usize,
    since: usize,
}

impl Weight {
    /// An event with so many bytes was folded.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.since = self.since.saturating_add(bytes);
    }

    /// The weight of a state that has this size when it is measured.
    pub(super) fn of(&mut self, size: impl FnOnce() -> usize) -> usize {
        if self.measured == 0 || self.since > self.measured / 2 + SLACK {
            self.measured = size().max(1);
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
        let mut weight = Weight::default();
        let measured = Cell::new(0);
        let size = || {
            measured.set(measured.get() + 1);
            1_000
        };
        assert_eq!((weight.of(size), measured.get()), (1_000, 1));
        weight.add(700);
        assert_eq!((weight.of(size), measured.get()), (1_700, 1));
        weight.add(100);
        assert_eq!((weight.of(size), measured.get()), (1_000, 2));
        assert_eq!((weight.of(size), measured.get()), (1_000, 2));
    }
}
