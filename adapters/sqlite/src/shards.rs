use cqrs_core::store::{
    Attendance, BoxFuture, Claim, Epoch, Roster, Shard, ShardStore, StoreError, WorkerId,
};
use rusqlite::Connection;

use crate::Sqlite;
use crate::fault::Fault;
use crate::write::shards;

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
}

impl Sqlite {
    fn in_writer<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        Box::pin(async move { self.shared().writer()?.work(work).await })
    }
}
