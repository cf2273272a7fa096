use cqrs_core::Timestamp;
use cqrs_core::store::{
    Attendance, Claim, Division, Epoch, Halt, HaltKind, Relocation, Roster, Shard, ShardState,
    SkippedEvent, Slices, StoreError, WorkerId,
};
use cqrs_kit::ahead;
use rusqlite::{Connection, OptionalExtension, Row};
use tokio::sync::oneshot;

use super::task::{Log, Responder, Task};
use crate::fault::Fault;
use crate::worker_locks::WorkerLocks;
use crate::{row, sql};

/// The kinds of halts, as stored.
const PAUSED: &str = "paused";
const STOPPED: &str = "stopped";

/// Work on shards, and on the processes that handle them.
pub(crate) struct ShardTask<W, T> {
    work: W,
    responder: Responder<Result<T, StoreError>>,
}

impl<W, T> ShardTask<W, T> {
    pub(crate) fn new(work: W) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (responder, answer) = Responder::new();
        (Self { work, responder }, answer)
    }
}

impl<W, T> Task for ShardTask<W, T>
where
    W: Fn(&Connection) -> Result<T, Fault> + Send,
    T: Send,
{
    fn run(&mut self, log: &mut Log<'_>) -> Result<(), Fault> {
        let done = (self.work)(log.conn)?;
        self.responder.decide(Ok(done));
        Ok(())
    }

    fn is_effective(&self) -> bool {
        true
    }

    /// Not recognized, and no need: a claim whose outcome is unknown shows in the roster.
    fn is_there(&self, _conn: &Connection) -> Result<Option<bool>, Fault> {
        Ok(None)
    }

    fn answer(self: Box<Self>) {
        self.responder.send();
    }

    fn fail(self: Box<Self>, fault: Fault) {
        self.responder.send_instead(Err(fault.into()));
    }

    fn bytes(&self) -> usize {
        0
    }
}

/// The epoch of a shard. `None` if its subscription has other shards.
pub(super) fn epoch(conn: &Connection, of: &Shard) -> Result<Option<Epoch>, Fault> {
    let mut select = conn.prepare_cached(sql::SELECT_EPOCH)?;
    let key = (&of.subscription, of.slices.first(), of.slices.last());
    let epoch: Option<i64> = select.query_row(key, |row| row.get(0))?;
    Ok(epoch.map(|epoch| Epoch::new(epoch.cast_unsigned())))
}

pub(crate) fn attend(
    conn: &Connection,
    locks: &WorkerLocks,
    attendance: &Attendance,
) -> Result<Roster, Fault> {
    let subscriptions = serde_json::to_string(&attendance.subscriptions)
        .map_err(|why| Fault::corrupt(why.to_string()))?;
    let worker = attendance.worker.as_uuid();
    let seconds = attendance.lease.as_secs_f64();
    let mut upsert = conn.prepare_cached(sql::UPSERT_WORKER)?;
    let has_lock = locks.lock(attendance.worker);
    upsert.execute((&worker.as_bytes()[..], subscriptions, seconds, has_lock))?;
    conn.prepare_cached(sql::DELETE_DEAD_WORKERS)?.execute([])?;
    let mut roster = Roster::default();
    let mut select = conn.prepare_cached(sql::SELECT_WORKERS)?;
    let mut rows = select.query([])?;
    let mut gone = Vec::new();
    while let Some(row) = rows.next()? {
        let worker = worker_id(row, 0)?;
        if row.get(2)? && locks.is_released(worker) {
            gone.push(worker);
            continue;
        }
        let subscriptions = serde_json::from_str(&row.get::<_, String>(1)?)
            .map_err(|why| Fault::corrupt(format!("the subscriptions of a worker: {why}")))?;
        roster.workers.push((worker, subscriptions));
    }
    for worker in gone {
        leave(conn, worker)?;
    }
    let mut named: Vec<&String> = roster
        .workers
        .iter()
        .flat_map(|(_, subscriptions)| subscriptions)
        .collect();
    named.sort();
    named.dedup();
    roster.shards = shards(conn, &named)?;
    Ok(roster)
}

/// The shards of these subscriptions.
pub(crate) fn shards(
    conn: &Connection,
    subscriptions: &[&String],
) -> Result<Vec<ShardState>, Fault> {
    let subscriptions =
        serde_json::to_string(subscriptions).map_err(|why| Fault::corrupt(why.to_string()))?;
    let mut select = conn.prepare_cached(sql::SELECT_SHARDS)?;
    let mut rows = select.query([subscriptions])?;
    let mut shards = Vec::new();
    while let Some(row) = rows.next()? {
        shards.push(shard_state(row)?);
    }
    Ok(shards)
}

