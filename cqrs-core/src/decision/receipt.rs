use serde::{Deserialize, Serialize};

use crate::CommandId;
use crate::store::{Appended, Position};

/// What a command returns: its id and where its events are. No data besides; ask a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    command: CommandId,
    first: Position,
    last: Position,
    events: u64,
    replayed: bool,
}

impl Receipt {
    pub(crate) fn new(command: CommandId, appended: Appended) -> Self {
        let Appended {
            first,
            last,
            count,
            replayed,
            ..
        } = appended;
        Self {
            command,
            first,
            last,
            events: count,
            replayed,
        }
    }

    /// The command's id.
    pub fn command(&self) -> CommandId {
        self.command
    }

    /// The position of the command's first event; of the log's end then, if it had none.
    pub fn first(&self) -> Position {
        self.first
    }

    /// The position of the command's last event; of the log's end then, if it had none.
    pub fn last(&self) -> Position {
        self.last
    }

    /// How many events the command had.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Whether the command was found to be processed, so that nothing happened now: by an earlier
    /// sending, or by this one, if the store lost the answer of its database on the way.
    pub fn replayed(&self) -> bool {
        self.replayed
    }
}
