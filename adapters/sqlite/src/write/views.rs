use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{ModelSchema, ViewBatch, ViewChange, ViewCommitError};
use cqrs_core::views::SortKey;
use rusqlite::{CachedStatement, Connection};
use tokio::sync::oneshot;

use super::task::{Log, Reply, Task};
use crate::dialect::Table;
use crate::fault::Fault;
use crate::{row, sql};

/// Changes to read models and the move of a checkpoint, on their way through the writing thread.
pub(crate) struct ViewTask {
    subscription: String,
    from: Option<Position>,
    to: Position,
    changes: Vec<Changes>,
    bytes: usize,
    reply: Reply<Result<(), ViewCommitError>>,
}

/// A view as JSON and its sort keys; `None` deletes it.
type View = Option<(Vec<u8>, Vec<SortKey>)>;

/// The changes to one read model.
struct Changes {
    model: Arc<ModelSchema>,
    upsert: String,
    delete: String,
    views: Vec<(String, View)>,
}

impl ViewTask {
    pub(crate) fn new(
        batch: ViewBatch,
    ) -> Result<(Self, oneshot::Receiver<Result<(), ViewCommitError>>), ViewCommitError> {
        let (reply, answer) = Reply::new();
        let bytes = batch.changes.iter().map(size).sum();
        let mut changes: Vec<Changes> = Vec::new();
        for ViewChange { model, key, view } in batch.changes {
            check(&model, &key, &view)?;
            let group = changes.iter_mut().find(|group| group.model == model);
            if let Some(group) = group {
                group.views.push((key, view));
            } else {
                changes.push(Changes::new(model, (key, view))?);
            }
        }
        for group in &mut changes {
            // In the order of the table, so that neighbors are found in the same page.
            group.views.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        }
        let ViewBatch {
            subscription,
            from,
            to,
            ..
        } = batch;
        Ok((
            Self {
                subscription,
                from,
                to,
                changes,
                bytes,
                reply,
            },
            answer,
        ))
    }

    fn write(&self, conn: &Connection) -> Result<(), Fault> {
        for group in &self.changes {
            group.write(conn)?;
        }
        let mut checkpoint = conn.prepare_cached(sql::UPSERT_CHECKPOINT)?;
        checkpoint.execute((&self.subscription, row::number(self.to)))?;
        Ok(())
    }
}

impl Task for ViewTask {
    fn run(&mut self, log: &mut Log<'_>) -> Result<(), Fault> {
        let found = row::checkpoint(log.conn, &self.subscription)?;
        let answer = if found == self.from {
            self.write(log.conn)?;
            Ok(())
        } else {
            Err(ViewCommitError::Moved { found })
        };
        self.reply.decide(answer);
        Ok(())
    }

    fn is_effective(&self) -> bool {
        matches!(self.reply.decided(), Some(Ok(())))
    }

    fn is_there(&self, conn: &Connection) -> Result<Option<bool>, Fault> {
        if !self.is_effective() {
            return Ok(None);
        }
        let found = row::checkpoint(conn, &self.subscription)?;
        Ok(Some(found == Some(self.to)))
    }

    fn answer(self: Box<Self>) {
        self.reply.send();
    }

    fn fail(self: Box<Self>, fault: Fault) {
        self.reply.send_instead(Err(fault.into()));
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Changes {
    fn new(model: Arc<ModelSchema>, first: (String, View)) -> Result<Self, Fault> {
        let table = Table::of(&model)?;
        Ok(Self {
            model,
            upsert: table.upsert(),
            delete: table.delete(),
            views: vec![first],
        })
    }

    fn write(&self, conn: &Connection) -> Result<(), Fault> {
        let mut upsert = conn.prepare_cached(&self.upsert)?;
        let mut delete = conn.prepare_cached(&self.delete)?;
        for (key, view) in &self.views {
            match view {
                Some((body, sort_keys)) => put(&mut upsert, key, body, sort_keys)?,
                None => {
                    delete.execute([key])?;
                }
            }
        }
        Ok(())
    }
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

fn check(model: &ModelSchema, key: &str, view: &View) -> Result<(), Fault> {
    let indexes = model.indexes.len();
    match view {
        Some((_, sort_keys)) if sort_keys.len() != indexes => Err(Fault::data(format!(
            "view `{key}` of `{}` has {} sort keys, its read model has {indexes} indexes",
            model.table,
            sort_keys.len(),
        ))),
        _ => Ok(()),
    }
}

fn size(change: &ViewChange) -> usize {
    change.key.len() + change.view.as_ref().map_or(0, |(body, _)| body.len())
}