pub(crate) fn claim(
    conn: &Connection,
    worker: WorkerId,
    claims: &[Claim],
) -> Result<Vec<Option<Epoch>>, Fault> {
    let mut statement = conn.prepare_cached(sql::CLAIM_SHARD)?;
    let owner = worker.as_uuid();
    let claimed = claims.iter().map(|Claim { shard, seen }| {
        let values = (
            &shard.subscription,
            shard.slices.first(),
            shard.slices.last(),
            &owner.as_bytes()[..],
            seen.get().cast_signed(),
        );
        let epoch = statement.query_row(values, |row| decode_epoch(row, 0));
        Ok(epoch.optional()?)
    });
    claimed.collect()
}

pub(crate) fn seize(
    conn: &Connection,
    worker: WorkerId,
    subscription: &str,
) -> Result<bool, Fault> {
    let mut seize = conn.prepare_cached(sql::SEIZE_SHARDS)?;
    let owner = worker.as_uuid();
    Ok(seize.execute((&owner.as_bytes()[..], subscription))? > 0)
}

pub(crate) fn release(conn: &Connection, worker: WorkerId, shards: &[Shard]) -> Result<(), Fault> {
    let mut release = conn.prepare_cached(sql::RELEASE_SHARD)?;
    let id = worker.as_uuid();
    for shard in shards {
        release.execute((
            &id.as_bytes()[..],
            &shard.subscription,
            shard.slices.first(),
        ))?;
    }
    Ok(())
}

pub(crate) fn leave(conn: &Connection, worker: WorkerId) -> Result<(), Fault> {
    let id = worker.as_uuid();
    for statement in [sql::RELEASE_SHARDS, sql::DELETE_WORKER] {
        conn.prepare_cached(statement)?
            .execute([&id.as_bytes()[..]])?;
    }
    Ok(())
}

pub(crate) fn halt(
    conn: &Connection,
    shard: &Shard,
    halt: &Halt,
    epoch: Option<Epoch>,
) -> Result<bool, Fault> {
    let (kind, position) = match halt.kind {
        HaltKind::Paused => (PAUSED, None),
        HaltKind::Stopped { position } => (STOPPED, Some(position.get().cast_signed())),
    };
    let (first, last) = (shard.slices.first(), shard.slices.last());
    let halted = conn.prepare_cached(sql::HALT_SHARD)?.execute((
        &shard.subscription,
        first,
        last,
        kind,
        &halt.reason,
        halt.since.as_microsecond(),
        position,
        epoch.map(|epoch| epoch.get().cast_signed()),
    ))?;
    if halted == 0 {
        return Ok(false);
    }
    let key = (&shard.subscription, first, last);
    conn.prepare_cached(sql::FENCE_SHARD)?.execute(key)?;
    Ok(true)
}

pub(crate) fn resume(conn: &Connection, shard: &Shard, from_pause: bool) -> Result<bool, Fault> {
    let resumed = conn.prepare_cached(sql::RESUME_SHARD)?.execute((
        &shard.subscription,
        shard.slices.first(),
        shard.slices.last(),
        from_pause,
    ))?;
    Ok(resumed == 1)
}

pub(crate) fn relocate(conn: &Connection, relocation: &Relocation) -> Result<bool, Fault> {
    let Relocation {
        shard,
        from,
        to,
        skipped,
        ..
    } = relocation;
    let (first, last) = (shard.slices.first(), shard.slices.last());
    if from.is_none() {
        let key = (&shard.subscription, first, last);
        conn.prepare_cached(sql::INSERT_SHARD)?.execute(key)?;
    }
    let last_event = to.last_event.map(|event| event.id.as_uuid());
    let moved = conn.prepare_cached(sql::RELOCATE_CHECKPOINT)?.execute((
        &shard.subscription,
        first,
        last,
        from.map(|from| from.get().cast_signed()),
        to.position.get().cast_signed(),
        last_event.as_ref().map(|id| &id.as_bytes()[..]),
        to.last_event
            .map(|event| event.position.get().cast_signed()),
        skipped.is_some(),
    ))?;
    if moved == 0 {
        return Ok(false);
    }
    if skipped.is_none() {
        let values = (&shard.subscription, first, last, row::number(to.position));
        conn.prepare_cached(sql::DELETE_PARKED_AFTER)?
            .execute(values)?;
    }
    for event in relocation.skips() {
        insert_skipped(conn, &shard.subscription, &event)?;
    }
    Ok(true)
}

pub(crate) fn divide(conn: &Connection, division: &Division) -> Result<bool, Fault> {
    let subscription = division.subscription().to_owned();
    let stored = shards(conn, &[&subscription])?;
    let Some(divided) = division.apply(&stored) else {
        return Ok(false);
    };
    put_shards(conn, &subscription, divided)?;
    Ok(true)
}

