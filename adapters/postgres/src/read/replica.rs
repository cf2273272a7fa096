use std::time::Duration;

use tokio::time::sleep;

use crate::fault::Fault;
use crate::row::number;
use crate::store::Shared;

/// The position in the server's write-ahead log after everything that is visible, flushed or not:
/// another process may have written views without waiting for the disk.
const WRITTEN: &str = "SELECT pg_current_wal_insert_lsn()::text";

/// Maximum pause between two polls. A replica sends no notification of its progress.
const MAX_POLL_PAUSE: Duration = Duration::from_millis(32);

/// Pause before another connection to what is neither a replica nor the leader.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);

/// Waits until the database that queries read has all commits from before this call.
pub(crate) async fn replayed(shared: &Shared) -> Result<(), Fault> {
    let client = shared.pool.get_at_once().await?;
    let written: String = client.select_one(WRITTEN, &[]).await?.try_get(0)?;
    drop(client);
    let (position, event) = shared.log.last_event();
    let position = number(position);
    let mut pause = Duration::from_millis(1);
    let mut is_flushed = false;
    loop {
        let replica = shared.reads.get_at_once().await?;
        let row = replica
            .select_one(&shared.sql.replayed, &[&written, &position, &event])
            .await?;
        let (has_all, is_replica): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
        if !is_replica && (replica.is_to_standby() || !has_all) {
            // It was promoted. Whether it is the leader, or has a log of its own since, a new connection finds out.
            replica.give_up();
            if !has_all {
                sleep(RECONNECT_PAUSE).await;
            }
            continue;
        }
        drop(replica);
        if has_all {
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
