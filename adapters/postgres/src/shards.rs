use std::collections::HashMap;

use cqrs_core::store::{
    Attendance, BoxFuture, Claim, Epoch, Roster, Shard, ShardState, ShardStore, Slices, StoreError,
    WorkerId,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::Postgres;
use crate::fault::Fault;
use crate::row;
use crate::store::Shared;
use crate::write::checkpoint;

impl ShardStore for Postgres {
    fn attend(&self, attendance: Attendance) -> BoxFuture<'_, Result<Roster, StoreError>> {
        Box::pin(async move {
            let Shared {
                pool,
                sql,
                notifier,
                ..
            } = self.shared();
            let (backend, start) = notifier.backend().await.unzip();
            let client = pool.get().await.map_err(Fault::from)?;
            let attend = client.prepare(&sql.attend).await.map_err(Fault::from)?;
            let worker = attendance.worker.as_uuid();
            let seconds = attendance.lease.as_secs_f64();
            let params: [&(dyn ToSql + Sync); 5] = [
                &worker,
                &attendance.subscriptions,
                &seconds,
                &backend,
                &start,
            ];
            let rows = client.query(&attend, &params).await.map_err(Fault::from)?;
            Ok(roster(&rows)?)
        })
    }

    fn claim(
        &self,
        worker: WorkerId,
        claims: Vec<Claim>,
    ) -> BoxFuture<'_, Result<Vec<Option<Epoch>>, StoreError>> {
        Box::pin(async move {
            let Shared { pool, sql, .. } = self.shared();
            let client = pool.get().await.map_err(Fault::from)?;
            let claim = client
                .prepare(&sql.claim_shards)
                .await
                .map_err(Fault::from)?;
            let mut subscriptions = Vec::new();
            let mut slices = [Vec::new(), Vec::new()];
            let mut seen = Vec::new();
            for claim in &claims {
                subscriptions.push(claim.shard.subscription.as_str());
                for (bounds, bound) in slices.iter_mut().zip(row::slices(claim.shard.slices)) {
                    bounds.push(bound);
                }
                seen.push(claim.seen.get().cast_signed());
            }
            let [first, last] = slices;
            let params: [&(dyn ToSql + Sync); 5] =
                [&worker.as_uuid(), &subscriptions, &first, &last, &seen];
            let rows = client.query(&claim, &params).await.map_err(Fault::from)?;
            let mut epochs = vec![None; claims.len()];
            for row in &rows {
                // Numbered from 1.
                let number = row.try_get::<_, i64>(0).map_err(Fault::from)?;
                let place = usize::try_from(number - 1).unwrap_or(usize::MAX);
                if let Some(claimed) = epochs.get_mut(place) {
                    *claimed = Some(epoch(row, 1)?);
                }
            }
            Ok(epochs)
        })
    }

    fn release(
        &self,
        worker: WorkerId,
        shards: Vec<Shard>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let Shared { pool, sql, .. } = self.shared();
            let client = pool.get().await.map_err(Fault::from)?;
            let release = client
                .prepare(&sql.release_shards)
                .await
                .map_err(Fault::from)?;
            let first: Vec<i16> = shards
                .iter()
                .map(|shard| row::slices(shard.slices)[0])
                .collect();
            let subscriptions: Vec<&str> =
                shards.iter().map(|shard| &*shard.subscription).collect();
            let params: [&(dyn ToSql + Sync); 3] = [&worker.as_uuid(), &subscriptions, &first];
            client
                .execute(&release, &params)
                .await
                .map_err(Fault::from)?;
            Ok(())
        })
    }

    fn leave(&self, worker: WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let Shared { pool, sql, .. } = self.shared();
            let client = pool.get().await.map_err(Fault::from)?;
            let leave = client.prepare(&sql.leave).await.map_err(Fault::from)?;
            client
                .execute(&leave, &[&worker.as_uuid()])
                .await
                .map_err(Fault::from)?;
            Ok(())
        })
    }
}

/// The rows of `attend.sql`: processes, which have no epoch, and shards.
fn roster(rows: &[Row]) -> Result<Roster, Fault> {
    let mut workers = HashMap::new();
    let mut shards = Vec::new();
    for row in rows {
        let owner = row.try_get::<_, Option<Uuid>>(0)?.map(WorkerId::from);
        if row.try_get::<_, Option<i64>>(2)?.is_some() {
            shards.push(ShardState {
                owner,
                ..shard(row)?
            });
        } else if let Some(worker) = owner {
            workers.insert(worker, row.try_get(1)?);
        }
    }
    let mut workers: Vec<_> = workers.into_iter().collect();
    workers.sort();
    Ok(Roster { workers, shards })
}

fn shard(row: &Row) -> Result<ShardState, Fault> {
    let [first, last] = [row.try_get::<_, i16>(4)?, row.try_get::<_, i16>(5)?];
    let slices = Slices::new(first.cast_unsigned(), last.cast_unsigned())
        .ok_or_else(|| Fault::corrupt(format!("a shard of the slices {first} to {last}")))?;
    let has_checkpoint = row.try_get::<_, Option<i64>>(6)?.is_some();
    Ok(ShardState {
        shard: Shard {
            subscription: row.try_get(3)?,
            slices,
        },
        owner: None,
        epoch: epoch(row, 2)?,
        checkpoint: has_checkpoint
            .then(|| checkpoint::decode(row, 6))
            .transpose()?,
    })
}

fn epoch(row: &Row, column: usize) -> Result<Epoch, Fault> {
    Ok(Epoch::new(row.try_get::<_, i64>(column)?.cast_unsigned()))
}
