/// Which log a store has found behind its address, counted by the process that found it.
///
/// A store begins with the first one. It advances to the next when the log turns out not to
/// continue the one that was read before: after a failover that lost events, when a backup was
/// restored, or when the log was dropped and created again. A position of an earlier incarnation
/// says nothing about the log as it is now, even if the log has grown past it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(u64);

impl Incarnation {
    /// The incarnation that replaces this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}
