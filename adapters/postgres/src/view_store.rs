use std::borrow::Cow;
use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{
    BoxFuture, Incarnation, ModelSchema, StoreError, ViewBatch, ViewCapabilities, ViewChange,
    ViewCommitError, ViewPage, ViewRow, ViewScan, ViewStore,
};
use cqrs_kit::view_changes::{ModelChanges, by_model};
use cqrs_kit::view_table::Statement;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::dialect::{self, Table};
use crate::fault::{Fault, Kind};
use crate::link::connection::Connection;
use crate::read::{coalescer, replica};
use crate::schema::Schema;
use crate::store::Shared;
use crate::transaction::open::OpenTransaction;
use crate::write::models::prepare;
use crate::{Postgres, row};

/// With the head, and whether the event at the checkpoint is the one that was there when it was
/// written. Nobody knows if the checkpoint was last moved by a process of a version that did not
/// keep the event.
const SELECT_CHECKPOINT: &str = "SELECT checkpoints.position, head.position, \
     events.id IS NOT DISTINCT FROM checkpoints.event OR checkpoints.event IS NULL \
     OR checkpoints.event_position IS DISTINCT FROM checkpoints.position \
     FROM cqrs.checkpoints AS checkpoints CROSS JOIN cqrs.head AS head \
     LEFT JOIN cqrs.events AS events ON events.position = checkpoints.position \
     WHERE checkpoints.subscription = $1 AND head.id = 1";
const FIRST_CHECKPOINT: &str = "INSERT INTO cqrs.checkpoints \
     (subscription, position, event, event_position) \
     VALUES ($1, $2, (SELECT id FROM cqrs.events WHERE position = $2), $2) ON CONFLICT DO NOTHING";
const MOVE_CHECKPOINT: &str = "UPDATE cqrs.checkpoints \
     SET position = $2, event = (SELECT id FROM cqrs.events WHERE position = $2), \
     event_position = $2 \
     WHERE subscription = $1 AND position = $3";
/// Also for a subscription that has no checkpoint yet.
const LOCK_SUBSCRIPTION: &str = "SELECT pg_advisory_xact_lock($1)";

/// How often a commit is tried that others are in the way of.
const MAX_ATTEMPTS: usize = 5;

impl ViewStore for Postgres {
    fn prepare(&self, models: Vec<ModelSchema>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { Ok(prepare(self.shared(), &models).await?) })
    }

    fn checkpoint(
        &self,
        subscription: &str,
    ) -> BoxFuture<'_, Result<Option<Position>, StoreError>> {
        let subscription = subscription.to_owned();
        Box::pin(async move {
            let Shared { pool, schema, .. } = self.shared();
            let client = pool.get().await.map_err(Fault::from)?;
            match find_checkpoint(&client, schema, &subscription).await? {
                Some(found) if found.is_lost => Err(StoreError::Rewound {
                    head: found.head,
                    seen: found.position,
                }),
                found => Ok(found.map(|found| found.position)),
            }
        })
    }

    fn commit(&self, batch: ViewBatch) -> BoxFuture<'_, Result<(), ViewCommitError>> {
        Box::pin(commit(self.shared(), batch))
    }

    fn wait_until_visible(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            if self.shared().reads_replica {
                replica::replayed(self.shared()).await?;
            }
            Ok(())
        })
    }

    fn load(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        Box::pin(async move {
            let table = Table::new(&self.shared().schema, &model).map_err(Fault::from)?;
            Ok(self.shared().view_loads.load(table, keys).await?)
        })
    }

    fn load_to_fold(
        &self,
        model: Arc<ModelSchema>,
        keys: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        // From where they are written.
        Box::pin(async move {
            let table = Table::new(&self.shared().schema, &model).map_err(Fault::from)?;
            Ok(coalescer::select(&self.shared().pool, &table, &keys).await?)
        })
    }

    fn scan(&self, scan: ViewScan) -> BoxFuture<'_, Result<ViewPage, StoreError>> {
        Box::pin(async move { Ok(scanned(self.shared(), &scan).await?) })
    }

    fn view_incarnation(&self) -> Incarnation {
        self.shared().tail.incarnation()
    }

    fn view_capabilities(&self) -> ViewCapabilities<'_> {
        ViewCapabilities::default().transactions(self).reader(self)
    }
}

/// A checkpoint as it is stored.
struct Found {
    position: Position,
    head: Position,
    /// It was written when another event was at its position.
    is_lost: bool,
}

async fn checkpoint(
    client: &Connection,
    schema: &Schema,
    subscription: &str,
) -> Result<Option<Position>, Fault> {
    let found = find_checkpoint(client, schema, subscription).await?;
    Ok(found.map(|found| found.position))
}

