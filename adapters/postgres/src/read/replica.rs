use std::time::Duration;

use tokio::time::sleep;

use crate::fault::Fault;
use crate::store::Shared;

/// The position in the server's write-ahead log, which a replica replays.
const WRITTEN: &str = "SELECT pg_current_wal_flush_lsn()::text";

/// A replica that was promoted has nothing more to replay.
const REPLAYED: &str =
    "SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= $1::text::pg_lsn";

/// Maximum pause between two polls. A replica sends no notification of its progress.
const MAX_POLL_PAUSE: Duration = Duration::from_millis(32);

/// Waits until the database that queries read has all commits from before this call.
pub(crate) async fn replayed(shared: &Shared) -> Result<(), Fault> {
    let client = shared.pool.get().await?;
    let select_written = client.prepare(WRITTEN).await?;
    let written: String = client.query_one(&select_written, &[]).await?.try_get(0)?;
    drop(client);
    let mut pause = Duration::from_millis(1);
    loop {
        let replica = shared.reads.get().await?;
        let select_replayed = replica.prepare(REPLAYED).await?;
        let row = replica.query_one(&select_replayed, &[&written]).await?;
        drop(replica);
        if row.try_get(0)? {
            return Ok(());
        }
        sleep(pause).await;
        pause = (pause * 2).min(MAX_POLL_PAUSE);
    }
}
