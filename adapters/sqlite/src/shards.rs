use cqrs_core::store::{
    Attendance, BoxFuture, Claim, Division, Epoch, Halt, KeyRelease, ParkedKey, Relocation, Roster,
    Shard, ShardState, ShardStore, SkippedEvent, StoreError, WorkerId,
};
use rusqlite::Connection;

use crate::Sqlite;
use crate::fault::Fault;
use crate::write::{parking, shards};

impl ShardStore for Sqlite {
    fn attend(&self, attendance: Attendance) -> BoxFuture<'_, Result<Roster, StoreError>> {
        Box::pin(async move {
            let locks = self.shared().worker_locks.clone();
            let writer = self.shared().writer()?;
            writer
                .work(move |conn| shards::attend(conn, &locks, &attendance))
                .await
        })
    }

    fn claim(
        &self,
        worker: WorkerId,
        claims: Vec<Claim>,
    ) -> BoxFuture<'_, Result<Vec<Option<Epoch>>, StoreError>> {
        self.in_writer(move |conn| shards::claim(conn, worker, &claims))
    }

    fn seize(
        &self,
        worker: WorkerId,
        subscription: String,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.in_writer(move |conn| shards::seize(conn, worker, &subscription))
    }

    fn release(
        &self,
        worker: WorkerId,
        shards: Vec<Shard>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.in_writer(move |conn| shards::release(conn, worker, &shards))
    }

    fn leave(&self, worker: WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let writer = self.shared().writer()?;
            writer.work(move |conn| shards::leave(conn, worker)).await?;
            self.shared().worker_locks.release(worker);
            Ok(())
        })
    }

    fn shards(&self, subscription: String) -> BoxFuture<'_, Result<Vec<ShardState>, StoreError>> {
        let readers = &self.shared().readers;
        readers.run(move |conn| shards::shards(conn, &[&subscription]))
    }

    fn halt(
        &self,
        shard: Shard,
        halt: Halt,
        epoch: Option<Epoch>,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.in_writer(move |conn| shards::halt(conn, &shard, &halt, epoch))
    }

    fn resume(&self, shard: Shard, from_pause: bool) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.in_writer(move |conn| shards::resume(conn, &shard, from_pause))
    }

    fn relocate(&self, relocation: Relocation) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.in_writer(move |conn| shards::relocate(conn, &relocation))
    }

    fn divide(&self, division: Division) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.in_writer(move |conn| shards::divide(conn, &division))
    }

    fn skipped(
        &self,
        subscription: String,
    ) -> BoxFuture<'_, Result<Vec<SkippedEvent>, StoreError>> {
        let readers = &self.shared().readers;
        readers.run(move |conn| shards::skipped(conn, &subscription))
    }

    fn parked(&self, shard: Shard) -> BoxFuture<'_, Result<Vec<ParkedKey>, StoreError>> {
        let readers = &self.shared().readers;
        readers.run(move |conn| parking::parked(conn, &shard))
    }

    fn release_keys(&self, release: KeyRelease) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.in_writer(move |conn| parking::release(conn, &release))
    }
}

impl Sqlite {
    pub(crate) fn in_writer<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        Box::pin(async move { self.shared().writer()?.work(work).await })
    }
}