async fn find_checkpoint(
    client: &Connection,
    schema: &Schema,
    subscription: &str,
) -> Result<Option<Found>, Fault> {
    // PostgreSQL refuses to look for what it cannot store.
    if subscription.contains('\0') {
        return Ok(None);
    }
    let select = client.prepare(&schema.apply(SELECT_CHECKPOINT)).await?;
    let found = client.query_opt(&select, &[&subscription]).await?;
    let read = |row: Row| {
        Ok(Found {
            position: row::position(&row, 0)?,
            head: row::position(&row, 1)?,
            is_lost: !row.try_get::<_, bool>(2)?,
        })
    };
    found.map(read).transpose()
}

async fn scanned(shared: &Shared, scan: &ViewScan) -> Result<ViewPage, Fault> {
    let table = Table::new(&shared.schema, &scan.model)?;
    let statement = if scan.with_total {
        table.page_with_total(scan)
    } else {
        table.page(scan)
    };
    let found = query(shared, &statement).await?;
    let total = match found.first() {
        Some(first) if scan.with_total => Some(first.try_get::<_, i64>(2)?.cast_unsigned()),
        _ => None,
    };
    let mut rows = Vec::with_capacity(found.len());
    for row in found {
        // Without any view, there is a row with nothing but the total.
        if let Some(key) = row.try_get(0)? {
            rows.push(ViewRow {
                key: dialect::decode_key(key),
                body: row.try_get(1)?,
            });
        }
    }
    Ok(ViewPage { rows, total })
}

async fn query(shared: &Shared, Statement { sql, params }: &Statement) -> Result<Vec<Row>, Fault> {
    let client = shared.reads.get().await?;
    let select = client.prepare(sql).await?;
    let params: Vec<_> = params.iter().map(dialect::value).collect();
    Ok(client.query(&select, &params).await?)
}

/// How an attempt to commit ended.
enum Outcome {
    Done,
    Moved(Option<Position>),
    /// What was sent may have happened.
    Unknown(Fault),
}

async fn commit(shared: &Shared, mut batch: ViewBatch) -> Result<(), ViewCommitError> {
    if batch.subscription.contains('\0') {
        let reason = "PostgreSQL cannot store U+0000 in the name of a subscription";
        return Err(Fault::data(reason).into());
    }
    let changes =
        by_model(&shared.schema, std::mem::take(&mut batch.changes)).map_err(Fault::from)?;
    let mut tries = 1;
    let outcome = loop {
        match attempt(shared, &batch, &changes).await {
            // The same again will do: nothing was written.
            Err(fault) if fault.kind() == Kind::Contention && tries < MAX_ATTEMPTS => tries += 1,
            outcome => break outcome?,
        }
    };
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::Moved(found) => Err(ViewCommitError::Moved { found }),
        Outcome::Unknown(fault) => resolve_batch(shared, &batch, fault).await,
    }
}

async fn attempt(
    shared: &Shared,
    batch: &ViewBatch,
    changes: &[ModelChanges<Schema>],
) -> Result<Outcome, Fault> {
    let schema = &shared.schema;
    let connection = shared.pool.get().await?;
    // It must see what others committed while it waited for the checkpoint's row.
    let transaction = OpenTransaction::begin(connection, OpenTransaction::READ_COMMITTED).await?;
    // The fence comes first: it keeps the other workers of the subscription waiting until it is
    // known how this one ends.
    let is_current = transaction.incarnation() == batch.incarnation;
    if !is_current || !advance(&transaction, schema, batch).await? {
        let found = checkpoint(&transaction, schema, &batch.subscription).await?;
        transaction.roll_back().await?;
        return Ok(Outcome::Moved(found));
    }
    for model in changes {
        write_model(&transaction, model).await?;
    }
    match transaction.commit().await.map_err(Fault::from) {
        Ok(()) => Ok(Outcome::Done),
        Err(fault) if fault.kind() == Kind::Contention => Err(fault),
        Err(fault) => Ok(Outcome::Unknown(fault)),
    }
}

