use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use axum::serve::Listener;
use axum::{BoxError, Router};
use futures_util::future::{Either, select};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep};
use tower::ServiceExt as _;

/// Maximum number of connections, if none is set.
const MAX_CONNECTIONS: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// Time for the last bytes to a client whose connection is about to be closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves routes over HTTP/1.1 and HTTP/2, as [`axum::serve()`] does, which has no time limit for the head of a request: whoever
/// opens connections and sends nothing, or never ends a head, would keep them open.
///
/// Requests have the address of their client, [`ConnectInfo<SocketAddr>`](ConnectInfo).
///
/// ```no_run
/// use cqrs_core::{Dispatcher, Memory};
/// use cqrs_http::Server;
/// use tokio::net::TcpListener;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let shop = Dispatcher::builder().store(Memory::new()).build().await?;
/// let listener = TcpListener::bind("127.0.0.1:8080").await?;
/// let server = Server::new(listener, cqrs_http::router(shop));
/// server.run(std::future::pending()).await;
/// # Ok(())
/// # }
/// ```
#[must_use = "a server serves nothing until it is run"]
pub struct Server {
    listener: TcpListener,
    routes: Router,
    head_timeout: Duration,
    max_connections: NonZeroUsize,
}

impl Server {
    /// A server of these routes.
    pub fn new(listener: TcpListener, routes: Router) -> Self {
        Self {
            listener,
            routes,
            head_timeout: Duration::from_secs(30),
            max_connections: MAX_CONNECTIONS,
        }
    }

    /// Sets the maximum time until the head of a request has arrived, from the beginning of its connection or the end of the
    /// request before it. So it is also the time for which a connection is kept that nobody uses. Defaults to 30 seconds.
    pub fn head_timeout(mut self, time: Duration) -> Self {
        self.head_timeout = time;
        self
    }

    /// Sets the maximum number of connections at a time. Further ones are not accepted until one of these is closed: their
    /// clients wait, in the queue of the system. Defaults to 10,000; the system may allow a process fewer.
    pub fn max_connections(mut self, connections: NonZeroUsize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Serves until `stop` has ended, and then until the requests in progress are answered. If it is dropped, they are
    /// answered as well.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self {
            mut listener,
            routes,
            head_timeout,
            max_connections,
        } = self;
        let max_connections = max_connections.get().min(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(max_connections));
        // Nothing is sent by either: the connections see that `stopping` is dropped, and the server that all have dropped
        // `open`.
        let (stopping, stopped) = watch::channel(());
        let (open, mut all_closed) = mpsc::channel(1);
        let mut stop = pin!(stop);
        loop {
            let accepted = pin!(accept(&mut listener, &places));
            let (place, (stream, client)) = match select(stop.as_mut(), accepted).await {
                Either::Left(_) => break,
                Either::Right((accepted, _)) => accepted,
            };
            let connection = Connection {
                stream,
                client,
                routes: routes.clone(),
                head_timeout,
                stopped: stopped.clone(),
                _place: place,
                _open: open.clone(),
            };
            tokio::spawn(connection.serve());
        }
        drop((listener, stopping, open));
        all_closed.recv().await;
    }
}

/// A connection, once there is a place for it.
async fn accept(
    listener: &mut TcpListener,
    places: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, (TcpStream, SocketAddr)) {
    // Nobody closes the semaphore.
    let place = places.clone().acquire_owned().await.ok();
    (place, Listener::accept(listener).await)
}

struct Connection {
    stream: TcpStream,
    client: SocketAddr,
    routes: Router,
    head_timeout: Duration,
    stopped: watch::Receiver<()>,
    /// Each is dropped with the connection.
    _place: Option<OwnedSemaphorePermit>,
    _open: mpsc::Sender<Infallible>,
}

impl Connection {
    async fn serve(mut self) {
        let requests = Arc::new(Requests::new());
        let service = {
            let (requests, routes, client) = (requests.clone(), self.routes, self.client);
            service_fn(move |request| answer(request, client, routes.clone(), requests.begin()))
        };
        let mut builder = Builder::new(TokioExecutor::new());
        // For web sockets of the application.
        builder.http2().enable_connect_protocol();
        let stream = TokioIo::new(self.stream);
        let mut connection = pin!(builder.serve_connection_with_upgrades(stream, service));
        let stopped = pin!(self.stopped.changed());
        let unused = pin!(requests.none_for(self.head_timeout));
        if let Either::Left((ended, _)) = select(connection.as_mut(), select(stopped, unused)).await
        {
            return report(self.client, ended);
        }
        // A client that waits for nothing is told, and one that waits is answered.
        connection.as_mut().graceful_shutdown();
        let unused = pin!(requests.none_for(FAREWELL));
        if let Either::Left((ended, _)) = select(connection, unused).await {
            report(self.client, ended);
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    client: SocketAddr,
    routes: Router,
    running: RunningRequest,
) -> Result<Response<Answer>, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(client));
    let response = routes.oneshot(request).await?;
    Ok(response.map(|body| Answer {
        body,
        _running: running,
    }))
}

fn report(client: SocketAddr, ended: Result<(), BoxError>) {
    if let Err(error) = ended {
        tracing::debug!(%client, error, "a connection has failed");
    }
}

/// The requests of a connection.
struct Requests(Mutex<Progress>);

struct Progress {
    running: usize,
    /// The end of the last request, or the beginning of the connection.
    unused_since: Instant,
}

impl Requests {
    fn new() -> Self {
        Self(Mutex::new(Progress {
            running: 0,
            unused_since: Instant::now(),
        }))
    }

    fn begin(self: &Arc<Self>) -> RunningRequest {
        self.progress().running += 1;
        RunningRequest(self.clone())
    }

    /// Waits until there was none for this time. It looks now and then, so that a request wakes nobody.
    async fn none_for(&self, time: Duration) {
        let mut pause = time;
        loop {
            sleep(pause).await;
            let unused = self.unused_for();
            if unused >= time {
                return;
            }
            pause = time.saturating_sub(unused);
        }
    }

    fn unused_for(&self) -> Duration {
        let progress = self.progress();
        match progress.running {
            0 => progress.unused_since.elapsed(),
            _ => Duration::ZERO,
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request whose answer is not at its end.
struct RunningRequest(Arc<Requests>);

impl Drop for RunningRequest {
    fn drop(&mut self) {
        let mut progress = self.0.progress();
        progress.running -= 1;
        progress.unused_since = Instant::now();
    }
}

/// The body of an answer. It ends when the client has it.
struct Answer {
    body: Body,
    _running: RunningRequest,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
