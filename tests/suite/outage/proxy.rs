//! A network between stores and their database that loses connections.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::PATIENCE;

/// Ends when dropped, with every connection through it.
pub struct Proxy {
    port: u16,
    task: AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    async fn start<F>(carry: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client));
            }
        });
        Self {
            port,
            task: task.abort_handle(),
        }
    }

    /// Cuts each connection after a random number of bytes in either direction, until `calm` is
    /// set, and counts the cuts. Half of them are abrupt: data in transit is lost as well.
    pub async fn cutting(url: &str, random: &mut Rng, state: Arc<Cutting>) -> Self {
        let server = address(url);
        let random = std::sync::Mutex::new(random.fork());
        Self::start(move |client| {
            let mut random = random.lock().expect("nobody panics with it").fork();
            let state = state.clone();
            async move {
                let Ok(server) = TcpStream::connect(server).await else {
                    return;
                };
                let is_calm = state.calm.load(Ordering::Relaxed);
                // Most within a few statements, some while it is still being set up.
                let mut bytes = || 1_u64 << random.u32(8..18);
                let (to_server, to_client) = (bytes(), bytes());
                let mut some = |most: u64| {
                    if is_calm {
                        u64::MAX
                    } else {
                        random.u64(..most)
                    }
                };
                let (to_server, to_client) = (some(to_server), some(to_client));
                if random.bool() {
                    let _ = client.set_zero_linger();
                    let _ = server.set_zero_linger();
                }
                let (client, server) = (client.into_split(), server.into_split());
                let up = pin!(forward(client.0, server.1, to_server));
                let down = pin!(forward(server.0, client.1, to_client));
                tokio::select! { () = up => {}, () = down => {} }
                if !is_calm {
                    state.cuts.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
        .await
    }

    /// Carries everything, until it is told to swallow what the connections that are open by then
    /// carry.
    pub async fn swallowing(url: &str, state: Arc<Swallowing>) -> Self {
        let server = address(url);
        Self::start(move |client| {
            let state = state.clone();
            async move {
                let mut is_cut_off = state.is_cut_off.subscribe();
                let _ = is_cut_off.wait_for(|is_cut_off| !is_cut_off).await;
                let Ok(server) = TcpStream::connect(server).await else {
                    return;
                };
                let from = state.from.subscribe();
                let (client, server) = (client.into_split(), server.into_split());
                let up = pin!(swallow(client.0, server.1, from.clone(), false));
                let down = pin!(swallow(server.0, client.1, from, true));
                tokio::select! { () = up => {}, () = down => {} }
            }
        })
        .await
    }

    /// Loses the connection of the first message that holds `marker`.
    pub async fn losing(url: &str, marker: &'static str, when: Loss) -> (Self, Lost) {
        let server = address(url);
        let lost = Lost {
            is_armed: Arc::new(AtomicBool::new(true)),
            deliver: Arc::new(Semaphore::new(0)),
            answered: watch::Sender::new(false),
        };
        let shared = lost.clone();
        let proxy = Self::start(move |client| {
            let lost = shared.clone();
            async move {
                let Ok(server) = TcpStream::connect(server).await else {
                    return;
                };
                let (client, server) = (client.into_split(), server.into_split());
                lost.carry(client, server, marker, when).await;
            }
        });
        (proxy.await, lost)
    }

    /// Counts the round trips of each connection, from the first message that holds `marker` on.
    pub async fn counting(url: &str, marker: &'static str) -> (Self, Arc<AtomicUsize>) {
        let server = address(url);
        let trips = Arc::new(AtomicUsize::new(0));
        let shared = trips.clone();
        let proxy = Self::start(move |client| {
            let trips = shared.clone();
            async move {
                let Ok(server) = TcpStream::connect(server).await else {
                    return;
                };
                let is_marked = AtomicBool::new(false);
                let (client, server) = (client.into_split(), server.into_split());
                let up = pin!(mark(client.0, server.1, marker, &is_marked));
                let down = pin!(count(server.0, client.1, &is_marked, &trips));
                tokio::select! { () = up => {}, () = down => {} }
            }
        });
        (proxy.await, trips)
    }

    /// Counts how often the client waits for the server, from the first message that holds `marker` on,
    /// on each connection: messages that are sent together, and their answers, are one round trip.
    pub async fn counting_waits(url: &str, marker: &'static str) -> (Self, Arc<AtomicUsize>) {
        let server = address(url);
        let waits = Arc::new(AtomicUsize::new(0));
        let shared = waits.clone();
        let proxy = Self::start(move |client| {
            let waits = shared.clone();
            async move {
                let Ok(server) = TcpStream::connect(server).await else {
                    return;
                };
                let is_marked = AtomicBool::new(false);
                let is_answered = AtomicBool::new(true);
                let (client, server) = (client.into_split(), server.into_split());
                let up = pin!(carry(client.0, server.1, |message| {
                    let mut parts = message.windows(marker.len());
                    if parts.any(|part| part == marker.as_bytes()) {
                        is_marked.store(true, Ordering::Relaxed);
                    }
                    let is_new = is_answered.swap(false, Ordering::Relaxed);
                    if is_new && is_marked.load(Ordering::Relaxed) {
                        waits.fetch_add(1, Ordering::Relaxed);
                    }
                }));
                let down = pin!(carry(server.0, client.1, |_| {
                    is_answered.store(true, Ordering::Relaxed);
                }));
                tokio::select! { () = up => {}, () = down => {} }
            }
        });
        (proxy.await, waits)
    }

    /// The server's URL by way of this.
    pub fn url(&self, server: &str) -> String {
        let address = address(server).to_string();
        let through = format!("127.0.0.1:{}", self.port);
        let url = server.replacen(&address, &through, 1);
        let separator = if url.contains('?') { '&' } else { '?' };
        format!("{url}{separator}sslmode=disable")
    }
}

/// What is swallowed, and on which connections: those that were open when it began.
#[derive(Default)]
pub struct Swallowing {
    from: watch::Sender<Option<Swallowed>>,
    /// New connections lead nowhere yet.
    is_cut_off: watch::Sender<bool>,
}

#[derive(Clone, Copy)]
struct Swallowed {
    answers_only: bool,
}

impl Swallowing {
    /// From now on, on what is open.
    pub fn swallow(&self, answers_only: bool) {
        self.from.send_replace(Some(Swallowed { answers_only }));
    }

    /// From now on, no answer arrives, and new connections wait until they are let in.
    pub fn cut_off(&self) {
        self.swallow(true);
        self.is_cut_off.send_replace(true);
    }

    pub fn let_in(&self) {
        self.is_cut_off.send_replace(false);
    }
}

#[derive(Default)]
pub struct Cutting {
    pub calm: AtomicBool,
    pub cuts: AtomicUsize,
}

/// When a message is lost with its connection.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// On its way; it arrives when it is delivered, long after the client has given it up.
    Late,
    /// It is carried out, and the answer is lost.
    Answer,
}

/// The message that was lost.
#[derive(Clone)]
pub struct Lost {
    is_armed: Arc<AtomicBool>,
    deliver: Arc<Semaphore>,
    answered: watch::Sender<bool>,
}

impl Lost {
    /// Delivers delayed data, and waits until the server has answered.
    pub async fn deliver(&self) {
        self.deliver.add_permits(1);
        let mut answered = self.answered.subscribe();
        let answered = timeout(PATIENCE, answered.wait_for(|it| *it)).await;
        let _ = answered.expect("the server answers");
    }

    async fn carry(
        &self,
        client: (OwnedReadHalf, OwnedWriteHalf),
        mut server: (OwnedReadHalf, OwnedWriteHalf),
        marker: &str,
        when: Loss,
    ) {
        let (mut from_client, mut to_client) = client;
        let mut message = vec![0; 1 << 16];
        let up = async {
            loop {
                let size = from_client.read(&mut message).await.unwrap_or(0);
                let bytes = &message[..size];
                let is_marked = bytes
                    .windows(marker.len())
                    .any(|it| it == marker.as_bytes());
                if is_marked && self.is_armed.swap(false, Ordering::Relaxed) {
                    return Some(size);
                }
                if size == 0 || server.1.write_all(bytes).await.is_err() {
                    return None;
                }
            }
        };
        let down = async {
            let _ = copy(&mut server.0, &mut to_client).await;
        };
        let size = tokio::select! { size = up => size, () = down => None };
        let Some(size) = size else { return };
        let mut client = Some((from_client, to_client));
        if matches!(when, Loss::Late) {
            client = None;
            let _ = self.deliver.acquire().await;
        }
        let _ = server.1.write_all(&message[..size]).await;
        let _ = server.0.read(&mut message).await;
        self.answered.send_replace(true);
        drop(client);
    }
}

/// Returns when the side that sends has ended.
async fn swallow(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    swallowed: watch::Receiver<Option<Swallowed>>,
    is_answer: bool,
) {
    let is_new = swallowed.borrow().is_some();
    let mut bytes = vec![0; 1 << 16];
    loop {
        let size = from.read(&mut bytes).await.unwrap_or(0);
        if size == 0 {
            return;
        }
        let swallowed = swallowed.borrow().filter(|_| !is_new);
        if swallowed.is_some_and(|it| is_answer || !it.answers_only) {
            continue;
        }
        if to.write_all(&bytes[..size]).await.is_err() {
            return;
        }
    }
}

/// Carries everything, and calls `see` with each message before it goes on.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, see: impl Fn(&[u8])) {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let size = from.read(&mut bytes).await.unwrap_or(0);
        see(&bytes[..size]);
        if size == 0 || to.write_all(&bytes[..size]).await.is_err() {
            return;
        }
    }
}

