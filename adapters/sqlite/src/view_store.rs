use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{
    BoxFuture, ModelSchema, StoreError, ViewBatch, ViewCommitError, ViewRow, ViewScan, ViewStore,
};
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::fault::Fault;
use crate::table::Table;
use crate::{Sqlite, row};

impl ViewStore for Sqlite {
    fn prepare(&self, models: Vec<ModelSchema>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.shared().writer.prepare(models))
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
        Box::pin(self.shared().writer.commit(batch))
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

    fn scan(&self, scan: ViewScan) -> BoxFuture<'_, Result<Vec<ViewRow>, StoreError>> {
        self.shared().readers.run(move |conn| rows(conn, &scan))
    }

    fn count(&self, scan: ViewScan) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.shared().readers.run(move |conn| {
            let statement = Table::of(&scan.model)?.count(&scan);
            let params = params_from_iter(&statement.params);
            let mut count = conn.prepare_cached(&statement.sql)?;
            Ok(count
                .query_row(params, |row| row.get::<_, i64>(0))?
                .cast_unsigned())
        })
    }
}

fn load(
    conn: &Connection,
    model: &ModelSchema,
    keys: &[String],
) -> Result<Vec<Option<Vec<u8>>>, Fault> {
    let mut statement = conn.prepare_cached(&Table::of(model)?.load())?;
    let mut body = |key: &String| statement.query_row([key], |row| row.get(0)).optional();
    Ok(keys.iter().map(&mut body).collect::<Result<_, _>>()?)
}

fn rows(conn: &Connection, scan: &ViewScan) -> Result<Vec<ViewRow>, Fault> {
    let statement = Table::of(&scan.model)?.scan(scan);
    let params = params_from_iter(&statement.params);
    let mut select = conn.prepare_cached(&statement.sql)?;
    let row = |row: &rusqlite::Row<'_>| {
        Ok(ViewRow {
            key: row.get(0)?,
            body: row.get(1)?,
        })
    };
    Ok(select.query_map(params, row)?.collect::<Result<_, _>>()?)
}
