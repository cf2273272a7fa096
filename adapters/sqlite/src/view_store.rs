use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{
    BoxFuture, ModelSchema, StoreError, ViewBatch, ViewCapabilities, ViewCommitError, ViewPage,
    ViewRow, ViewScan, ViewStore,
};
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::dialect::{self, Table, Tables};
use crate::fault::Fault;
use crate::write::check_models;
use crate::{Sqlite, row};

impl ViewStore for Sqlite {
    fn prepare(&self, models: Vec<ModelSchema>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let shared = self.shared();
            if shared.writer.is_some() {
                return shared.writer()?.prepare(models).await;
            }
            let check = move |conn: &Connection| check_models(conn, &models);
            shared.readers.run(check).await
        })
    }

    fn checkpoint(
        &self,
        subscription: &str,
    ) -> BoxFuture<'_, Result<Option<Position>, StoreError>> {
        let subscription = subscription.to_owned();
        self.shared()
            .readers
            .run(move |conn| Ok(row::checkpoint(conn, &subscription)?))
    }

    fn commit(&self, batch: ViewBatch) -> BoxFuture<'_, Result<(), ViewCommitError>> {
        Box::pin(async move { self.shared().writer()?.commit(batch).await })
    }

    fn load(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.shared()
            .readers
            .run(move |conn| load(conn, &model, &keys))
    }

    fn scan(&self, scan: ViewScan) -> BoxFuture<'_, Result<ViewPage, StoreError>> {
        self.shared().readers.run(move |conn| {
            Ok(ViewPage {
                rows: rows(conn, &scan)?,
                total: scan.with_total.then(|| count(conn, &scan)).transpose()?,
            })
        })
    }

    fn view_capabilities(&self) -> ViewCapabilities<'_> {
        ViewCapabilities::default()
            .read_only(self.shared().writer.is_none())
            .transactions(self)
            .reader(self)
    }
}

fn load(
    conn: &Connection,
    model: &ModelSchema,
    keys: &[String],
) -> Result<Vec<Option<Vec<u8>>>, Fault> {
    let mut statement = conn.prepare_cached(&Table::new(&Tables, model)?.load())?;
    let mut body = |key: &String| statement.query_row([key], |row| row.get(1)).optional();
    Ok(keys.iter().map(&mut body).collect::<Result<_, _>>()?)
}

fn count(conn: &Connection, scan: &ViewScan) -> Result<u64, Fault> {
    let statement = Table::new(&Tables, &scan.model)?.count(scan);
    let params = params_from_iter(statement.params.iter().map(dialect::value));
    let mut count = conn.prepare_cached(&statement.sql)?;
    let count: i64 = count.query_row(params, |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

fn rows(conn: &Connection, scan: &ViewScan) -> Result<Vec<ViewRow>, Fault> {
    if scan.take == 0 {
        return Ok(Vec::new());
    }
    let statement = Table::new(&Tables, &scan.model)?.page(scan);
    let params = params_from_iter(statement.params.iter().map(dialect::value));
    let mut select = conn.prepare_cached(&statement.sql)?;
    let row = |row: &rusqlite::Row<'_>| {
        Ok(ViewRow {
            key: row.get(0)?,
            body: row.get(1)?,
        })
    };
    Ok(select.query_map(params, row)?.collect::<Result<_, _>>()?)
}
