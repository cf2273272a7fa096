use std::time::Duration;

use tokio::time::sleep;

use crate::fault::Fault;
use crate::store::Shared;

/// The position in the server's write-ahead log after everything that is visible, flushed or not:
/// another process may have written views without waiting for the disk.
const WRITTEN: &str = "SELECT pg_current_wal_insert_lsn()::text";

/// What is no replica has nothing to replay.
const REPLAYED: &str = "\
    SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= $1::text::pg_lsn, pg_is_in_recovery()";

/// Maximum pause between two polls. A replica sends no notification of its progress.
const MAX_POLL_PAUSE: Duration = Duration::from_millis(32);

/// Waits until the database that queries read has all commits from before this call.
pub(crate) async fn replayed(shared: &Shared) -> Result<(), Fault> {
    let client = shared.pool.get_at_once().await?;
    let written: String = client.select_one(WRITTEN, &[]).await?.try_get(0)?;
    drop(client);
    let mut pause = Duration::from_millis(1);
    let mut is_flushed = false;
    loop {
        let replica = shared.reads.get_at_once().await?;
        let row = replica.select_one(REPLAYED, &[&written]).await?;
        if replica.is_to_standby() && !row.try_get(1)? {
            // It was promoted. Whether it is the leader, or has a log of its own since, a new connection finds out.
            replica.give_up();
            continue;
        }
        drop(replica);
        if row.try_get(0)? {
            return Ok(());
        }
        // On a server without other writers, the last records may not be flushed for many seconds.
        if pause == MAX_POLL_PAUSE && !is_flushed {
            shared.pool.get_at_once().await?.flush().await?;
            is_flushed = true;
        }
        sleep(pause).await;
        pause = (pause * 2).min(MAX_POLL_PAUSE);
    }
}