/// Carries everything, and remembers whether any of it held `marker`.
async fn mark(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    marker: &str,
    is_marked: &AtomicBool,
) {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let size = from.read(&mut bytes).await.unwrap_or(0);
        let message = &bytes[..size];
        if message
            .windows(marker.len())
            .any(|part| part == marker.as_bytes())
        {
            is_marked.store(true, Ordering::Relaxed);
        }
        if size == 0 || to.write_all(message).await.is_err() {
            return;
        }
    }
}

/// Carries the messages of a server, and counts those that end a round trip.
async fn count(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    is_marked: &AtomicBool,
    trips: &AtomicUsize,
) {
    /// The type of the message `ReadyForQuery`.
    const READY: u8 = b'Z';
    /// A type, and the length of the message without it.
    const HEADER: usize = 5;
    let mut unread: Vec<u8> = Vec::new();
    let mut bytes = vec![0; 1 << 16];
    loop {
        let size = from.read(&mut bytes).await.unwrap_or(0);
        unread.extend_from_slice(&bytes[..size]);
        while let [kind, a, b, c, d, ..] = unread[..] {
            let length = u32::from_be_bytes([a, b, c, d]) as usize + HEADER - 4;
            if unread.len() < length {
                break;
            }
            if kind == READY && is_marked.load(Ordering::Relaxed) {
                trips.fetch_add(1, Ordering::Relaxed);
            }
            unread.drain(..length);
        }
        if size == 0 || to.write_all(&bytes[..size]).await.is_err() {
            return;
        }
    }
}

/// Returns when either side has ended, or so many bytes have gone through.
async fn forward(from: OwnedReadHalf, mut to: OwnedWriteHalf, most: u64) {
    let _ = copy(&mut from.take(most), &mut to).await;
}

/// Host and port of a URL for tests, which has both.
fn address(url: &str) -> SocketAddr {
    let config: tokio_postgres::Config = url.parse().expect("a URL");
    let port = *config.get_ports().first().unwrap_or(&5432);
    match config.get_hosts().first() {
        Some(tokio_postgres::config::Host::Tcp(host)) => {
            let host = host.replace("localhost", "127.0.0.1");
            SocketAddr::new(host.parse().expect("an address"), port)
        }
        other => panic!("the server is to be reached by TCP, not at {other:?}"),
    }
}
