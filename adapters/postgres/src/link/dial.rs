use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::{AsyncMessage, CancelToken, Client, Config, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Options;
use crate::fault::{Fault, Kind, Unanswered};

/// Opens connections to the server, and bounds the time for each exchange.
#[derive(Clone)]
pub(crate) struct Dial {
    pub(crate) config: Config,
    pub(crate) tls: MakeRustlsConnect,
    pub(crate) deadlines: Deadlines,
    pub(crate) observer: Arc<Observer>,
}

/// The connection on which the server is asked about others that wait for an answer. However many do,
/// it is the only one, and it is closed when none waits any more.
#[derive(Default)]
pub(crate) struct Observer {
    client: Mutex<Option<ClientWrapper>>,
    users: AtomicUsize,
}

/// Counts a use of the observer until it is dropped.
struct ObserverUse<'o>(&'o Observer);

impl Observer {
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
    const MIN_ANSWER: Duration = Duration::from_secs(2);

    pub(crate) fn new(options: &Options) -> Self {
        let answer = options.retry_timeout.max(Self::MIN_ANSWER);
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
        let connect = async { Ok(self.config.connect(self.tls.clone()).await?) };
        let (client, mut connection) = self.in_time(connect).await?;
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
    pub(crate) async fn is_at_work(&self, backend: &str) -> bool {
        let work = format!(
            "SELECT coalesce(state, '') NOT LIKE 'idle%' FROM pg_stat_activity WHERE pid = {backend}"
        );
        // Dropped after the lock of the client.
        let _use = self.observer.begin_use();
        let look = async {
            let mut shared = self.observer.client.lock().await;
            let client = match shared.take() {
                Some(client) if !client.is_closed() => client,
                _ => self.connect().await?.0,
            };
            let answers = client.simple_query(&work).await?;
            *shared = Some(client);
            Ok(answers)
        };
        match self.in_time(look).await {
            Ok(answers) => answers.iter().find_map(value) == Some("t"),
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

    /// A client, and the task that sends and receives for it.
    pub(crate) async fn connect(&self) -> Result<(ClientWrapper, AbortHandle), Fault> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        // The client reports the end of the connection to every pending request.
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        let handle = driver.abort_handle();
        Ok((ClientWrapper::new(client, driver), handle))
    }
}

/// The first column of a message, if the message is a row.
pub(crate) fn value(message: &SimpleQueryMessage) -> Option<&str> {
    match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    }
}
