use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use cqrs_core::Position;
use cqrs_core::store::Incarnation;
use futures_util::future::{Either, select};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use tracing::warn;

use crate::fault::{Fault, Kind};
use crate::known_log::{KnownLog, SeenHead};
use crate::link::Link;
use crate::schema::Schema;
use crate::sql::{BACKEND, DURABLE, FLUSH, NOTIFY, Sql};

/// Pause before reconnecting. Followers of the log also poll, so none misses an event.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// Minimum time between two notifications, and between two reads of the head.
const MIN_INTERVAL: Duration = Duration::from_millis(5);

/// The same after a notification of this process while others notify as well. Each notification wakes all
/// processes, and tells them of all appends before it, whoever has made them.
const SHARED_INTERVAL: Duration = Duration::from_millis(20);

/// Maximum time between two reads of the head while notifications turn out to be wrong: the interval
/// at which the log is polled anyway.
const MAX_INTERVAL: Duration = Duration::from_millis(250);

/// Notifies other processes of appends, and receives their notifications, on a connection of its own:
/// `NOTIFY` inside an append would serialize the commits of all processes. Ends when dropped.
///
/// Every role that can connect to the database can send a notification. So it is never taken for the
/// head, only for a reason to read the head.
pub(crate) struct HeadNotifier {
    task: AbortHandle,
    backend: watch::Receiver<Option<Backend>>,
}

/// The id of a process of the server, and its start.
pub(crate) type Backend = (i32, SystemTime);

/// The server's process of the connection, as this process tells others when it attends.
struct KnownBackend {
    connected: watch::Sender<Option<Backend>>,
    /// That of the last connection.
    last: Option<Backend>,
}

/// Maximum time to wait for the first connection.
const MAX_CONNECT_TIME: Duration = Duration::from_secs(1);

impl HeadNotifier {
    pub(crate) fn start(link: Link, sql: Arc<Sql>, schema: &Schema, log: KnownLog) -> Self {
        let hash = xxhash_rust::xxh3::xxh3_64(schema.name().as_bytes());
        let channel = format!("cqrs_{hash:016x}");
        let mut written = log.written.subscribe();
        let (connected, backend) = watch::channel(None);
        let task = tokio::spawn(async move {
            let mut known = KnownBackend {
                connected,
                last: None,
            };
            loop {
                let began = Instant::now();
                // Without the connection, other processes learn by polling.
                let ended = exchange(&link, &sql, &channel, &log, &mut written, &mut known).await;
                known.connected.send_replace(None);
                if let Err(fault) = ended {
                    warn!(reason = %fault, "notifications have no connection: trying again");
                }
                // A connection that lasted is replaced at once: if the server has crashed, this
                // process learns it by that before a query does.
                sleep(RECONNECT_DELAY.saturating_sub(began.elapsed())).await;
            }
        });
        Self {
            task: task.abort_handle(),
            backend,
        }
    }

    /// The server's process of the connection, which ends with this process. `None` without a
    /// connection.
    pub(crate) async fn backend(&self) -> Option<Backend> {
        let mut backend = self.backend.clone();
        let connected = timeout(MAX_CONNECT_TIME, backend.wait_for(Option::is_some));
        *connected.await.ok()?.ok()?
    }
}

impl Drop for HeadNotifier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Returns when the connection has ended, or the server does not answer.
async fn exchange(
    link: &Link,
    sql: &Sql,
    channel: &str,
    log: &KnownLog,
    written: &mut watch::Receiver<Position>,
    known: &mut KnownBackend,
) -> Result<(), Fault> {
    let heard = HeardHead::default();
    let listening = link.dial.listen(|text| {
        if let Ok(head) = text.parse()
            && log.heads().position() < Position::new(head)
        {
            heard.add(head);
        }
    });
    let (client, driver) = listening.await?;
    let publisher = HeadPublisher { client, link, sql };
    let publishing = pin!(async {
        publisher.listen(channel).await?;
        let backend = publisher.backend().await?;
        if let Some(last) = known.last.replace(backend) {
            publisher.replace_backend(last, backend).await;
        }
        known.connected.send_replace(Some(backend));
        publisher.publish(channel, log, written, &heard).await
    });
    match select(publishing, pin!(driver)).await {
        Either::Left((ended, _)) => ended,
        Either::Right(((), _)) => Ok(()),
    }
}

/// The highest head of which other processes have notified this one since it was taken. It need not be true.
#[derive(Default)]
struct HeardHead {
    position: AtomicU64,
    added: Notify,
}

impl HeardHead {
    fn add(&self, head: u64) {
        self.position.fetch_max(head, Ordering::Relaxed);
        self.added.notify_one();
    }

    /// The start of the log, if there was none.
    fn take(&self) -> Position {
        Position::new(self.position.swap(0, Ordering::Relaxed))
    }
}

/// Why the connection for notifications is needed.
enum News {
    /// This process has written.
    Written,
    /// Another one has.
    Heard,
    /// It is not needed any more.
    Ended,
    /// The server did not answer on another connection.
    Hang,
}