/// Looks where the checkpoint is after a commit without an answer. If it is where the batch
/// started, the worker sends the batch again, and the fence lets it happen once even if the first
/// is still under way.
async fn resolve_batch(
    shared: &Shared,
    batch: &ViewBatch,
    fault: Fault,
) -> Result<(), ViewCommitError> {
    let Ok(client) = shared.pool.get().await else {
        return Err(fault.into());
    };
    match checkpoint(&client, &shared.schema, &batch.subscription).await {
        // A batch that stays where it is leaves no trace there: it is sent again, too.
        Ok(found) if client.incarnation() != batch.incarnation => {
            Err(ViewCommitError::Moved { found })
        }
        Ok(found) if found == batch.from => Err(fault.into()),
        Ok(found) if found == Some(batch.to) => Ok(()),
        Ok(found) => Err(ViewCommitError::Moved { found }),
        Err(_) => Err(fault.into()),
    }
}

/// Commits in the transaction that is open on this connection, and ends it.
pub(crate) async fn commit_in(
    client: &Connection,
    shared: &Shared,
    mut batch: ViewBatch,
) -> Result<(), ViewCommitError> {
    let changes = std::mem::take(&mut batch.changes);
    match write_in(client, &shared.schema, &batch, changes).await {
        Ok(Outcome::Done) => Ok(()),
        Ok(Outcome::Unknown(fault)) => resolve_batch(shared, &batch, fault).await,
        Ok(Outcome::Moved(found)) => {
            client
                .batch_execute("ROLLBACK")
                .await
                .map_err(Fault::from)?;
            Err(ViewCommitError::Moved { found })
        }
        Err(fault) => {
            // Whatever comes of it, nothing was written.
            let _ = client.batch_execute("ROLLBACK").await;
            Err(fault.into())
        }
    }
}

async fn write_in(
    client: &Connection,
    schema: &Schema,
    batch: &ViewBatch,
    changes: Vec<ViewChange>,
) -> Result<Outcome, Fault> {
    let is_current = client.incarnation() == batch.incarnation;
    if !is_current || !advance(client, schema, batch).await? {
        let found = checkpoint(client, schema, &batch.subscription).await?;
        return Ok(Outcome::Moved(found));
    }
    for model in by_model(schema, changes)? {
        write_model(client, &model).await?;
    }
    match client.batch_execute("COMMIT").await.map_err(Fault::from) {
        Ok(()) => Ok(Outcome::Done),
        Err(fault) if fault.kind() == Kind::Lost => Ok(Outcome::Unknown(fault)),
        Err(fault) => Err(fault),
    }
}

/// The checkpoint, once no other transaction is at work for the subscription.
pub(crate) async fn locked_checkpoint(
    client: &Connection,
    schema: &Schema,
    subscription: &str,
) -> Result<Option<Position>, Fault> {
    let key = format!("{schema}:{subscription}");
    let key = xxhash_rust::xxh3::xxh3_64(key.as_bytes()).cast_signed();
    let lock = client.prepare(LOCK_SUBSCRIPTION).await?;
    client.query(&lock, &[&key]).await?;
    checkpoint(client, schema, subscription).await
}

/// Moves the checkpoint, if it is where the batch starts.
async fn advance(
    transaction: &Connection,
    schema: &Schema,
    batch: &ViewBatch,
) -> Result<bool, Fault> {
    let (to, from) = (row::number(batch.to), batch.from.map(row::number));
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![&batch.subscription, &to];
    let sql = if let Some(from) = &from {
        params.push(from);
        MOVE_CHECKPOINT
    } else {
        FIRST_CHECKPOINT
    };
    let statement = transaction.prepare(&schema.apply(sql)).await?;
    Ok(transaction.execute(&statement, &params).await? == 1)
}

async fn write_model(
    transaction: &Connection,
    changes: &ModelChanges<Schema>,
) -> Result<(), Fault> {
    let mut keys: Vec<Cow<'_, str>> = Vec::new();
    let mut bodies: Vec<&[u8]> = Vec::new();
    let mut columns: Vec<Vec<&[u8]>> = vec![Vec::new(); changes.table.indexes()];
    let mut deleted: Vec<Cow<'_, str>> = Vec::new();
    for (key, view) in &changes.views {
        let Some((body, sort_keys)) = view else {
            deleted.push(dialect::encode_key(key));
            continue;
        };
        keys.push(dialect::encode_key(key));
        bodies.push(body);
        for (column, sort_key) in columns.iter_mut().zip(sort_keys) {
            column.push(sort_key.as_bytes());
        }
    }
    if !keys.is_empty() {
        let upsert = transaction.prepare(&changes.table.upsert()).await?;
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&keys, &bodies];
        params.extend(columns.iter().map(|column| column as &(dyn ToSql + Sync)));
        transaction.execute(&upsert, &params).await?;
    }
    if !deleted.is_empty() {
        let delete = transaction.prepare(&changes.table.delete()).await?;
        transaction.execute(&delete, &[&deleted]).await?;
    }
    Ok(())
}
