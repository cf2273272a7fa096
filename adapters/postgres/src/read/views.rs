use std::collections::HashMap;

use cqrs_core::store::{ViewPage, ViewScan};
use cqrs_kit::view_table::BoundStatement;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::dialect::{self, Table};
use crate::fault::Fault;
use crate::pool::Pool;
use crate::schema::Schema;

/// The views with these keys, `None` where there is none, in the order of the keys.
pub(crate) async fn load(
    pool: &Pool,
    table: &Table,
    keys: &[String],
) -> Result<Vec<Option<Vec<u8>>>, Fault> {
    let keys: Vec<_> = keys.iter().map(|key| dialect::encode_key(key)).collect();
    let select = table.load();
    let params: [&(dyn ToSql + Sync); 1] = [&keys];
    let mut found: HashMap<String, Vec<u8>> = HashMap::new();
    for row in query(pool, &select, &params).await? {
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
    let BoundStatement { sql, params } = &statement;
    let params: Vec<_> = params.iter().map(dialect::value).collect();
    let found = query(pool, sql, &params).await?;
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

async fn query(pool: &Pool, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
    let client = pool.get_at_once().await?;
    let select = client.prepare(sql).await?;
    Ok(client.query(&select, params).await?)
}