async fn news(written: &mut watch::Receiver<Position>, heard: &HeardHead, hang: &Notify) -> News {
    let (own, foreign) = (pin!(written.changed()), pin!(heard.added.notified()));
    match select(select(own, foreign), pin!(hang.notified())).await {
        Either::Left((Either::Left((Ok(()), _)), _)) => News::Written,
        Either::Left((Either::Left((Err(_), _)), _)) => News::Ended,
        Either::Left((Either::Right(_), _)) => News::Heard,
        Either::Right(_) => News::Hang,
    }
}

struct HeadPublisher<'l> {
    client: Client,
    link: &'l Link,
    sql: &'l Sql,
}

impl HeadPublisher<'_> {
    async fn listen(&self, channel: &str) -> Result<(), Fault> {
        let listen = format!("{DURABLE}; LISTEN {channel}");
        let listening = async { Ok(self.client.batch_execute(&listen).await?) };
        self.link.dial.in_time(listening).await
    }

    async fn backend(&self) -> Result<Backend, Fault> {
        let ask = async { Ok(self.client.query_one(BACKEND, &[]).await?) };
        let row = self.link.dial.in_time(ask).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    /// Tells others that it has this connection in place of the one before. Otherwise they would take its shards for
    /// those of a dead process, although it attends in time.
    async fn replace_backend(&self, (last, last_start): Backend, (backend, start): Backend) {
        let replace = async {
            let statement = self.prepare(&self.sql.replace_backend).await?;
            let params: [&(dyn ToSql + Sync); 4] = [&last, &last_start, &backend, &start];
            let replaced = async { Ok(self.client.execute(&statement, &params).await?) };
            self.link.dial.in_time(replaced).await
        };
        // If it fails, it is told when it attends.
        let _: Result<u64, Fault> = replace.await;
    }

    async fn publish(
        &self,
        channel: &str,
        log: &KnownLog,
        written: &mut watch::Receiver<Position>,
        heard: &HeardHead,
    ) -> Result<(), Fault> {
        let notify = self.prepare(NOTIFY).await?;
        let look = self.prepare(&self.sql.recognize).await?;
        // Before the first read: the head of another log must not be taken for that of the known one.
        let recognized = log.recognize_all(&self.client, self.sql);
        let mut incarnation = self.link.dial.in_time(recognized).await?.log;
        let mut pause = MIN_INTERVAL;
        let hang = &self.link.dial.observer.hang;
        loop {
            let is_written = match news(written, heard, hang).await {
                News::Written => true,
                News::Heard => false,
                News::Ended => return Ok(()),
                News::Hang => {
                    let why = "the server did not answer on another connection";
                    return Err(Fault::new(Kind::Lost, why));
                }
            };
            // One of any number of notifications that have arrived before.
            let foreign = heard.take();
            if is_written {
                let last = written.borrow_and_update().to_string();
                let told = async { Ok(self.client.execute(&notify, &[&channel, &last]).await?) };
                self.link.dial.in_time(told).await?;
            }
            // An append of this process may have brought it further meanwhile.
            let is_unknown = foreign > log.heads().position();
            let is_wrong = is_unknown && !self.look(&look, log, &mut incarnation).await?;
            pause = match (is_written, is_wrong) {
                (true, _) if foreign > Position::START => SHARED_INTERVAL,
                (false, true) => (pause * 2).min(MAX_INTERVAL),
                _ => MIN_INTERVAL,
            };
            sleep(pause).await;
        }
    }

    /// Reads the head. Returns whether it is new.
    async fn look(
        &self,
        look: &Statement,
        log: &KnownLog,
        incarnation: &mut Incarnation,
    ) -> Result<bool, Fault> {
        let known = log.heads().position();
        let read = async { Ok(self.client.query_one(look, &[&0_i64]).await?) };
        let mut seen = SeenHead::of(&self.link.dial.in_time(read).await?)?;
        // Followers hand on what is up to the head that they are told of (I7).
        if !seen.is_durable && !log.is_durable(seen.position) {
            let flush = async { Ok(self.client.batch_execute(FLUSH).await?) };
            self.link.dial.in_time(flush).await?;
            seen.is_durable = true;
        }
        if !log.observe(*incarnation, &seen) {
            *incarnation = self.recognize(log).await?;
        }
        Ok(log.heads().position() > known)
    }

    async fn recognize(&self, log: &KnownLog) -> Result<Incarnation, Fault> {
        let recognized = log.recognize(&self.client, self.sql);
        self.link.dial.in_time(recognized).await
    }

    async fn prepare(&self, sql: &str) -> Result<Statement, Fault> {
        let prepared = async { Ok(self.client.prepare(sql).await?) };
        self.link.dial.in_time(prepared).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_heads_the_highest_is_taken_once() {
        let heard = HeardHead::default();
        for head in [7, 9, 8] {
            heard.add(head);
        }
        assert_eq!(heard.take(), Position::new(9));
        assert_eq!(heard.take(), Position::START);
        // What is added after a false one is not hidden by it.
        heard.add(u64::MAX);
        heard.take();
        heard.add(10);
        assert_eq!(heard.take(), Position::new(10));
    }
}
