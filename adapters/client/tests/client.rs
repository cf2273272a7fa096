//! A client of a program that is served on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use cqrs_client::{Client, ClientError};
use cqrs_core::prelude::*;
use cqrs_http::{Options, Unauthenticated};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

mod accounts {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    #[command(error = DepositError)]
    pub struct Deposit {
        #[id(Account)]
        pub account: u32,
        pub cents: u64,
    }

    #[derive(Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
    pub enum DepositError {
        #[error("{cents} cents are too much")]
        TooMuch { cents: u64 },
    }

    impl Validate for Deposit {
        fn validate(&self) -> Result<(), Invalid> {
            ensure!(self.cents > 0, Invalid::field("cents", "is 0"));
            Ok(())
        }
    }

    /// Is always rejected, with a text.
    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Close {
        pub account: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "deposited", version = 1)]
    pub struct Deposited {
        #[id(Account)]
        pub account: u32,
        pub cents: u64,
    }

    #[derive(Default)]
    pub struct Account {
        cents: u64,
    }

    #[aggregate(id = u32)]
    impl Account {
        #[apply]
        fn deposited(&mut self, event: &Deposited) {
            self.cents += event.cents;
        }
    }

    #[command_handler]
    fn deposit(command: Deposit, account: &Account) -> Result<Deposited, DepositError> {
        let Deposit { account: id, cents } = command;
        ensure!(
            account.cents + cents <= 1_000,
            DepositError::TooMuch { cents }
        );
        Ok(Deposited { account: id, cents })
    }

    #[command_handler]
    fn close(command: Close) -> Result<(), Rejected> {
        Err(format!("account {} stays open", command.account).into())
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Balance {
        #[key]
        pub account: u32,
        pub cents: u64,
        pub deposits: u32,
    }

    pub struct Balances;

    #[projection(name = "balances", version = 1)]
    impl Balances {
        #[on]
        fn deposited(event: &Deposited, balances: &mut Views<Balance>) -> Result<()> {
            let Deposited { account, cents } = *event;
            balances.upsert(
                &account,
                || Balance {
                    account,
                    cents,
                    deposits: 1,
                },
                |it| {
                    it.cents += cents;
                    it.deposits += 1;
                },
            )
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = Option<Balance>)]
    pub struct BalanceOf {
        pub account: u32,
    }

    #[query_handler]
    async fn balance_of(query: BalanceOf, balances: Read<Balance>) -> Result<Option<Balance>> {
        balances.get(&query.account).await
    }
}

/// Messages that the server does not have.
mod elsewhere {
    use cqrs_core::prelude::*;

    /// That of a program of another version.
    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(name = "BalanceOf", returns = String)]
    pub struct TextOf {
        pub account: u32,
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32)]
    pub struct Nothing {}
}

use accounts::{BalanceOf, Close, Deposit, DepositError};
use elsewhere::{Nothing, TextOf};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(30);

struct Server {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(routes: Router) -> Self {
        Self::at("127.0.0.1:0", routes).await
    }

    async fn at(address: &str, routes: Router) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let serving = tokio::spawn(async move {
            axum::serve(listener, routes).await.expect("serves");
        });
        Self { address, serving }
    }

    /// Takes no more connections, and returns the address, which is free then.
    async fn stop(self) -> String {
        self.serving.abort();
        let _ = self.serving.await;
        self.address.to_string()
    }

    fn client(&self) -> Client {
        client_of(self.address)
    }
}

fn client_of(address: SocketAddr) -> Client {
    let http = reqwest::Client::builder().no_proxy().build();
    let http = http.expect("a client");
    Client::with(http, &format!("http://{address}/api")).expect("an address")
}

/// Connections to a server that can be cut.
struct Wire {
    address: SocketAddr,
    cut: watch::Sender<()>,
}

impl Wire {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let cut = watch::Sender::new(());
        let cuts = cut.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cut = cuts.subscribe();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(server).await.expect("connects");
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { address, cut }
    }

    fn cut(&self) {
        self.cut.send_replace(());
    }
}

async fn program() -> Dispatcher {
    let builder = Dispatcher::builder().module(accounts::module());
    builder.store(Memory::new()).build().await.expect("builds")
}

fn routes(app: Dispatcher) -> Router {
    Router::new().nest("/api", cqrs_http::router(app))
}

fn deposit(cents: u64) -> Deposit {
    Deposit { account: 1, cents }
}

#[tokio::test]
async fn commands_and_queries_are_those_of_the_program() {
    let server = Server::start(routes(program().await)).await;
    let bank = server.client();
    let first = bank.execute(deposit(300)).id("order 1").await;
    let first = first.expect("is carried out");
    let again = bank.execute(deposit(300)).id("order 1").await;
    let again = again.expect("is the same command");
    assert_eq!((again.last(), again.replayed()), (first.last(), true));
    let second = bank.execute(deposit(200)).await.expect("is another one");
    let balance = bank.query(BalanceOf { account: 1 }).after(&second).await;
    let balance = balance.expect("is answered").expect("there is one");
    assert_eq!((balance.cents, balance.deposits), (500, 2));
    let none = bank.query(BalanceOf { account: 2 }).await;
    assert!(none.expect("is answered").is_none());
}

