use std::collections::HashMap;
use std::fmt::Write as _;

use cqrs_core::store::ModelSchema;
use tokio_postgres::Row;

use crate::dialect::{Table, identifier};
use crate::fault::Fault;
use crate::link::connection::Connection;
use crate::schema::Schema;
use crate::store::Shared;
use crate::transaction::open::OpenTransaction;

const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
const SELECT_MODELS: &str = "SELECT name, indexes FROM cqrs.models WHERE name = ANY($1)";
const UPSERT_MODEL: &str = "INSERT INTO cqrs.models (name, indexes) VALUES ($1, $2) \
     ON CONFLICT (name) DO UPDATE SET indexes = excluded.indexes";

/// A read model that is wanted.
struct Wanted {
    model: String,
    table: Table,
    /// A JSON array.
    indexes: String,
}

/// Makes tables for read models. A process that starts finds them nearly always, and then it
/// neither waits for a lock nor writes.
pub(crate) async fn prepare(shared: &Shared, models: &[ModelSchema]) -> Result<(), Fault> {
    let schema = &shared.schema;
    let wanted = models.iter().map(|model| Wanted::of(schema, model));
    let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
    let client = shared.pool.get().await?;
    let stored = stored(&client, schema, &wanted).await?;
    if wanted.iter().all(|it| it.is_stored(&stored)) {
        return Ok(());
    }
    // Each statement after the lock must see what the one who had it before has committed.
    let transaction = OpenTransaction::begin(client, OpenTransaction::READ_COMMITTED).await?;
    // Processes that start at once would make the same tables at once.
    let lock = format!("cqrs models {schema}");
    transaction.select_one(LOCK, &[&lock]).await?;
    let mut stored = self::stored(&transaction, schema, &wanted).await?;
    for it in wanted {
        if !it.is_stored(&stored) {
            it.make(&transaction, schema, stored.get(&it.model)).await?;
            stored.insert(it.model, it.indexes);
        }
    }
    Ok(transaction.commit().await?)
}

/// The indexes, by the model's name.
type Stored = HashMap<String, String>;

async fn stored(client: &Connection, schema: &Schema, wanted: &[Wanted]) -> Result<Stored, Fault> {
    let names: Vec<_> = wanted.iter().map(|it| it.model.as_str()).collect();
    let select = schema.apply(SELECT_MODELS);
    let select = client.prepare(&select).await?;
    let rows = client.query(&select, &[&names]).await?;
    let pair = |row: Row| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.into_iter().map(pair).collect()
}

impl Wanted {
    fn of(schema: &Schema, model: &ModelSchema) -> Result<Self, Fault> {
        let indexes = serde_json::to_string(&model.indexes)
            .map_err(|error| Fault::data(format!("indexes of `{}`: {error}", model.table)))?;
        Ok(Self {
            model: model.table.clone(),
            table: Table::of(schema, model)?,
            indexes,
        })
    }

    fn is_stored(&self, stored: &Stored) -> bool {
        stored.get(&self.model) == Some(&self.indexes)
    }

    async fn make(
        &self,
        transaction: &Connection,
        schema: &Schema,
        stored: Option<&String>,
    ) -> Result<(), Fault> {
        let Self {
            model,
            table,
            indexes,
        } = self;
        if let Some(stored) = stored {
            transaction.batch_execute(&table.lock()).await?;
            let any = transaction.prepare(&table.any()).await?;
            let any = transaction.query_opt(&any, &[]).await?;
            // Indexes are positions in a row: rows of another shape cannot be told apart from
            // ours.
            if any.is_some() {
                return Err(Fault::corrupt(format!(
                    "the read model `{model}` is stored with the indexes {stored}, but has \
                     {indexes} now: raise its projection's version, so that it is built anew"
                )));
            }
            transaction.batch_execute(&table.drop()).await?;
        }
        transaction.batch_execute(&table.create()).await?;
        let upsert = schema.apply(UPSERT_MODEL);
        let upsert = transaction.prepare(&upsert).await?;
        transaction.execute(&upsert, &[model, indexes]).await?;
        Ok(())
    }
}

impl Table {
    /// Makes the table and its indexes. The key ends every index, so that ties come sorted by
    /// key. Indexes are named, and not as a table is: they share one space of names, and a name
    /// that PostgreSQL makes for one may be that of the next read model's table.
    fn create(&self) -> String {
        let Self { model, name, .. } = self;
        let mut sql = format!(
            "CREATE TABLE {name} (key text COLLATE \"C\" CONSTRAINT \"{}\" PRIMARY KEY, \
             body bytea NOT NULL",
            identifier("key", model)
        );
        for column in 0..self.indexes {
            let _ = write!(sql, ", i{column} bytea NOT NULL");
        }
        sql.push_str(");");
        for column in 0..self.indexes {
            let index = identifier(&format!("index{column}"), model);
            let _ = write!(sql, "CREATE INDEX \"{index}\" ON {name} (i{column}, key);");
        }
        sql
    }

    /// Keeps everybody else out, so that no row comes between a look at the table and its end.
    fn lock(&self) -> String {
        format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", self.name)
    }

    /// Any row at all.
    fn any(&self) -> String {
        format!("SELECT 1 FROM {} LIMIT 1", self.name)
    }

    /// Drops the table and its indexes.
    fn drop(&self) -> String {
        format!("DROP TABLE {}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_indexes_have_names_of_their_own() {
        let schema = Schema::new("shop").unwrap();
        let model = ModelSchema {
            table: "cards".to_owned(),
            indexes: vec!["price", "name"],
        };
        let table = Table::of(&schema, &model).unwrap();
        assert_eq!(
            table.create(),
            "CREATE TABLE \"shop\".\"view_cards\" (key text COLLATE \"C\" CONSTRAINT \
             \"key_cards\" PRIMARY KEY, body bytea NOT NULL, i0 bytea NOT NULL, i1 bytea NOT \
             NULL);CREATE INDEX \"index0_cards\" ON \"shop\".\"view_cards\" (i0, key);CREATE \
             INDEX \"index1_cards\" ON \"shop\".\"view_cards\" (i1, key);"
        );
    }
}
