//! Asks the servers behind an address what they are.

use std::time::{Duration, Instant};

use tokio_postgres::Row;

use crate::Postgres;
use crate::fault::{Fault, Kind};
use crate::health::{ClusterHealth, ServerHealth, ServerRole, StandbyHealth};
use crate::known_log::SeenHead;
use crate::link::Link;
use crate::link::connection::Connection;
use crate::store::Shared;

/// How long an answer is given again, however often it is asked for.
const MAX_AGE: Duration = Duration::from_secs(1);

/// Sessions of other roles are counted only for a role with `pg_read_all_stats`.
const SERVER: &str = "\
    SELECT pg_is_in_recovery(), current_setting('synchronous_standby_names'), \
    count(*), extract(epoch FROM max(clock_timestamp() - query_start))::float8 \
    FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

/// That of a leader is right from its promotion. A standby knows the one that it receives, which only some roles
/// may see, and those of its control file, which may be older.
const TIMELINE: &str = "\
    SELECT CASE WHEN pg_is_in_recovery() THEN greatest( \
        (SELECT timeline_id FROM pg_control_checkpoint()), \
        (SELECT min_recovery_end_timeline FROM pg_control_recovery()), \
        (SELECT received_tli FROM pg_stat_wal_receiver))::bigint \
    ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint END";

/// Only some roles may see the status of the receiver, but each whether there is one.
const STANDBY: &str = "\
    WITH receiver AS (SELECT count(*) > 0 AS receives FROM pg_stat_wal_receiver \
        WHERE coalesce(status, 'streaming') = 'streaming') \
    SELECT receives, CASE \
        WHEN receives AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0 \
        ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float8 \
    FROM receiver";

const STANDBYS: &str = "\
    SELECT coalesce(application_name, ''), host(client_addr), state, sync_state, \
    pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint, \
    extract(epoch FROM replay_lag)::float8 \
    FROM pg_stat_replication ORDER BY 1, pid";

impl Postgres {
    /// Asks the server of the log, and that of queries, what they are and who follows them: for a page of operators,
    /// and for metrics at each scrape. See [`Dispatcher::health`](cqrs_core::Dispatcher::health) for projections and
    /// reactions.
    ///
    /// It opens a connection for it, so that it is answered while all others wait, and takes no longer than two connects
    /// that are not answered, 12 seconds, whatever `retry_timeout` is. An answer is given again for a second. Unless it is
    /// asked, it costs nothing.
    pub async fn cluster_health(&self) -> ClusterHealth {
        let shared = self.shared();
        let mut last = shared.cluster_health.lock().await;
        if let Some((asked, health)) = &*last
            && asked.elapsed() < MAX_AGE
        {
            return health.clone();
        }
        let health = Box::pin(ask(shared)).await;
        *last = Some((Instant::now(), health.clone()));
        health
    }
}

async fn ask(shared: &Shared) -> ClusterHealth {
    let mut reasons = Vec::new();
    let log = match server(&shared.link, shared).await {
        Ok(log) => {
            reasons.extend(log.why_appends_wait());
            Some(log)
        }
        Err(fault) => {
            let reason = fault.reason();
            reasons.push(format!("there is no server that takes writes: {reason}"));
            None
        }
    };
    let queries = match &shared.read_link {
        None => None,
        Some(link) => match server(link, shared).await {
            Ok(queries) => {
                let head = log.as_ref().map(|log| log.position);
                reasons.extend(queries.why_queries_are_behind(head));
                Some(queries)
            }
            Err(fault) => {
                let reason = fault.reason();
                reasons.push(format!("there is no server that answers queries: {reason}"));
                None
            }
        },
    };
    ClusterHealth {
        log,
        queries,
        reasons,
    }
}

async fn server(link: &Link, shared: &Shared) -> Result<ServerHealth, Fault> {
    let connection = link.open().await?;
    let row = connection.select_one(SERVER, &[]).await?;
    let head = connection
        .select_one(&shared.sql.recognize, &[&0_i64])
        .await?;
    let is_standby: bool = row.try_get(0)?;
    let waiting: i64 = row.try_get(2)?;
    let mut health = ServerHealth {
        host: connection.host(),
        role: ServerRole::Leader,
        timeline: None,
        position: SeenHead::of(&head)?.position,
        lag: None,
        is_receiving: None,
        standbys: Vec::new(),
        synchronous_standby_names: row.try_get(1)?,
        waiting_sessions: waiting.cast_unsigned(),
        longest_wait: duration(&row, 3)?.unwrap_or_default(),
    };
    if let Some([row]) = rows(&connection, TIMELINE).await?.as_deref() {
        let timeline: Option<i64> = row.try_get(0)?;
        health.timeline = timeline.and_then(|it| it.try_into().ok());
    }
    if let Some(rows) = rows(&connection, STANDBYS).await? {
        let standbys: Result<_, Fault> = rows.iter().map(standby).collect();
        health.standbys = standbys?;
    }
    if is_standby {
        health.role = ServerRole::Standby;
        if let Some([row]) = rows(&connection, STANDBY).await?.as_deref() {
            health.is_receiving = Some(row.try_get(0)?);
            health.lag = duration(row, 1)?;
        }
    }
    Ok(health)
}

/// The rows of a question that some servers do not answer: to roles without the right, or at all, such as a managed
/// service that keeps its data elsewhere.
async fn rows(connection: &Connection, question: &str) -> Result<Option<Vec<Row>>, Fault> {
    let asked = async {
        let statement = connection.prepare(question).await?;
        connection.query(&statement, &[]).await
    };
    match asked.await.map_err(Fault::from) {
        Ok(rows) => Ok(Some(rows)),
        Err(fault) if fault.kind() == Kind::Lost => Err(fault),
        Err(_) => Ok(None),
    }
}

fn standby(row: &Row) -> Result<StandbyHealth, Fault> {
    let bytes: Option<i64> = row.try_get(4)?;
    Ok(StandbyHealth {
        name: row.try_get(0)?,
        host: row.try_get(1)?,
        state: row.try_get(2)?,
        synchronous: row.try_get(3)?,
        bytes_behind: bytes.map(|it| it.max(0).cast_unsigned()),
        lag: duration(row, 5)?,
    })
}

/// Seconds. Clocks that were set back make less than none of them.
fn duration(row: &Row, column: usize) -> Result<Option<Duration>, Fault> {
    let seconds: Option<f64> = row.try_get(column)?;
    Ok(seconds.map(|it| Duration::try_from_secs_f64(it.max(0.0)).unwrap_or(Duration::MAX)))
}
