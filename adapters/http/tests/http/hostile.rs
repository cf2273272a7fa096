//! Requests that no ordinary client makes, byte for byte.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::domain::in_memory;
use crate::server::{Server, json, options, send};

const LONG: Duration = Duration::from_secs(60);

/// What is answered to these bytes until the server closes the connection, or is silent after an answer.
async fn told(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    stream.write_all(bytes).await.expect("is sent");
    stream.shutdown().await.expect("is closed");
    let mut answer = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut answer)).await;
    // A server may also reset the connection of somebody who says what it does not understand.
    let _ = read.expect("in time");
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
    status.unwrap_or_else(|| panic!("{answer:?}"))
}

/// Nothing has been recorded: what is recorded now is the first event.
async fn assert_is_untouched(server: &Server) {
    let deposit = server.post("commands/Deposit", &json!({"account": 1, "cents": 5}));
    let (_, receipt) = json(deposit).await;
    assert_eq!(receipt["last"], 1, "{receipt}");
}

/// No way of writing the path of a message, and no header that says another path, method or sender, gets around its
/// permission.
#[tokio::test]
async fn no_path_and_no_header_is_a_way_around_a_permission() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let paths = [
        ("/api/acme/commands/CloseAccount", 403),
        ("/api/acme/commands/%43loseAccoun%74", 403),
        ("/api/acme/commands/CloseAccount?x-may=accounts.close", 403),
        ("/api/acme/commands/CloseAccount/", 404),
        ("/api/acme/commands//CloseAccount", 404),
        ("//api/acme/commands/CloseAccount", 404),
        ("/api/acme/commands/closeaccount", 404),
        ("/api/acme/commands/CloseAccount%00", 404),
        ("/api/acme/commands/CloseAccount%2f", 404),
        ("/api/acme/commands/CloseAccount;x-may=accounts.close", 404),
        ("/api/acme/commands/Ping%2f..%2fCloseAccount", 404),
        ("/api/acme/commands/Ping/../CloseAccount", 404),
        ("/api/acme/commands/%2e%2e/commands/CloseAccount", 404),
        ("/api/acme/queries/CloseAccount", 404),
        ("http://other.example/api/acme/commands/CloseAccount", 403),
    ];
    for (path, expected) in paths {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n\
             content-length: 13\r\nconnection: close\r\n\r\n{{\"account\":1}}"
        );
        let answer = told(&server, request.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{path}: {answer}");
    }
    let headers = [
        ("x-original-url", "/api/acme/commands/CloseAccount"),
        ("x-rewrite-url", "/api/acme/commands/CloseAccount"),
        ("x-forwarded-user", "root"),
        ("x-http-method-override", "POST"),
        ("forwarded", "for=127.0.0.1"),
    ];
    for (name, value) in headers {
        let close = server.post("commands/CloseAccount", &json!({"account": 1}));
        let (status, _) = json(close.header(name, value)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{name}");
        let get = server.get("commands/CloseAccount").header(name, value);
        assert_eq!(
            send(get).await.status(),
            StatusCode::METHOD_NOT_ALLOWED,
            "{name}"
        );
    }
    assert_is_untouched(&server).await;
}

/// Where two readers could disagree about where a request ends, it is refused, or is the last of its connection.
#[tokio::test]
async fn no_request_is_hidden_in_another_one() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let hidden = "POST /api/acme/commands/Deposit HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n\
                  content-length: 23\r\n\r\n{\"account\":1,\"cents\":5}";
    let ping =
        "POST /api/acme/commands/Ping HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n";
    let tricks = [
        "content-length: 2\r\ncontent-length: 0\r\n\r\n",
        "content-length: 0\r\ntransfer-encoding: xchunked\r\n\r\n",
        "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "content-length: +2\r\n\r\n",
        "content-length: 0, 2\r\n\r\n",
        "transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "x-a: b\r\n folded: c\r\n\r\n",
        "x-a: b\0c\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
    ];
    for trick in tricks {
        let answer = told(&server, format!("{ping}{trick}{hidden}").as_bytes()).await;
        assert!(
            answer.is_empty() || status(&answer) < 500,
            "{trick:?}: {answer}"
        );
    }
    assert_is_untouched(&server).await;
    // What is not hidden is the next request.
    let both = format!("{ping}content-length: 2\r\n\r\n{{}}{hidden}");
    assert_eq!(status(&told(&server, both.as_bytes()).await), 200);
    let (_, receipt) =
        json(server.post("commands/Deposit", &json!({"account": 1, "cents": 5}))).await;
    assert_eq!(receipt["last"], 3, "{receipt}");
}

#[tokio::test]
async fn headers_have_a_maximum_size() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let line = format!("x-a: {}\r\n", "a".repeat(1000));
    for (lines, length) in [
        ("x-a: b\r\n".repeat(2000), "many"),
        (line.repeat(2000), "long"),
    ] {
        let request = format!(
            "GET /api/acme/queries/BalanceOf?account=1 HTTP/1.1\r\nhost: shop\r\n{lines}\r\n"
        );
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        // The server does not read to the end.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = vec![0; 1024];
        let read = timeout(LONG, stream.read(&mut answer)).await;
        let count = read.expect("in time").unwrap_or(0);
        let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
        assert!(
            answer.is_empty() || status(&answer) == 431,
            "{length}: {answer}"
        );
    }
    assert_eq!(
        json(server.get("queries/BalanceOf?account=1")).await.0,
        StatusCode::OK
    );
}

