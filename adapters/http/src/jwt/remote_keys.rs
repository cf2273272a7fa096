use std::error::Error;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::ACCEPT;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use super::key_set::{Key, keys_of};
use super::setup_error::SetupError;

/// Maximum size of a key set, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// The times of fetches.
#[derive(Clone, Copy, Debug)]
pub(super) struct FetchTimes {
    /// Interval of regular fetches.
    interval: Duration,
    /// Time until the next one after one that has failed.
    retry: Duration,
    /// Minimum time between two fetches for the sake of tokens with unknown keys, whoever sends them.
    min_between: Duration,
    /// Maximum time of a fetch.
    max: Duration,
}

/// The keys of a set at an address. They are fetched again at intervals, and if a token names one that is not among them.
/// Those that were fetched last stay if that fails.
pub(super) struct RemoteKeys {
    url: Url,
    client: Client,
    times: FetchTimes,
    keys: RwLock<Arc<Vec<Key>>>,
    /// The end of the last fetch for the sake of a token. Locked during every fetch: all who want one wait for the same, and
    /// an older answer never replaces a newer one.
    fetching: Arc<Mutex<Option<Instant>>>,
}

/// Fetches the keys at intervals until it is dropped.
pub(super) struct Refresher(AbortHandle);

impl Drop for Refresher {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Default for FetchTimes {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(300),
            retry: Duration::from_secs(30),
            min_between: Duration::from_secs(10),
            max: Duration::from_secs(5),
        }
    }
}

impl RemoteKeys {
    pub(super) async fn open(address: &str, times: FetchTimes) -> Result<Arc<Self>, SetupError> {
        let invalid = |reason: String| SetupError::Invalid {
            path: address.to_owned(),
            reason,
        };
        let url = safe_url(address).map_err(invalid)?;
        // One that is redirected could leave TLS, and one to the own machine needs no proxy.
        let mut client = Client::builder().redirect(Policy::none());
        if url.scheme() == "http" {
            client = client.no_proxy();
        }
        let opened = Self {
            url,
            client: client.build().map_err(|error| invalid(text_of(&error)))?,
            times,
            keys: RwLock::default(),
            fetching: Arc::default(),
        };
        let fetched = opened.fetch().await;
        let keys = fetched.map_err(|reason| SetupError::Unreachable {
            address: address.to_owned(),
            reason,
        })?;
        opened.set(keys);
        Ok(Arc::new(opened))
    }

    pub(super) fn get(&self) -> Arc<Vec<Key>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.clone()
    }

    /// Has the keys fetched at intervals.
    pub(super) fn refresher(self: &Arc<Self>) -> Refresher {
        let keys = self.clone();
        let task = tokio::spawn(async move {
            let mut pause = keys.times.interval;
            loop {
                sleep(pause).await;
                let _guard = keys.fetching.lock().await;
                pause = if keys.refresh().await {
                    keys.times.interval
                } else {
                    keys.times.retry
                };
            }
        });
        Refresher(task.abort_handle())
    }

    /// Fetches the keys because a token names an unknown one, unless that was done a short time ago.
    pub(super) async fn refresh_for_token(self: &Arc<Self>) {
        let mut last = self.fetching.clone().lock_owned().await;
        let min = self.times.min_between;
        if last.is_some_and(|time| time.elapsed() < min) {
            return;
        }
        let keys = self.clone();
        // In a task of its own: if the sender goes away meanwhile, the fetch counts all the same, and the next sender causes no
        // other one.
        let fetch = tokio::spawn(async move {
            keys.refresh().await;
            *last = Some(Instant::now());
        });
        if let Err(error) = fetch.await {
            tracing::error!(%error, "the fetch of the keys has ended early");
        }
    }

    /// Whether there are keys.
    async fn refresh(&self) -> bool {
        match self.fetch().await {
            Ok(keys) => {
                self.set(keys);
                true
            }
            Err(error) => {
                tracing::error!(address = %self.url, error, "the keys cannot be fetched: those of before stay");
                false
            }
        }
    }

    fn set(&self, keys: Vec<Key>) {
        let mut present = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        *present = Arc::new(keys);
    }

    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let max = self.times.max;
        let read = timeout(max, self.read()).await;
        let json = read.map_err(|_| format!("it was not answered within {max:?}"))??;
        keys_of(&json)
    }

    async fn read(&self) -> Result<String, String> {
        let request = self.client.get(self.url.clone());
        let sent = request.header(ACCEPT, "application/json").send();
        let mut response = sent.await.map_err(|error| text_of(&error))?;
        if response.status() != StatusCode::OK {
            return Err(format!("the status is {}", response.status()));
        }
        let mut json = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| text_of(&error))? {
            json.extend_from_slice(&chunk);
            if json.len() > MAX_BYTES {
                return Err(format!("it is larger than {MAX_BYTES} bytes"));
            }
        }
        String::from_utf8(json).map_err(|error| error.to_string())
    }
}

