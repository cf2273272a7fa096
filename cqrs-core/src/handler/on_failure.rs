/// What a projection or reaction does about an event that still fails after
/// [`retry_for`](crate::app::Builder::retry_for).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It stops, in all processes.
    #[default]
    Stop,
    /// It parks the id of the event, and goes on with the events of others.
    Park,
}
