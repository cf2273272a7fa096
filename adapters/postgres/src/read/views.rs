use std::collections::HashMap;

use cqrs_core::store::{ViewPage, ViewScan};
use cqrs_kit::view_table::BoundStatement;
use tokio_postgres::Row;

use crate::dialect::{self, Table};
use crate::fault::Fault;
use crate::link::Pool;
use crate::schema::Schema;

/// The views with these keys, `None` where there is none, in the order of the keys.
pub(crate) async fn load(
    pool: &Pool,
    table: &Table,
    keys: &[String],
) -> Result<Vec<Option<Vec<u8>>>, Fault> {
    let keys: Vec<_> = keys.iter().map(|key| dialect::encode_key(key)).collect();
    let client = pool.get().await?;
    let select = client.prepare(&table.load()).await?;
    let mut found: HashMap<String, Vec<u8>> = HashMap::new();
    for row in client.query(&select, &[&keys]).await? {
        found.insert(row.try_get(0)?, row.try_get(1)?);
    }
    // A key may occur twice.
    let bodies = keys.iter().map(|key| found.get(key.as_ref()).cloned());
    Ok(bodies.collect())
}

/// The views of a scan.
pub(crate) async fn scan(pool: &Pool, schema: &Schema, scan: &ViewScan) -> Result<ViewPage, Fault> {
    let table = Table::new(schema, &scan.model)?;
    let statement = if scan.with_total {
        table.page_with_total(scan)
    } else {
        table.page(scan)
    };
    let found = query(pool, &statement).await?;
    let total = match found.first() {
        Some(first) if scan.with_total => Some(first.try_get::<_, i64>(2)?.cast_unsigned()),
        _ => None,
    };
    let mut rows = Vec::with_capacity(found.len());
    for row in found {
        // An empty page with a total is a row with nothing but the total.
        if let Some(key) = row.try_get(0)? {
            rows.push((dialect::decode_key(key), row.try_get(1)?));
        }
    }
    Ok(ViewPage { rows, total })
}

async fn query(
    pool: &Pool,
    BoundStatement { sql, params }: &BoundStatement,
) -> Result<Vec<Row>, Fault> {
    let client = pool.get().await?;
    let select = client.prepare(sql).await?;
    let params: Vec<_> = params.iter().map(dialect::value).collect();
    Ok(client.query(&select, &params).await?)
}
