use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio::sync::{Mutex, Notify};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::{AsyncMessage, CancelToken, Client, SimpleQueryMessage, SimpleQueryRow};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Options;
use crate::fault::{Fault, Kind, Unanswered};
use crate::link::drivers::Drivers;
use crate::link::hosts::{Host, Hosts, Opened};
use crate::outage::Outage;

/// Opens connections to the server, and bounds the time for each exchange.
#[derive(Clone)]
pub(crate) struct Dial {
    pub(crate) hosts: Hosts,
    pub(crate) tls: MakeRustlsConnect,
    pub(crate) deadlines: Deadlines,
    pub(crate) observer: Arc<Observer>,
    /// Where the connections are driven. `None` for a task for each.
    pub(super) drivers: Option<Drivers>,
}

/// The connection on which the server is asked about others that wait for an answer. However many do,
/// it is the only one, and it is closed when none waits any more.
#[derive(Default)]
pub(crate) struct Observer {
    client: Mutex<Option<(Host, ClientWrapper)>>,
    users: AtomicUsize,
    /// How many connections the process had opened when one of them was last given up because the server
    /// did not answer: none of these is used again.
    hung: AtomicU64,
    /// What keeps commands waiting.
    pub(crate) outage: Outage,
    /// Tells the connection for notifications, which mostly waits and sends nothing, that the server did not
    /// answer.
    pub(crate) hang: Notify,
}

/// Counts a use of the observer until it is dropped.
struct ObserverUse<'o>(&'o Observer);

impl Observer {
    /// Notes that the server does not answer, when the process had opened `count` connections.
    pub(crate) fn on_hang(&self, count: u64) {
        self.hung.fetch_max(count, Ordering::Relaxed);
        self.hang.notify_one();
    }

    /// Whether a connection with this number was open when the server did not answer.
    pub(crate) fn is_suspect(&self, number: u64) -> bool {
        number < self.hung.load(Ordering::Relaxed)
    }

    fn begin_use(&self) -> ObserverUse<'_> {
        self.users.fetch_add(1, Ordering::SeqCst);
        ObserverUse(self)
    }
}

impl Drop for ObserverUse<'_> {
    fn drop(&mut self) {
        let is_last = self.0.users.fetch_sub(1, Ordering::SeqCst) == 1;
        if is_last && let Ok(mut client) = self.0.client.try_lock() {
            *client = None;
        }
    }
}

/// Time limits of an exchange with the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    /// Time after which a connection without an answer is closed, unless the server is working on the
    /// statement.
    pub(crate) answer: Duration,
    /// Time after which it is closed even then: the server should have canceled the statement before.
    pub(crate) statement: Duration,
}

impl Deadlines {
    /// Lower bound of `answer`: a busy server may take this long for anything.
    pub(crate) const MIN_ANSWER: Duration = Duration::from_secs(2);

    /// Upper bound of `answer`: however patient a caller is, another server may have taken over by then.
    const MAX_ANSWER: Duration = Duration::from_secs(6);

    pub(crate) fn new(options: &Options) -> Self {
        let patience = options.retry_timeout;
        let answer = patience.clamp(Self::MIN_ANSWER, Self::MAX_ANSWER);
        let statement = match options.statement_timeout {
            Duration::ZERO => Duration::MAX,
            timeout => timeout.saturating_add(answer),
        };
        Self { answer, statement }
    }
}

impl Dial {
    /// A connection for `LISTEN`, with the future that drives it, which passes the text of each
    /// notification to `on_notification`.
    pub(crate) async fn listen(
        &self,
        on_notification: impl Fn(&str) + Send,
    ) -> Result<(Client, impl Future<Output = ()> + Send), Fault> {
        let opened = self.in_time(self.open()).await?;
        let (client, mut connection) = (opened.client, opened.connection);
        let driver = async move {
            while let Some(Ok(message)) = poll_fn(|it| connection.poll_message(it)).await {
                if let AsyncMessage::Notification(notification) = message {
                    on_notification(notification.payload());
                }
            }
        };
        Ok((client, driver))
    }

    /// Whether the server answers, and is working on the statement of a connection.
    pub(crate) async fn is_at_work(&self, backend: &str, host: Host) -> bool {
        let work = format!(
            "SELECT coalesce(state, '') NOT LIKE 'idle%' FROM pg_stat_activity WHERE pid = {backend}"
        );
        // Dropped after the lock of the client.
        let _use = self.observer.begin_use();
        let look = async {
            let mut shared = self.observer.client.lock().await;
            let client = match shared.take() {
                Some((asked, client)) if asked == host && !client.is_closed() => client,
                _ => driven(self.hosts.connect_to(host, &self.tls).await?).0,
            };
            let answers = client.simple_query(&work).await?;
            *shared = Some((host, client));
            Ok(answers)
        };
        match self.in_time(look).await {
            Ok(answers) => answers.iter().find_map(row).and_then(|row| row.get(0)) == Some("t"),
            // An error, such as too many connections, is an answer, too.
            Err(fault) => fault.kind() != Kind::Lost,
        }
    }

    /// Asks the server to cancel the statement of a connection, without waiting for that.
    pub(crate) fn cancel(&self, token: CancelToken) {
        let dial = self.clone();
        tokio::spawn(async move {
            let canceled = async { Ok(token.cancel_query(dial.tls.clone()).await?) };
            let _ = dial.in_time(canceled).await;
        });
    }

    /// Fails if there is no answer in time.
    pub(crate) async fn in_time<T>(
        &self,
        exchange: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let answered = timeout(self.deadlines.answer, exchange).await;
        answered.unwrap_or_else(|_| Err(Unanswered(self.deadlines.answer).into()))
    }

    /// The rest of the time for an answer is for what follows.
    async fn open(&self) -> Result<Opened, Fault> {
        let longest = self.deadlines.answer / 2;
        self.hosts.connect(&self.tls, longest).await
    }

    /// A client, the task whose end is the end of the connection, and the server that it leads to.
    pub(crate) async fn connect(&self) -> Result<(ClientWrapper, AbortHandle, Host), Fault> {
        let opened = self.open().await?;
        let host = opened.host;
        let (client, driver) = match &self.drivers {
            Some(drivers) => drivers.add(opened),
            None => driven(opened),
        };
        Ok((client, driver, host))
    }
}

/// The client of a connection, and the task that sends and receives for it.
fn driven(opened: Opened) -> (ClientWrapper, AbortHandle) {
    // The client reports the end of the connection to every pending request.
    let driver = tokio::spawn(async move {
        let _ = opened.connection.await;
    });
    let handle = driver.abort_handle();
    (ClientWrapper::new(opened.client, driver), handle)
}

/// The row of a message, if it is one.
pub(crate) fn row(message: &SimpleQueryMessage) -> Option<&SimpleQueryRow> {
    match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    }
}
