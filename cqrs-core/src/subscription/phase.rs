use crate::store::Position;

/// The phases of a dispatcher. A shutdown goes through them in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    /// New calls are refused. Commands in progress finish, and so do reactions, with the commands
    /// that they send.
    Draining,
    /// The dispatcher records no more events. Projections end once they have reached this position.
    Finishing(Position),
}

impl Phase {
    /// Whether a projection that has reached `at` is finished.
    pub(super) fn is_finished(self, at: Position) -> bool {
        matches!(self, Self::Finishing(to) if at >= to)
    }
}