/// An address that nobody between can answer for: with TLS, or on this machine.
fn safe_url(address: &str) -> Result<Url, String> {
    let url = Url::parse(address).map_err(|error| error.to_string())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address has no user and no password".to_owned());
    }
    let is_local = match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|it| it.is_loopback()),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_local => Ok(url),
        _ => Err("keys are fetched with `https`, or from this machine".to_owned()),
    }
}

/// The error with its causes.
fn text_of(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Mutex as SyncMutex;

    use axum::Router;
    use axum::response::{IntoResponse, Redirect, Response};
    use axum::routing::get;
    use futures_util::future::join;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// What the provider answers with.
    #[derive(Clone, Copy, Debug)]
    enum Reply {
        /// A set whose key has this name.
        Key(&'static str),
        Status(u16),
        Text(&'static str),
        TooLarge,
        Never,
        Redirect,
    }

    /// A provider of keys on this machine.
    struct Provider {
        address: String,
        reply: Arc<SyncMutex<Reply>>,
        /// A message for each request.
        requests: UnboundedReceiver<()>,
    }

    impl Provider {
        async fn start(reply: Reply) -> Self {
            let reply = Arc::new(SyncMutex::new(reply));
            let (requested, requests) = unbounded_channel();
            let replies = reply.clone();
            let answer = move || {
                let _ = requested.send(());
                let reply = *replies.lock().expect("no panic");
                answer(reply)
            };
            let moved = get(|| async { answer_of("moved") });
            let routes = Router::new()
                .route("/keys", get(answer))
                .route("/moved", moved);
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("has an address");
            tokio::spawn(async move { axum::serve(listener, routes).await });
            Self {
                address: format!("http://{address}/keys"),
                reply,
                requests,
            }
        }

        fn set(&self, reply: Reply) {
            *self.reply.lock().expect("no panic") = reply;
        }

        /// Number of requests since the last call.
        fn count(&mut self) -> usize {
            let mut count = 0;
            while self.requests.try_recv().is_ok() {
                count += 1;
            }
            count
        }
    }

    async fn answer(reply: Reply) -> Response {
        match reply {
            Reply::Key(name) => answer_of(name),
            Reply::Status(status) => StatusCode::from_u16(status)
                .expect("is one")
                .into_response(),
            Reply::Text(text) => text.into_response(),
            Reply::TooLarge => " ".repeat(MAX_BYTES + 1).into_response(),
            Reply::Never => pending().await,
            Reply::Redirect => Redirect::temporary("/moved").into_response(),
        }
    }

    fn answer_of(name: &str) -> Response {
        let key = format!(r#"{{"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "{name}"}}"#);
        format!(r#"{{"keys": [{key}]}}"#).into_response()
    }

    fn times() -> FetchTimes {
        FetchTimes {
            interval: LONG,
            retry: LONG,
            min_between: Duration::ZERO,
            max: LONG,
        }
    }

    fn has(keys: &RemoteKeys, name: &str) -> bool {
        keys.get().iter().any(|key| key.is_named(name))
    }

    #[test]
    fn only_an_address_that_is_safe_is_fetched() {
        for address in [
            "https://id.example.com/keys",
            "http://127.0.0.1:8080/keys",
            "http://127.9.9.9/",
            "http://[::1]:80/keys",
            "http://localhost/keys",
        ] {
            assert!(safe_url(address).is_ok(), "{address}");
        }
        for address in [
            "http://id.example.com/keys",
            "http://localhost.example.com/keys",
            "http://127.0.0.1.example.com/",
            "http://127.0.0.1@id.example.com/",
            "https://user:secret@id.example.com/",
            "http://10.0.0.1/keys",
            "http://[::2]/keys",
            "http://0.0.0.0/keys",
            "ftp://localhost/keys",
            "file:///etc/keys.json",
            "id.example.com/keys",
            "",
        ] {
            assert!(safe_url(address).is_err(), "{address}");
        }
    }

    /// Nothing is sent to a server that speaks no TLS: it could be anybody.
    #[tokio::test]
    async fn an_address_with_https_is_asked_with_tls() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("has an address");
        let server = async {
            let (mut connection, _) = listener.accept().await.expect("connects");
            connection.read_u8().await.expect("is sent")
        };
        let address = format!("https://{address}/keys");
        let (first, opened) = join(server, RemoteKeys::open(&address, times())).await;
        // A record of a handshake (RFC 8446, 5.1).
        assert_eq!(first, 22);
        assert!(matches!(opened, Err(SetupError::Unreachable { .. })));
    }

    #[tokio::test]
    async fn a_set_that_cannot_be_used_is_refused_at_the_start() {
        for reply in [
            Reply::Status(500),
            Reply::Status(404),
            Reply::Text("no JSON"),
            Reply::Text(r#"{"keys": []}"#),
            Reply::TooLarge,
            Reply::Never,
            Reply::Redirect,
        ] {
            let provider = Provider::start(reply).await;
            let times = FetchTimes {
                max: match reply {
                    Reply::Never => Duration::from_millis(50),
                    _ => LONG,
                },
                ..times()
            };
            let opened = RemoteKeys::open(&provider.address, times).await;
            let refused = matches!(opened, Err(SetupError::Unreachable { .. }));
            assert!(refused, "{reply:?}");
        }
        let unknown = RemoteKeys::open("http://id.example.com/", times()).await;
        assert!(matches!(unknown, Err(SetupError::Invalid { .. })));
    }

    #[tokio::test]
    async fn keys_stay_while_no_others_can_be_fetched() {
        let mut provider = Provider::start(Reply::Key("old")).await;
        let times = FetchTimes {
            max: Duration::from_secs(1),
            ..times()
        };
        let keys = RemoteKeys::open(&provider.address, times).await;
        let keys = keys.expect("are fetched");
        for reply in [
            Reply::Status(503),
            Reply::Text("{"),
            Reply::TooLarge,
            Reply::Never,
            Reply::Redirect,
        ] {
            provider.set(reply);
            keys.refresh_for_token().await;
            assert!(has(&keys, "old"), "{reply:?}");
        }
        assert_eq!(provider.count(), 6);
        provider.set(Reply::Key("new"));
        keys.refresh_for_token().await;
        assert!(has(&keys, "new") && !has(&keys, "old"));
    }

    #[tokio::test]
    async fn unknown_keys_cause_one_fetch_in_a_while() {
        let mut provider = Provider::start(Reply::Key("old")).await;
        let times = FetchTimes {
            min_between: Duration::from_secs(3600),
            ..times()
        };
        let keys = RemoteKeys::open(&provider.address, times).await;
        let keys = keys.expect("are fetched");
        assert_eq!(provider.count(), 1);
        provider.set(Reply::Key("new"));
        let asking = (0..200).map(|_| {
            let keys = keys.clone();
            tokio::spawn(async move { keys.refresh_for_token().await })
        });
        for asked in asking.collect::<Vec<_>>() {
            asked.await.expect("no panic");
            // Whoever has waited has the new keys.
            assert!(has(&keys, "new"));
        }
        assert_eq!(provider.count(), 1);
    }

    /// A sender who goes away before the answer, many times.
    #[tokio::test]
    async fn a_sender_who_does_not_wait_causes_no_other_fetch() {
        let mut provider = Provider::start(Reply::Key("old")).await;
        let times = FetchTimes {
            min_between: Duration::from_secs(3600),
            max: Duration::from_millis(200),
            ..times()
        };
        let keys = RemoteKeys::open(&provider.address, times).await;
        let keys = keys.expect("are fetched");
        assert_eq!(provider.count(), 1);
        provider.set(Reply::Never);
        for _ in 0..20 {
            let impatient = timeout(Duration::from_millis(5), keys.refresh_for_token());
            assert!(impatient.await.is_err(), "the answer is awaited");
        }
        // It waits for the fetch that goes on, and causes none.
        keys.refresh_for_token().await;
        assert_eq!(provider.count(), 1);
    }

    #[tokio::test]
    async fn keys_are_fetched_at_intervals_until_nobody_needs_them() {
        let mut provider = Provider::start(Reply::Key("old")).await;
        let times = FetchTimes {
            interval: Duration::from_millis(1),
            retry: Duration::from_millis(1),
            ..times()
        };
        let keys = RemoteKeys::open(&provider.address, times).await;
        let keys = keys.expect("are fetched");
        let refresher = keys.refresher();
        for reply in [Reply::Key("old"), Reply::Status(500), Reply::Key("new")] {
            provider.set(reply);
            // The first of these may have been answered before the change.
            for _ in 0..3 {
                let requested = timeout(LONG, provider.requests.recv());
                requested.await.expect("in time").expect("goes on");
            }
        }
        assert!(has(&keys, "new"));
        let weak = Arc::downgrade(&keys);
        drop((refresher, keys));
        let ended = async {
            while weak.strong_count() > 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, ended).await.expect("the task ends");
    }
}