#[tokio::test]
async fn errors_are_those_of_the_program() {
    let server = Server::start(routes(program().await)).await;
    let bank = server.client();
    let error = bank.execute(deposit(1_001)).await.expect_err("is too much");
    assert_eq!(error.to_string(), "1001 cents are too much");
    let ClientError::Rejected(rejection) = error else {
        panic!("{error:?}");
    };
    assert_eq!(
        rejection.error(),
        Some(DepositError::TooMuch { cents: 1_001 })
    );
    assert_eq!(rejection.variant(), Some("too-much"));

    let error = bank
        .execute(Close { account: 7 })
        .await
        .expect_err("is rejected");
    let ClientError::Rejected(rejection) = error else {
        panic!("{error:?}");
    };
    assert_eq!(rejection.to_string(), "account 7 stays open");
    assert_eq!(rejection.variant(), None);

    let error = bank.execute(deposit(0)).await.expect_err("is not valid");
    let ClientError::Refused(problem) = error else {
        panic!("{error:?}");
    };
    assert_eq!((problem.name(), problem.status), (Some("invalid"), 400));
    assert_eq!(problem.errors[0].pointer, "#/cents");
    let error = bank.query(Nothing {}).await.expect_err("has no handler");
    assert!(matches!(error, ClientError::Refused(_)), "{error:?}");

    bank.execute(deposit(1))
        .id("once")
        .await
        .expect("is carried out");
    let error = bank
        .execute(deposit(2))
        .id("once")
        .await
        .expect_err("is another one");
    let ClientError::Refused(problem) = error else {
        panic!("{error:?}");
    };
    assert_eq!(problem.name(), Some("key-reused"));

    let of_another_version = TextOf { account: 1 };
    let error = bank
        .query(of_another_version)
        .await
        .expect_err("is another type");
    assert!(matches!(error, ClientError::Unreadable { .. }), "{error:?}");
}

/// The first requests fail before they arrive, or their answers are lost.
#[tokio::test]
async fn a_command_is_carried_out_once_however_often_it_is_sent() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = attempts.clone();
    let unreliable = from_fn(move |request: Request, next: Next| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        async move {
            match number {
                0 => StatusCode::BAD_GATEWAY.into_response(),
                1 | 2 => {
                    let _lost: Response = next.run(request).await;
                    // A gateway that has given up.
                    StatusCode::GATEWAY_TIMEOUT.into_response()
                }
                _ => next.run(request).await,
            }
        }
    });
    let app = program().await;
    let server = Server::start(routes(app.clone()).layer(unreliable)).await;
    let bank = server.client();
    let receipt = bank.execute(deposit(300)).await.expect("is carried out");
    assert!(receipt.replayed());
    assert_eq!(attempts.load(Ordering::SeqCst), 4);
    let balance = app.query(BalanceOf { account: 1 }).after(&receipt).await;
    let balance = balance.expect("is answered").expect("there is one");
    assert_eq!((balance.cents, balance.deposits), (300, 1));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for() {
    let app = program().await;
    let server = Server::start(routes(app.clone())).await;
    let bank = server.client();
    let address = server.stop().await;
    let impatient = bank.clone().patience(Duration::ZERO);
    let error = impatient
        .execute(deposit(1))
        .await
        .expect_err("nobody answers");
    assert!(matches!(error, ClientError::Unanswered { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .starts_with(&format!("http://{address} did not answer"))
    );

    let sent = tokio::spawn(async move { bank.execute(deposit(1)).await });
    let _server = Server::at(&address, routes(app)).await;
    let receipt = timeout(LONG, sent)
        .await
        .expect("in time")
        .expect("no panic");
    assert_eq!(receipt.expect("is carried out").events(), 1);
}

#[tokio::test]
async fn a_watch_goes_on_after_a_lost_connection() {
    let app = program().await;
    let server = Server::start(routes(app.clone())).await;
    let wire = Wire::to(server.address).await;
    let bank = client_of(wire.address);
    let first = bank.execute(deposit(100)).await.expect("is carried out");
    let mut watch = bank.watch(BalanceOf { account: 1 }).after(&first);
    let cents = async |watch: &mut cqrs_client::Watch<BalanceOf>| {
        let answer = timeout(LONG, watch.next()).await.expect("in time");
        let answer = answer.expect("it is not over").expect("is answered");
        answer.output.map(|balance| balance.cents)
    };
    assert_eq!(cents(&mut watch).await, Some(100));
    app.execute(deposit(50)).await.expect("is carried out");
    assert_eq!(cents(&mut watch).await, Some(150));

    wire.cut();
    app.execute(deposit(25)).await.expect("is carried out");
    // The answer of before may be told again.
    while cents(&mut watch).await != Some(175) {}

    let mut unknown = bank.watch(Nothing {});
    let error = unknown
        .next()
        .await
        .expect("an error")
        .expect_err("is refused");
    assert!(matches!(error, ClientError::Refused(_)), "{error:?}");
    assert!(unknown.next().await.is_none());
}

#[tokio::test]
async fn a_token_is_sent_with_each_request() {
    let options = Options::new().actor(|head| {
        let token = head.headers.get("authorization").map(HeaderValue::as_bytes);
        match token {
            Some(b"Bearer s3cret") => Ok(Some(Actor::new("ann"))),
            _ => Err(Unauthenticated {
                reason: "the token is not known".into(),
                challenge: "Bearer",
            }),
        }
    });
    let routes = Router::new().nest("/api", options.router(program().await));
    let server = Server::start(routes).await;
    let error = server
        .client()
        .execute(deposit(1))
        .await
        .expect_err("is refused");
    let ClientError::Refused(problem) = error else {
        panic!("{error:?}");
    };
    assert_eq!(problem.name(), Some("unauthenticated"));
    let bank = server.client().bearer("s3cret").expect("is a token");
    bank.execute(deposit(1)).await.expect("is carried out");
    bank.query(BalanceOf { account: 1 })
        .await
        .expect("is answered");
}