/// Puts shards in the place of all others of their subscription.
pub(super) fn put_shards(
    conn: &Connection,
    subscription: &str,
    shards: Vec<ShardState>,
) -> Result<(), Fault> {
    conn.prepare_cached(sql::DELETE_SHARDS)?
        .execute([subscription])?;
    let mut insert = conn.prepare_cached(sql::INSERT_DIVIDED_SHARD)?;
    for state in shards {
        let checkpoint = state.checkpoint;
        let event = checkpoint.and_then(|checkpoint| checkpoint.last_event);
        let id = event.map(|event| event.id.as_uuid());
        insert.execute((
            subscription,
            state.shard.slices.first(),
            state.shard.slices.last(),
            state.epoch.get().cast_signed(),
            checkpoint.map(|checkpoint| row::number(checkpoint.position)),
            id.as_ref().map(|id| &id.as_bytes()[..]),
            event.map(|event| row::number(event.position)),
            state.halt.as_ref().map(|_| PAUSED),
            state.halt.as_ref().map(|halt| &halt.reason),
            state.halt.as_ref().map(|halt| halt.since.as_microsecond()),
            ahead::encode(&state.ahead),
            &state.partition,
        ))?;
    }
    Ok(())
}

pub(super) fn insert_skipped(
    conn: &Connection,
    subscription: &str,
    event: &SkippedEvent,
) -> Result<(), Fault> {
    conn.prepare_cached(sql::INSERT_SKIPPED)?.execute((
        subscription,
        row::number(event.position),
        &event.reason,
        event.time.as_microsecond(),
        event.key.as_deref().unwrap_or_default(),
    ))?;
    Ok(())
}

pub(crate) fn skipped(conn: &Connection, subscription: &str) -> Result<Vec<SkippedEvent>, Fault> {
    let mut select = conn.prepare_cached(sql::SELECT_SKIPPED)?;
    let mut rows = select.query([subscription])?;
    let mut skipped = Vec::new();
    while let Some(row) = rows.next()? {
        skipped.push(SkippedEvent {
            position: row::position(row, 0)?,
            reason: row.get(1)?,
            time: time(row, 2)?,
            key: Some(row.get(3)?).filter(|key: &String| !key.is_empty()),
        });
    }
    Ok(skipped)
}

/// The row of `select_shards.sql`.
fn shard_state(row: &Row<'_>) -> Result<ShardState, Fault> {
    let (first, last): (u16, u16) = (row.get(4)?, row.get(5)?);
    let slices = Slices::new(first, last)
        .ok_or_else(|| Fault::corrupt(format!("a shard of the slices {first} to {last}")))?;
    let has_owner = row.get_ref(7)? != rusqlite::types::ValueRef::Null;
    let has_checkpoint = row.get_ref(0)? != rusqlite::types::ValueRef::Null;
    Ok(ShardState {
        shard: Shard {
            subscription: row.get(3)?,
            slices,
        },
        owner: has_owner.then(|| worker_id(row, 7)).transpose()?,
        epoch: decode_epoch(row, 6)?,
        checkpoint: has_checkpoint
            .then(|| row::decode_checkpoint(row))
            .transpose()?,
        halt: halt_of(row)?,
        ahead: ahead::decode(row.get::<_, Option<String>>(12)?.as_deref())
            .map_err(|why| Fault::corrupt(format!("a divided shard: {why}")))?,
        partition: row.get(13)?,
        parked: row.get::<_, i64>(14)?.cast_unsigned(),
    })
}

/// The halt in a row of `select_shards.sql`.
fn halt_of(row: &Row<'_>) -> Result<Option<Halt>, Fault> {
    let kind = match row.get::<_, Option<String>>(8)?.as_deref() {
        None => return Ok(None),
        Some(PAUSED) => HaltKind::Paused,
        Some(STOPPED) => HaltKind::Stopped {
            position: row::position(row, 11)?,
        },
        Some(kind) => return Err(Fault::corrupt(format!("a halt of the kind `{kind}`"))),
    };
    Ok(Some(Halt {
        kind,
        reason: row.get(9)?,
        since: time(row, 10)?,
    }))
}

pub(super) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp, Fault> {
    let time = Timestamp::from_microsecond(row.get(column)?);
    time.map_err(|why| Fault::corrupt(format!("a time of a shard: {why}")))
}

pub(super) fn worker_id(row: &Row<'_>, column: usize) -> Result<WorkerId, Fault> {
    let uuid = row::uuid(row.get_ref(column)?);
    let id = uuid.map_err(|why| Fault::corrupt(format!("the id of a worker: {why}")))?;
    Ok(WorkerId::from(id))
}

fn decode_epoch(row: &Row<'_>, column: usize) -> rusqlite::Result<Epoch> {
    Ok(Epoch::new(row.get::<_, i64>(column)?.cast_unsigned()))
}