/// Two hundred connections that never end their head or their body, and bodies of 10 MiB on twenty others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_large_requests_do_not_stop_the_others() {
    let (app, _) = in_memory().await;
    // Fewer requests at once than there are slow ones.
    let options = options().max_requests(8).body_timeout(LONG);
    let server = Server::with(options, app).await;
    let mut slow = Vec::new();
    let heads = [
        "GET /api/acme/queries/BalanceOf?account=1 HTTP/1.1\r\nhost: sh",
        "POST /api/acme/commands/Deposit HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n\
         content-length: 30\r\n\r\n{\"acc",
    ];
    for number in 0..200 {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        let head = heads[number % heads.len()];
        stream.write_all(head.as_bytes()).await.expect("is sent");
        slow.push(stream);
    }
    let mut flood = JoinSet::new();
    for number in 0..20 {
        let address = server.address;
        flood.spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("connects");
            let length = if number % 2 == 0 {
                "content-length: 10485760\r\n\r\n"
            } else {
                "transfer-encoding: chunked\r\n\r\na00000\r\n"
            };
            let head = "POST /api/acme/commands/Deposit HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n";
            let sent = stream.write_all(format!("{head}{length}").as_bytes()).await;
            sent.expect("is sent");
            let (mut read, mut write) = stream.into_split();
            let part = vec![b' '; 1 << 16];
            let writing = tokio::spawn(async move {
                for _ in 0..160 {
                    // The server closes the connection of whom it has refused.
                    if write.write_all(&part).await.is_err() {
                        return;
                    }
                }
            });
            let mut answer = vec![0; 1024];
            let count = read.read(&mut answer).await.unwrap_or(0);
            writing.abort();
            String::from_utf8_lossy(&answer[..count]).into_owned()
        });
    }
    for account in 1..=50_u32 {
        let deposit = server.post("commands/Deposit", &json!({"account": account, "cents": 5}));
        let answered = timeout(LONG, json(deposit)).await.expect("in time");
        assert_eq!(answered.0, StatusCode::OK, "{}", answered.1);
    }
    let mut refused = 0;
    while let Some(answer) = timeout(LONG, flood.join_next()).await.expect("in time") {
        let answer = answer.expect("no panic");
        assert!(answer.is_empty() || status(&answer) == 413, "{answer}");
        refused += u32::from(!answer.is_empty());
    }
    assert!(refused > 0, "no body was refused");
}
