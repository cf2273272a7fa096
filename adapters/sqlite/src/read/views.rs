use cqrs_core::store::{ModelSchema, ViewPage, ViewScan};
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::dialect::{self, Table, Tables};
use crate::fault::Fault;

/// The views with these keys, in the order of the keys. `None` where there is no view.
pub(crate) fn load(
    conn: &Connection,
    model: &ModelSchema,
    keys: &[String],
) -> Result<Vec<Option<Vec<u8>>>, Fault> {
    let mut statement = conn.prepare_cached(&Table::new(&Tables, model)?.load())?;
    let mut bodies = Vec::with_capacity(keys.len());
    for key in keys {
        let body = statement.query_row([key], |row| row.get(1)).optional()?;
        bodies.push(body);
    }
    Ok(bodies)
}

/// The views of a scan, in the snapshot that is open on the connection.
pub(crate) fn scan(conn: &Connection, scan: &ViewScan) -> Result<ViewPage, Fault> {
    Ok(ViewPage {
        rows: rows(conn, scan)?,
        total: scan.with_total.then(|| count(conn, scan)).transpose()?,
    })
}

fn count(conn: &Connection, scan: &ViewScan) -> Result<u64, Fault> {
    let statement = Table::new(&Tables, &scan.model)?.count(scan);
    let params = params_from_iter(statement.params.iter().map(dialect::value));
    let mut select = conn.prepare_cached(&statement.sql)?;
    let count: i64 = select.query_row(params, |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

fn rows(conn: &Connection, scan: &ViewScan) -> Result<Vec<(String, Vec<u8>)>, Fault> {
    if scan.take == 0 {
        return Ok(Vec::new());
    }
    let statement = Table::new(&Tables, &scan.model)?.page(scan);
    let params = params_from_iter(statement.params.iter().map(dialect::value));
    let mut select = conn.prepare_cached(&statement.sql)?;
    let rows = select.query_map(params, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
