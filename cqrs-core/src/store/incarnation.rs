/// Number of the log behind a store, as counted by this process.
///
/// A store starts with the first incarnation. It advances to the next one when it finds out that
/// the log does not continue the one that was read before: after a failover that lost events, when
/// a backup was restored, or when the log was dropped and created again. A position of an earlier
/// incarnation says nothing about the current log, even if the log has grown past it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(u64);

impl Incarnation {
    /// The incarnation that replaces this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}
