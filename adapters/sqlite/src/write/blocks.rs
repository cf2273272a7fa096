use std::collections::HashMap;

use cqrs_core::store::EventType;
use rusqlite::Connection;
use uuid::Uuid;

use crate::fault::Fault;
use crate::sql;

/// Number of positions of a block.
const BLOCK: i64 = 256;

/// What the engine knows of the blocks of positions that it writes, and so need not read.
#[derive(Default)]
pub(crate) struct Blocks {
    /// The last block in which each type is known to be recorded in `type_blocks`.
    types: HashMap<EventType, i64>,
    commands: Option<BlockCommands>,
}

/// The range of the assigned ids of commands in a block, from its first event on.
struct BlockCommands {
    /// The position of the last event.
    last: i64,
    /// `None` without an assigned id.
    range: Option<(Uuid, Uuid)>,
}

impl Blocks {
    /// Records the block of an event that was inserted, where its type is new in it, and the range of ids of a
    /// block that it completes. `assigned` is the id of its command, if that is recorded with the event.
    pub(crate) fn place(
        &mut self,
        conn: &Connection,
        event_type: &EventType,
        assigned: Option<Uuid>,
        position: i64,
    ) -> Result<(), Fault> {
        let block = (position - 1) / BLOCK;
        if self.types.get(event_type) != Some(&block) {
            let mut insert = conn.prepare_cached(sql::INSERT_TYPE_BLOCK)?;
            insert.execute((event_type.as_str(), block))?;
            self.types.insert(event_type.clone(), block);
        }
        self.commands = BlockCommands::after(self.commands.take(), assigned, position);
        if position % BLOCK == 0 {
            self.finish(conn, block)?;
        }
        Ok(())
    }

    /// Forgets everything, after events were rolled back: others may get their positions.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn finish(&self, conn: &Connection, block: i64) -> Result<(), Fault> {
        match &self.commands {
            // Some of its events are of another process, or of an earlier one.
            None => {
                conn.prepare_cached(sql::FINISH_BLOCK)?.execute([block])?;
            }
            Some(BlockCommands { range: None, .. }) => {}
            Some(BlockCommands {
                range: Some((lowest, highest)),
                ..
            }) => {
                let ids = (&lowest.as_bytes()[..], &highest.as_bytes()[..]);
                conn.prepare_cached(sql::INSERT_COMMAND_BLOCK)?
                    .execute((block, ids.0, ids.1))?;
            }
        }
        Ok(())
    }
}

impl BlockCommands {
    /// The commands with that of the event at this position. `None` if there are events of the block before it
    /// that are not known.
    fn after(before: Option<Self>, assigned: Option<Uuid>, position: i64) -> Option<Self> {
        let known = if position % BLOCK == 1 {
            None
        } else {
            before.filter(|it| it.last == position - 1)?.range
        };
        let range = match (known, assigned) {
            (Some((lowest, highest)), Some(id)) => Some((lowest.min(id), highest.max(id))),
            (None, Some(id)) => Some((id, id)),
            (known, None) => known,
        };
        Some(Self {
            last: position,
            range,
        })
    }
}
