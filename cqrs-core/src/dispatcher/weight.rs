use crate::handler::AnyState;

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

    /// The weight, of this state.
    pub(super) fn of(&mut self, state: &dyn AnyState) -> usize {
        if self.measured == 0 || self.since > self.measured / 2 + SLACK {
            (self.measured, self.since) = (state.size().max(1), 0);
        }
        self.measured.saturating_add(self.since)
    }
}

#[cfg(test)]
mod tests {
    use std::any::Any;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::error::Error;
    use crate::store::Recorded;

    /// A state of a thousand bytes that counts how often it is measured.
    #[derive(Default)]
    struct Measured(AtomicUsize);

    impl AnyState for Measured {
        fn apply(&mut self, _: &Recorded) -> Result<(), Error> {
            Ok(())
        }

        fn save(&self) -> Result<Option<Vec<u8>>, Error> {
            Ok(None)
        }

        fn size(&self) -> usize {
            self.0.fetch_add(1, Ordering::Relaxed);
            1_000
        }

        fn as_any(&self) -> &dyn Any {
            self
        }

        fn into_any(self: Box<Self>) -> Box<dyn Any> {
            self
        }
    }

    #[test]
    fn a_state_is_measured_when_it_may_have_grown_by_half() {
        let (state, mut weight) = (Measured::default(), Weight::default());
        let measured = || state.0.load(Ordering::Relaxed);
        assert_eq!((weight.of(&state), measured()), (1_000, 1));
        weight.add(700);
        assert_eq!((weight.of(&state), measured()), (1_700, 1));
        weight.add(100);
        assert_eq!((weight.of(&state), measured()), (1_000, 2));
        assert_eq!((weight.of(&state), measured()), (1_000, 2));
    }
}
