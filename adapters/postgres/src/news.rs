use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use cqrs_core::Position;
use cqrs_core::store::announce;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tokio_postgres::Client;

use crate::connect::Link;
use crate::fault::Fault;
use crate::schema::Schema;
use crate::sql::NOTIFY;

/// How long to wait before connecting again, and between two notifications: whoever listens also
/// polls, so neither has to be fast.
const PAUSE: Duration = Duration::from_secs(1);
const BETWEEN: Duration = Duration::from_millis(5);

/// Tells other processes of what this one writes, and hears what they write, on a connection of
/// its own: a notification inside of an append would make appends wait for each other. Ends when
/// dropped.
pub(crate) struct News(AbortHandle);

impl News {
    /// `known` is raised to what others say, `written` is what they are told.
    pub(crate) fn start(
        link: Link,
        schema: &Schema,
        known: watch::Sender<Position>,
        mut written: watch::Receiver<Position>,
    ) -> Self {
        let hash = xxhash_rust::xxh3::xxh3_64(schema.name().as_bytes());
        let channel = format!("cqrs_{hash:016x}");
        let task = tokio::spawn(async move {
            loop {
                // Without the connection, others learn by polling; it is made again below.
                let _ = exchange(&link, &channel, &known, &mut written).await;
                sleep(PAUSE).await;
            }
        });
        Self(task.abort_handle())
    }
}

impl Drop for News {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Returns when the connection has ended.
async fn exchange(
    link: &Link,
    channel: &str,
    known: &watch::Sender<Position>,
    written: &mut watch::Receiver<Position>,
) -> Result<(), Fault> {
    let hear = |text: &str| {
        if let Ok(head) = text.parse() {
            announce(known, Position::new(head));
        }
    };
    let (client, driver) = link.listen(hear).await?;
    let mut driver = pin!(driver);
    let mut telling = pin!(tell(&client, channel, written));
    poll_fn(|context| {
        if driver.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        telling.as_mut().poll(context)
    })
    .await
}

async fn tell(
    client: &Client,
    channel: &str,
    written: &mut watch::Receiver<Position>,
) -> Result<(), Fault> {
    let listen = format!("SET synchronous_commit = off; LISTEN {channel}");
    client.batch_execute(&listen).await?;
    let notify = client.prepare(NOTIFY).await?;
    while written.changed().await.is_ok() {
        let head = written.borrow_and_update().to_string();
        client.execute(&notify, &[&channel, &head]).await?;
        sleep(BETWEEN).await;
    }
    Ok(())
}
