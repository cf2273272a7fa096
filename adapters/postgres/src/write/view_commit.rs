use std::borrow::Cow;
use std::fmt::Write as _;

use cqrs_core::store::{Epoch, SortKey, ViewBatch};
use cqrs_kit::view_changes::ModelChanges;
use tokio_postgres::types::ToSql;

use super::view_copy::ModelWrite;
use crate::dialect;
use crate::row;
use crate::sql::Sql;

/// The part of the statement that moves the checkpoint. It has a row if the checkpoint was at the
/// start of the batch, in the epoch of the batch, and every other part joins it.
const FENCE: &str = "checkpoint";

/// One statement that moves a checkpoint and writes the changes of views behind it, with its
/// parameters: a single round trip, and without a transaction around it, all of it or nothing (V1). New
/// views of which there are many are not in it: they are [copied](super::view_copy::ViewCopy) behind it, in one transaction.
///
/// The statement writes nothing unless the checkpoint is at the start of the batch (V2), however the
/// parts are executed:
///
/// - A part sees no row of the fence before the checkpoint's row is locked. If another worker holds
///   that lock, the statement waits, and then compares the position that the other one has left.
/// - An insert of a view that is there fails, and with it the statement.
/// - An upsert also finds rows that were committed after the statement began. A delete does not, but
///   no such row exists if the fence has a row: the views were last changed by the commit that moved
///   the checkpoint to the start of the batch, and the batch follows it.
pub(crate) struct CommitStatement<'b> {
    sql: String,
    params: Vec<Box<dyn ToSql + Sync + Send + 'b>>,
}

/// When a commit is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Once it is on the disk.
    Flushed,
    /// Once it is visible. A crash of the server within the next second may take it back, together
    /// with all commits after it.
    Written,
}

/// Views to write, by column.
struct ViewRows<'b> {
    keys: Vec<Cow<'b, str>>,
    bodies: Vec<&'b [u8]>,
    /// The sort keys of each index.
    sort_keys: Vec<Vec<&'b [u8]>>,
}

impl<'b> ViewRows<'b> {
    fn new(indexes: usize) -> Self {
        Self {
            keys: Vec::new(),
            bodies: Vec::new(),
            sort_keys: vec![Vec::new(); indexes],
        }
    }

    fn add(&mut self, key: Cow<'b, str>, body: &'b [u8], sort_keys: &'b [SortKey]) {
        self.keys.push(key);
        self.bodies.push(body);
        for (column, sort_key) in self.sort_keys.iter_mut().zip(sort_keys) {
            column.push(sort_key.as_bytes());
        }
    }
}

impl<'b> CommitStatement<'b> {
    pub(crate) fn new(
        sql: &Sql,
        batch: &'b ViewBatch,
        writes: &[ModelWrite<'b>],
        durability: Durability,
    ) -> Self {
        let last_event = batch.to.last_event;
        let [first_slice, last_slice] = row::slices(batch.shard.slices);
        let mut statement = Self {
            sql: String::new(),
            params: vec![
                Box::new(batch.shard.subscription.as_str()),
                Box::new(first_slice),
                Box::new(last_slice),
                Box::new(row::number(batch.to.position)),
                Box::new(last_event.map(|event| event.id.as_uuid())),
                Box::new(last_event.map(|event| row::number(event.position))),
            ],
        };
        let fence = if batch.from.is_none() && batch.epoch == Epoch::UNCLAIMED {
            &sql.insert_checkpoint
        } else {
            let epoch = batch.epoch.get().cast_signed();
            statement.params.push(Box::new(epoch));
            statement.params.push(Box::new(batch.from.map(row::number)));
            &sql.move_checkpoint
        };
        statement.sql = format!("WITH {FENCE} AS (\n{fence})");
        for write in writes {
            statement.write_model(write);
        }
        // The setting lasts until the end of the transaction, which is this statement.
        let setting = match durability {
            Durability::Flushed => "",
            Durability::Written => ", set_config('synchronous_commit', 'off', true)",
        };
        let _ = write!(statement.sql, "\nSELECT count(*){setting} FROM {FENCE}");
        statement
    }

    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    pub(crate) fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.params.iter().map(|param| &**param as _).collect()
    }

    fn write_model(&mut self, write: &ModelWrite<'b>) {
        let ModelWrite { model, is_copied } = *write;
        let ModelChanges { table, changes, .. } = model;
        let [mut inserted, mut upserted] = [(); 2].map(|()| ViewRows::new(table.indexes()));
        let mut deleted: Vec<Cow<'b, str>> = Vec::new();
        for change in changes {
            let key = dialect::encode_key(&change.key);
            match &change.view {
                Some(_) if change.is_new && is_copied => {}
                Some((body, sort_keys)) if change.is_new => inserted.add(key, body, sort_keys),
                Some((body, sort_keys)) => upserted.add(key, body, sort_keys),
                None => deleted.push(key),
            }
        }
        self.write_rows(inserted, |first| {
            dialect::insert_behind(FENCE, table, first)
        });
        self.write_rows(upserted, |first| {
            dialect::upsert_behind(FENCE, table, first)
        });
        let next = self.params.len() + 1;
        if !deleted.is_empty() {
            self.push_part(&dialect::delete_behind(FENCE, table, next));
            self.params.push(Box::new(deleted));
        }
    }

    /// Adds the part for these rows, whose first parameter has the given number, unless there are none.
    fn write_rows(&mut self, rows: ViewRows<'b>, part: impl FnOnce(usize) -> String) {
        let first = self.params.len() + 1;
        if rows.keys.is_empty() {
            return;
        }
        self.push_part(&part(first));
        self.params.push(Box::new(rows.keys));
        self.params.push(Box::new(rows.bodies));
        for column in rows.sort_keys {
            self.params.push(Box::new(column));
        }
    }

    /// Adds a part, named after the number of parameters before it.
    fn push_part(&mut self, part: &str) {
        let number = self.params.len();
        let _ = write!(self.sql, ", part{number} AS ({part})");
    }
}
