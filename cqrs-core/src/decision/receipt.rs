use serde::{Deserialize, Serialize};

use super::Bookmark;
use crate::CommandId;
use crate::store::{Appended, Position, TagSlices};

/// The result of a command: its id and the positions of its events. Use a query for any other data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    command: CommandId,
    first: Position,
    last: Position,
    events: u64,
    replayed: bool,
    /// Fingerprint of the log's id.
    log: u32,
    /// Those of the events. None, if the command was recorded before.
    #[serde(default, skip_serializing_if = "TagSlices::is_empty")]
    slices: TagSlices,
}

impl Receipt {
    pub(crate) fn new(command: CommandId, appended: Appended, slices: TagSlices, log: u32) -> Self {
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
            log,
            slices,
        }
    }

    /// The command's id.
    pub fn command(&self) -> CommandId {
        self.command
    }

    /// The position of the command's first event. The head at that time if it had none.
    pub fn first(&self) -> Position {
        self.first
    }

    /// The position of the command's last event. The head at that time if it had none.
    pub fn last(&self) -> Position {
        self.last
    }

    /// Number of events of the command.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Whether the store reported the command as already recorded: by an earlier sending, or by
    /// this one, if the connection to the database broke and the append was repeated.
    pub fn replayed(&self) -> bool {
        self.replayed
    }

    /// The place of the command's events in the log, to be passed on as text: a query in any process
    /// can wait for it.
    pub fn bookmark(&self) -> Bookmark {
        if self.events == 0 {
            return Bookmark::without_event(self.log, self.last);
        }
        Bookmark::new(self.log, self.last, self.slices)
    }
}
