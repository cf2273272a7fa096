use std::collections::HashMap;

use cqrs_core::store::ModelSchema;
use cqrs_kit::model_plan::{ModelPlan, ModelStep};
use tokio_postgres::types::ToSql;

use crate::dialect;
use crate::fault::Fault;
use crate::link::connection::Connection;
use crate::schema::Schema;
use crate::store::Shared;
use crate::transaction::pooled::PooledTransaction;

const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
const SELECT_MODELS: &str = "SELECT name, indexes FROM cqrs.models WHERE name = ANY($1)";
pub(super) const DELETE_MODEL: &str = "DELETE FROM cqrs.models WHERE name = $1";
const UPSERT_MODEL: &str = "INSERT INTO cqrs.models (name, indexes) VALUES ($1, $2) \
     ON CONFLICT (name) DO UPDATE SET indexes = excluded.indexes";

/// Creates the tables of read models. Nearly always they exist already, and then nothing is locked or
/// written.
pub(crate) async fn prepare(shared: &Shared, models: &[ModelSchema]) -> Result<(), Fault> {
    let schema = &shared.schema;
    let plans = models
        .iter()
        .map(|model| ModelPlan::new(schema, model))
        .collect::<Result<Vec<_>, _>>()?;
    let client = shared.pool.get().await?;
    let recorded = recorded_indexes(&client, schema, &plans).await?;
    if plans
        .iter()
        .all(|plan| step(plan, &recorded) == ModelStep::Keep)
    {
        return Ok(());
    }
    // Read committed: statements after the lock must see the tables that its last holder created.
    let transaction = PooledTransaction::new(client, PooledTransaction::READ_COMMITTED);
    transaction.begin().await?;
    // `CREATE TABLE` fails if another process creates the same table at the same time, so processes
    // that start together take turns.
    let lock = format!("cqrs models {schema}");
    transaction.select_one(LOCK, &[&lock]).await?;
    let mut recorded = recorded_indexes(&transaction, schema, &plans).await?;
    for plan in plans {
        carry_out(&plan, &transaction, schema, &recorded).await?;
        recorded.insert(plan.table.model().to_owned(), plan.indexes);
    }
    Ok(transaction.commit().await?)
}

/// The recorded indexes, by the name of the model.
type RecordedModels = HashMap<String, String>;

async fn recorded_indexes(
    client: &Connection,
    schema: &Schema,
    plans: &[ModelPlan<Schema>],
) -> Result<RecordedModels, Fault> {
    let names: Vec<_> = plans.iter().map(|plan| plan.table.model()).collect();
    let select = client.prepare(&schema.apply(SELECT_MODELS)).await?;
    let rows = client.query(&select, &[&names]).await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect()
}

fn step(plan: &ModelPlan<Schema>, recorded: &RecordedModels) -> ModelStep {
    plan.step(recorded.get(plan.table.model()).map(String::as_str))
}

async fn carry_out(
    plan: &ModelPlan<Schema>,
    transaction: &Connection,
    schema: &Schema,
    recorded: &RecordedModels,
) -> Result<(), Fault> {
    let table = &plan.table;
    match step(plan, recorded) {
        ModelStep::Keep => return Ok(()),
        ModelStep::Create => {}
        ModelStep::Replace => {
            transaction.batch_execute(&dialect::lock(table)).await?;
            let any = transaction.prepare(&table.any()).await?;
            if transaction.query_opt(&any, &[]).await?.is_some() {
                let recorded = recorded.get(table.model());
                return Err(plan
                    .other_indexes(recorded.map_or("", String::as_str))
                    .into());
            }
            transaction.batch_execute(&table.drop()).await?;
        }
    }
    transaction.batch_execute(&table.create()).await?;
    let upsert = transaction.prepare(&schema.apply(UPSERT_MODEL)).await?;
    let params: [&(dyn ToSql + Sync); 2] = [&table.model(), &plan.indexes];
    transaction.execute(&upsert, &params).await?;
    Ok(())
}
