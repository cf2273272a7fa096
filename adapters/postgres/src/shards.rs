use std::borrow::Cow;

use cqrs_core::store::{
    Attendance, BoxFuture, Claim, Division, Epoch, Halt, HaltKind, KeyRelease, ParkedKey,
    Relocation, Roster, Shard, ShardState, ShardStore, SkippedEvent, StoreError, WorkerId,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::Postgres;
use crate::dialect::{decode_key, encode_key};
use crate::fault::Fault;
use crate::row;
use crate::shard_rows::{PAUSED, STOPPED, epoch, parked_key, roster, time};
use crate::store::Shared;
use crate::write::{division, parking};

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
            let client = pool.get().await?;
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
            let client = pool.get().await?;
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
            let client = pool.get().await?;
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

    fn seize(
        &self,
        worker: WorkerId,
        subscription: String,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let statement = &self.shared().sql.seize_shards;
            let params: [&(dyn ToSql + Sync); 2] = [&worker.as_uuid(), &subscription];
            Ok(!self.run(statement, &params).await?.is_empty())
        })
    }

    fn leave(&self, worker: WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let Shared { pool, sql, .. } = self.shared();
            let client = pool.get().await?;
            let leave = client.prepare(&sql.leave).await.map_err(Fault::from)?;
            client
                .execute(&leave, &[&worker.as_uuid()])
                .await
                .map_err(Fault::from)?;
            Ok(())
        })
    }

    fn shards(&self, subscription: String) -> BoxFuture<'_, Result<Vec<ShardState>, StoreError>> {
        Box::pin(async move {
            let statement = &self.shared().sql.select_shards;
            let rows = self.run(statement, &[&subscription]).await?;
            Ok(roster(&rows)?.shards)
        })
    }

    fn halt(
        &self,
        shard: Shard,
        halt: Halt,
        epoch: Option<Epoch>,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let [first, last] = row::slices(shard.slices);
            let (kind, position) = match halt.kind {
                HaltKind::Paused => (PAUSED, None),
                HaltKind::Stopped { position } => (STOPPED, Some(position.get().cast_signed())),
            };
            let (reason, since) = (row::without_nul(&halt.reason), halt.since.as_microsecond());
            let epoch = epoch.map(|epoch| epoch.get().cast_signed());
            let params: [&(dyn ToSql + Sync); 8] = [
                &shard.subscription,
                &first,
                &last,
                &kind,
                &reason,
                &since,
                &position,
                &epoch,
            ];
            let halted = self.run(&self.shared().sql.halt_shard, &params).await?;
            Ok(!halted.is_empty())
        })
    }

    fn resume(&self, shard: Shard, from_pause: bool) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let [first, last] = row::slices(shard.slices);
            let params: [&(dyn ToSql + Sync); 4] =
                [&shard.subscription, &first, &last, &from_pause];
            let resumed = self.run(&self.shared().sql.resume_shard, &params).await?;
            Ok(!resumed.is_empty())
        })
    }

    fn relocate(&self, relocation: Relocation) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let Relocation {
                shard,
                from,
                to,
                skipped,
                keys,
            } = relocation;
            let [first, last] = row::slices(shard.slices);
            let from = from.map(|from| from.get().cast_signed());
            let position = to.position.get().cast_signed();
            let (event, event_position) = to
                .last_event
                .map(|event| (event.id.as_uuid(), event.position.get().cast_signed()))
                .unzip();
            let skipped = skipped.as_ref();
            let mut keys: Vec<_> = keys.iter().map(|key| encode_key(key)).collect();
            if keys.is_empty() {
                keys.push(Cow::default());
            }
            let params: [&(dyn ToSql + Sync); 11] = [
                &shard.subscription,
                &first,
                &last,
                &from,
                &position,
                &event,
                &event_position,
                &skipped.map(|event| row::number(event.position)),
                &skipped.map(|event| row::without_nul(&event.reason)),
                &skipped.map(|event| event.time.as_microsecond()),
                &keys,
            ];
            let statement = &self.shared().sql.relocate_checkpoint;
            Ok(!self.run(statement, &params).await?.is_empty())
        })
    }

    fn divide(&self, new: Division) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { Ok(division::divide(self.shared(), &new).await?) })
    }

    fn skipped(
        &self,
        subscription: String,
    ) -> BoxFuture<'_, Result<Vec<SkippedEvent>, StoreError>> {
        Box::pin(async move {
            let statement = &self.shared().sql.select_skipped;
            let rows = self.run(statement, &[&subscription]).await?;
            let skipped = rows.iter().map(|row| {
                Ok(SkippedEvent {
                    position: row::position(row, 0)?,
                    reason: row.try_get(1)?,
                    time: time(row, 2)?,
                    key: Some(decode_key(row.try_get(3)?)).filter(|key| !key.is_empty()),
                })
            });
            Ok(skipped.collect::<Result<_, Fault>>()?)
        })
    }

    fn parked(&self, shard: Shard) -> BoxFuture<'_, Result<Vec<ParkedKey>, StoreError>> {
        Box::pin(async move {
            let [first, last] = row::slices(shard.slices);
            let statement = &self.shared().sql.select_parked;
            let params: [&(dyn ToSql + Sync); 3] = [&shard.subscription, &first, &last];
            let rows = self.run(statement, &params).await?;
            Ok(rows.iter().map(parked_key).collect::<Result<_, Fault>>()?)
        })
    }

    fn release_keys(&self, release: KeyRelease) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move { Ok(parking::release(self.shared(), &release).await?) })
    }
}

impl Postgres {
    async fn run(
        &self,
        statement: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fault> {
        let client = self.shared().pool.get().await?;
        let statement = client.prepare(statement).await?;
        Ok(client.query(&statement, params).await?)
    }
}
