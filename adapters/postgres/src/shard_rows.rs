//! Rows of shards as values.

use std::collections::HashMap;

use cqrs_core::Timestamp;
use cqrs_core::store::{
    Epoch, Halt, HaltKind, ParkedKey, Roster, Shard, ShardState, Slices, WorkerId,
};
use cqrs_kit::ahead;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::dialect::decode_key;
use crate::fault::Fault;
use crate::row;
use crate::write::checkpoint;

/// The kinds of halts, as stored.
pub(crate) const PAUSED: &str = "paused";
pub(crate) const STOPPED: &str = "stopped";

/// The rows of `attend.sql`: processes, which have no epoch, and shards.
pub(crate) fn roster(rows: &[Row]) -> Result<Roster, Fault> {
    let mut workers = HashMap::new();
    let mut shards = Vec::new();
    for row in rows {
        let owner = row.try_get::<_, Option<Uuid>>(0)?.map(WorkerId::from);
        if row.try_get::<_, Option<i64>>(2)?.is_some() {
            shards.push(ShardState {
                owner,
                ..shard(row)?
            });
        } else if let Some(worker) = owner {
            workers.insert(worker, row.try_get(1)?);
        }
    }
    let mut workers: Vec<_> = workers.into_iter().collect();
    workers.sort();
    Ok(Roster { workers, shards })
}

fn shard(row: &Row) -> Result<ShardState, Fault> {
    let [first, last] = [row.try_get::<_, i16>(4)?, row.try_get::<_, i16>(5)?];
    let slices = Slices::new(first.cast_unsigned(), last.cast_unsigned())
        .ok_or_else(|| Fault::corrupt(format!("a shard of the slices {first} to {last}")))?;
    let has_checkpoint = row.try_get::<_, Option<i64>>(6)?.is_some();
    Ok(ShardState {
        shard: Shard {
            subscription: row.try_get(3)?,
            slices,
        },
        owner: None,
        epoch: epoch(row, 2)?,
        checkpoint: has_checkpoint
            .then(|| checkpoint::decode(row, 6))
            .transpose()?,
        halt: halt(row)?,
        ahead: ahead::decode(row.try_get(13)?)
            .map_err(|why| Fault::corrupt(format!("a divided shard: {why}")))?,
        partition: row.try_get(14)?,
        parked: row.try_get::<_, i64>(15)?.cast_unsigned(),
    })
}

/// The row of `select_parked.sql`.
pub(crate) fn parked_key(row: &Row) -> Result<ParkedKey, Fault> {
    Ok(ParkedKey {
        partition: row.try_get(0)?,
        key: decode_key(row.try_get(1)?),
        first: row::position(row, 2)?,
        cause: row.try_get(3)?,
        since: time(row, 4)?,
        is_released: row.try_get(5)?,
    })
}

fn halt(row: &Row) -> Result<Option<Halt>, Fault> {
    let kind = match row.try_get::<_, Option<&str>>(9)? {
        None => return Ok(None),
        Some(PAUSED) => HaltKind::Paused,
        Some(STOPPED) => HaltKind::Stopped {
            position: row::position(row, 12)?,
        },
        Some(kind) => return Err(Fault::corrupt(format!("a halt of the kind `{kind}`"))),
    };
    Ok(Some(Halt {
        kind,
        reason: row.try_get(10)?,
        since: time(row, 11)?,
    }))
}

pub(crate) fn time(row: &Row, column: usize) -> Result<Timestamp, Fault> {
    let time = Timestamp::from_microsecond(row.try_get(column)?);
    time.map_err(|why| Fault::corrupt(format!("a time of a shard: {why}")))
}

pub(crate) fn epoch(row: &Row, column: usize) -> Result<Epoch, Fault> {
    Ok(Epoch::new(row.try_get::<_, i64>(column)?.cast_unsigned()))
}
