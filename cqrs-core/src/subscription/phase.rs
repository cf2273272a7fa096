use crate::store::Position;

/// What a dispatcher is about, on its way to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    /// Nothing new begins. Commands that are under way end, and so do reactions with what they send.
    Draining,
    /// No more events come from here: projections go on up to this position, and end.
    Finishing(Position),
}

impl Phase {
    /// Whether a projection that came up to here has nothing left to do.
    pub(super) fn is_finished(self, at: Position) -> bool {
        matches!(self, Self::Finishing(to) if at >= to)
    }
}
