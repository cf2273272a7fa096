use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::SimpleQueryMessage;

use crate::ConnectError;
use crate::fault::Fault;
use crate::link::Link;
use crate::link::connection::Connection;

/// Time for the server to tell its process id. A pooler whose only connection is in use does not answer.
const MAX_PROBE_TIME: Duration = Duration::from_secs(5);

/// Refuses a pooler that assigns a server connection per transaction. While another connection has an
/// open transaction, only a direct connection keeps its server process.
pub(crate) async fn refuse(link: &Link, client: &Connection) -> Result<(), ConnectError> {
    match is_shared(link, client).await {
        Ok(false) => Ok(()),
        Ok(true) => Err(ConnectError::Pooler),
        Err(fault) => Err(ConnectError::Unreachable {
            reason: fault.reason().to_string(),
        }),
    }
}

async fn is_shared(link: &Link, client: &Connection) -> Result<bool, Fault> {
    let before = process(client).await?;
    let other = link.open().await?;
    other.batch_execute("BEGIN").await?;
    let beside = process(&other).await?;
    let Ok(after) = timeout(MAX_PROBE_TIME, process(client)).await else {
        return Ok(true);
    };
    Ok(before == beside || before != after?)
}

/// The id of the server process, selected without a prepared statement, which a pooler might lose.
async fn process(client: &Connection) -> Result<Option<String>, Fault> {
    let ask = async {
        Ok::<_, Fault>(
            client
                .client()
                .simple_query("SELECT pg_backend_pid()")
                .await?,
        )
    };
    let messages = client.exchange(ask).await?;
    Ok(messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}
