use cqrs_core::Position;
use cqrs_core::store::{
    Checkpoint, Epoch, ParkedChange, Shard, ViewBatch, ViewChange, ViewCommitError,
};
use cqrs_core::views::SortKey;
use cqrs_kit::view_changes::{ModelChanges, by_model};
use rusqlite::{CachedStatement, Connection};
use tokio::sync::oneshot;

use super::task::{Log, Responder, Task};
use super::{parking, shards};
use crate::dialect::{self, Tables};
use crate::fault::Fault;
use crate::{row, sql};

/// Changes to read models and the move of their checkpoint, on the way through the writing thread.
pub(crate) struct ViewTask {
    shard: Shard,
    epoch: Epoch,
    from: Option<Position>,
    to: Checkpoint,
    changes: Vec<ModelChanges<Tables>>,
    parked: Vec<ParkedChange>,
    bytes: usize,
    responder: Responder<Result<(), ViewCommitError>>,
}

impl ViewTask {
    pub(crate) fn new(
        batch: ViewBatch,
    ) -> Result<(Self, oneshot::Receiver<Result<(), ViewCommitError>>), ViewCommitError> {
        let (responder, answer) = Responder::new();
        let bytes = batch.changes.iter().map(size).sum();
        let changes = by_model(&Tables, batch.changes).map_err(Fault::from)?;
        let ViewBatch {
            shard,
            epoch,
            from,
            to,
            parked,
            ..
        } = batch;
        Ok((
            Self {
                shard,
                epoch,
                from,
                to,
                changes,
                parked,
                bytes,
                responder,
            },
            answer,
        ))
    }

    fn write(&self, conn: &Connection) -> Result<(), Fault> {
        for model in &self.changes {
            write_model(conn, model)?;
        }
        parking::write(conn, &self.shard.subscription, &self.parked)?;
        let mut checkpoint = conn.prepare_cached(sql::UPSERT_CHECKPOINT)?;
        let last = self
            .to
            .last_event
            .map(|event| (event.id.as_uuid(), row::number(event.position)));
        checkpoint.execute((
            &self.shard.subscription,
            self.shard.slices.first(),
            self.shard.slices.last(),
            self.epoch.get().cast_signed(),
            row::number(self.to.position),
            last.as_ref().map(|(id, _)| &id.as_bytes()[..]),
            last.map(|(_, position)| position),
        ))?;
        Ok(())
    }
}

impl Task for ViewTask {
    fn run(&mut self, log: &mut Log<'_>) -> Result<(), Fault> {
        // The fence: only one of two workers finds the checkpoint at the start of its batch, and only
        // the last one to claim the shard finds its own epoch. The lock is
        // held, so the views and the checkpoint change together, or not at all (V1, V2).
        let found = row::checkpoint(log.conn, &self.shard)?.map(|found| found.position);
        let is_at_start = found == self.from
            && shards::epoch(log.conn, &self.shard)? == Some(self.epoch)
            && parking::are_at_start(log.conn, &self.shard.subscription, &self.parked)?;
        let answer = if is_at_start {
            self.write(log.conn)?;
            Ok(())
        } else {
            Err(ViewCommitError::Moved { found })
        };
        self.responder.decide(answer);
        Ok(())
    }

    fn is_effective(&self) -> bool {
        matches!(self.responder.decided(), Some(Ok(())))
    }

    fn is_there(&self, conn: &Connection) -> Result<Option<bool>, Fault> {
        if !self.is_effective() {
            return Ok(None);
        }
        let found = row::checkpoint(conn, &self.shard)?;
        let are_done = parking::are_done(conn, &self.shard.subscription, &self.parked)?;
        Ok(Some(found == Some(self.to) && are_done))
    }

    fn answer(self: Box<Self>) {
        self.responder.send();
    }

    fn fail(self: Box<Self>, fault: Fault) {
        self.responder.send_instead(Err(fault.into()));
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

fn write_model(
    conn: &Connection,
    ModelChanges { table, changes, .. }: &ModelChanges<Tables>,
) -> Result<(), Fault> {
    let mut upsert = conn.prepare_cached(&dialect::upsert(table))?;
    let mut delete = conn.prepare_cached(&table.delete())?;
    for ViewChange { key, view, .. } in changes {
        match view {
            Some((body, sort_keys)) => put(&mut upsert, key, body, sort_keys)?,
            None => {
                delete.execute([key])?;
            }
        }
    }
    Ok(())
}

fn put(
    upsert: &mut CachedStatement<'_>,
    key: &str,
    body: &[u8],
    sort_keys: &[SortKey],
) -> rusqlite::Result<()> {
    upsert.raw_bind_parameter(1, key)?;
    upsert.raw_bind_parameter(2, body)?;
    for (place, sort_key) in sort_keys.iter().enumerate() {
        upsert.raw_bind_parameter(place + 3, sort_key.as_bytes())?;
    }
    upsert.raw_execute()?;
    Ok(())
}

fn size(change: &ViewChange) -> usize {
    change.key.len() + change.view.as_ref().map_or(0, |(body, _)| body.len())
}
