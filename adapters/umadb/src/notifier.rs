use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::grpc::CallError;
use crate::known_log::KnownLog;
use crate::link::{Connection, Link};
use crate::proto;

/// Minimum time from one notification to the next.
const MIN_INTERVAL: Duration = Duration::from_millis(20);

/// A task that raises the known head when another process appends. It ends when this is dropped.
pub(crate) struct HeadNotifier(JoinHandle<()>);

impl HeadNotifier {
    pub(crate) fn start(link: Arc<Link>, log: Arc<KnownLog>) -> Self {
        Self(tokio::spawn(async move {
            loop {
                if let Ok(connection) = link.attempts().connection().await {
                    // A request that fails as well reports it.
                    let _ = next_append(&connection, &log).await;
                }
                sleep(MIN_INTERVAL).await;
            }
        }))
    }
}

impl Drop for HeadNotifier {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for an event after the known head. A continuous subscription would transfer every event to
/// every process, so this one ends with the first.
async fn next_append(connection: &Connection, log: &KnownLog) -> Result<(), CallError> {
    let request = proto::SubscribeRequest {
        query: None,
        after: Some(log.heads().position().get()),
        batch_size: Some(1),
    };
    let mut events = connection.subscribe(&request).await?;
    if events.next().await?.is_some() {
        let last = connection.last().await?;
        log.note_last(connection.incarnation, last.as_ref());
    }
    Ok(())
}
