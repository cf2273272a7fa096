use cqrs_core::store::{ModelSchema, StoreError};
use cqrs_kit::model_plan::{ModelPlan, ModelStep};
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::oneshot;

use super::task::{Log, Responder, Task};
use crate::dialect::Tables;
use crate::fault::Fault;
use crate::sql;

/// Creates the tables of read models.
pub(crate) struct PrepareTask {
    models: Vec<ModelSchema>,
    responder: Responder<Result<(), StoreError>>,
}

impl PrepareTask {
    pub(crate) fn new(
        models: Vec<ModelSchema>,
    ) -> (Self, oneshot::Receiver<Result<(), StoreError>>) {
        let (responder, answer) = Responder::new();
        (Self { models, responder }, answer)
    }
}

impl Task for PrepareTask {
    fn run(&mut self, log: &mut Log<'_>) -> Result<(), Fault> {
        for model in &self.models {
            prepare(log.conn, model)?;
        }
        self.responder.decide(Ok(()));
        Ok(())
    }

    fn is_effective(&self) -> bool {
        true
    }

    /// Not recognized, and no need: the tables are created only if they do not exist.
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

/// Checks that each read model has a table with its indexes, for a database that is only read.
pub(crate) fn check_models(conn: &Connection, models: &[ModelSchema]) -> Result<(), Fault> {
    for model in models {
        let plan = ModelPlan::new(&Tables, model)?;
        let recorded = recorded_indexes(conn, model)?;
        if plan.step(recorded.as_deref()) != ModelStep::Keep {
            return Err(Fault::read_only(format!(
                "the database has no read model `{}` of this shape: run the program that maintains \
                 it first, with the database opened for writing",
                model.table
            )));
        }
    }
    Ok(())
}

fn prepare(conn: &Connection, model: &ModelSchema) -> Result<(), Fault> {
    let plan = ModelPlan::new(&Tables, model)?;
    let recorded = recorded_indexes(conn, model)?;
    match plan.step(recorded.as_deref()) {
        ModelStep::Keep => return Ok(()),
        ModelStep::Create => {}
        ModelStep::Replace => {
            if conn.prepare(&plan.table.any())?.exists([])? {
                return Err(plan.other_indexes(&recorded.unwrap_or_default()).into());
            }
            conn.execute_batch(&plan.table.drop())?;
        }
    }
    conn.execute_batch(&plan.table.create())?;
    conn.prepare_cached(sql::UPSERT_MODEL)?
        .execute((&model.table, &plan.indexes))?;
    Ok(())
}

fn recorded_indexes(conn: &Connection, model: &ModelSchema) -> Result<Option<String>, Fault> {
    let mut select = conn.prepare_cached(sql::SELECT_MODEL)?;
    let recorded = select.query_row([&model.table], |row| row.get(0));
    Ok(recorded.optional()?)
}
