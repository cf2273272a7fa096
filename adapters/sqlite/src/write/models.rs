use cqrs_core::store::{ModelSchema, StoreError};
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::oneshot;

use super::task::{Log, Reply, Task};
use crate::dialect::Table;
use crate::fault::Fault;
use crate::sql;

/// Makes tables for read models.
pub(crate) struct PrepareTask {
    models: Vec<ModelSchema>,
    reply: Reply<Result<(), StoreError>>,
}

impl PrepareTask {
    pub(crate) fn new(
        models: Vec<ModelSchema>,
    ) -> (Self, oneshot::Receiver<Result<(), StoreError>>) {
        let (reply, answer) = Reply::new();
        (Self { models, reply }, answer)
    }
}

impl Task for PrepareTask {
    fn run(&mut self, log: &mut Log<'_>) -> Result<(), Fault> {
        for model in &self.models {
            prepare(log.conn, model)?;
        }
        self.reply.decide(Ok(()));
        Ok(())
    }

    fn is_effective(&self) -> bool {
        true
    }

    /// To make the tables again does no harm.
    fn is_there(&self, _conn: &Connection) -> Result<Option<bool>, Fault> {
        Ok(None)
    }

    fn answer(self: Box<Self>) {
        self.reply.send();
    }

    fn fail(self: Box<Self>, fault: Fault) {
        self.reply.send_instead(Err(fault.into()));
    }

    fn bytes(&self) -> usize {
        0
    }
}

/// Checks that there is a table for each of the read models.
pub(crate) fn check_models(conn: &Connection, models: &[ModelSchema]) -> Result<(), Fault> {
    for model in models {
        if stored_indexes(conn, model)? != Some(indexes(model)?) {
            return Err(Fault::read_only(format!(
                "the database has no read model `{}` of this shape: run the program that keeps it \
                 on the database first, opened for writing",
                model.table
            )));
        }
    }
    Ok(())
}

fn indexes(model: &ModelSchema) -> Result<String, Fault> {
    serde_json::to_string(&model.indexes)
        .map_err(|error| Fault::data(format!("indexes of `{}`: {error}", model.table)))
}

fn stored_indexes(conn: &Connection, model: &ModelSchema) -> Result<Option<String>, Fault> {
    let mut select = conn.prepare_cached(sql::SELECT_MODEL)?;
    let stored = select.query_row([&model.table], |row| row.get(0));
    Ok(stored.optional()?)
}

fn prepare(conn: &Connection, model: &ModelSchema) -> Result<(), Fault> {
    let table = Table::of(model)?;
    let indexes = indexes(model)?;
    match stored_indexes(conn, model)? {
        Some(stored) if stored == indexes => return Ok(()),
        // Indexes are positions in a row: rows of another shape cannot be told apart from ours.
        Some(stored) if conn.prepare(&table.any())?.exists([])? => {
            return Err(Fault::corrupt(format!(
                "the read model `{}` is stored with the indexes {stored}, but has {indexes} now: \
                 raise its projection's version, so that it is built anew",
                model.table
            )));
        }
        Some(_) => conn.execute_batch(&table.drop())?,
        None => {}
    }
    conn.execute_batch(&table.create())?;
    conn.prepare_cached(sql::UPSERT_MODEL)?
        .execute((&model.table, &indexes))?;
    Ok(())
}
