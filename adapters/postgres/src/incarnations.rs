use cqrs_core::store::Incarnation;

/// The incarnations of the log and the views at the other end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Incarnations {
    pub(crate) log: Incarnation,
    pub(crate) views: Incarnation,
}
