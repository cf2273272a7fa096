use super::Position;

/// The key of a stored state: the aggregate's name and id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StateKey {
    /// The aggregate's name.
    pub aggregate: &'static str,
    /// The aggregate's id.
    pub id: String,
}

/// The state of an aggregate with `storage = "state"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredState {
    /// The state as JSON.
    pub body: Vec<u8>,
    /// The state is that of all events up to this position.
    pub position: Position,
}

/// A state to write with an append.
#[derive(Clone, Debug)]
pub struct StateWrite {
    /// The aggregate.
    pub key: StateKey,
    /// The state as JSON.
    pub body: Vec<u8>,
    /// The position of the stored state that this one replaces, `None` if there was none. If the
    /// stored state has another position at the time of the append, the append is a conflict.
    pub based_on: Option<Position>,
}
