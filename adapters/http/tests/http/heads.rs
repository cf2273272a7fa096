//! Connections on which no request comes.

use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, timeout};

use crate::domain::in_memory;
use crate::server::{Server, json, options};
use crate::watches::Events;

const LONG: Duration = Duration::from_secs(60);

/// Time for a head.
const SHORT: Duration = Duration::from_millis(300);

/// The beginning of a connection with HTTP/2, and its settings, without any.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A head of HTTP/2 without its end: its other headers are to be in a frame of their own.
const HTTP2_HEAD: &[u8] = b"\0\0\x01\x01\0\0\0\0\x01\x82";

/// A request of HTTP/2: `GET http://shop/`.
const HTTP2_REQUEST: &[u8] = b"\0\0\x09\x01\x05\0\0\0\x01\x82\x86\x84\x41\x04shop";

async fn server() -> Server {
    let (app, _) = in_memory().await;
    Server::with_head_timeout(SHORT, options(), app).await
}

/// What is answered until the server closes the connection.
async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut answer)).await;
    // It may also be reset.
    let _ = read.expect("it is closed");
    answer
}

#[tokio::test]
async fn a_connection_without_a_head_is_closed() {
    let server = server().await;
    let unfinished = [HTTP2, HTTP2_HEAD].concat();
    for sent in [
        &b""[..],
        b"G",
        b"GET /api/acme/queries/BalanceOf?account=1 HTTP/1.1\r\nhost: sh",
        b"PRI * HTTP/2.0\r\n",
        HTTP2,
        &unfinished,
    ] {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        let begun = Instant::now();
        stream.write_all(sent).await.expect("is sent");
        let answer = until_closed(&mut stream).await;
        let time = begun.elapsed();
        assert!(time >= SHORT, "{time:?}, {}", sent.escape_ascii());
        let text = answer.escape_ascii().to_string();
        assert!(!text.contains("200 OK"), "{text}");
    }
}

/// Whoever sends a byte now and then is no exception.
#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_given_up() {
    let server = server().await;
    let stream = TcpStream::connect(server.address).await.expect("connects");
    let (mut read, mut write) = stream.into_split();
    let dripping = tokio::spawn(async move {
        let head = b"GET /api/acme/queries/BalanceOf?account=1 HTTP/1.1\r\nx-long: ";
        write.write_all(head).await.expect("is sent");
        let mut ticks = interval(SHORT / 10);
        loop {
            ticks.tick().await;
            if write.write_all(b"x").await.is_err() {
                return;
            }
        }
    });
    let mut answer = Vec::new();
    let closed = timeout(LONG, read.read_to_end(&mut answer)).await;
    let _ = closed.expect("it is closed");
    let ended = timeout(LONG, dripping).await;
    ended.expect("nothing more is taken").expect("no panic");
}

#[tokio::test]
async fn the_next_head_has_a_limit_as_well() {
    let server = server().await;
    let whole = "GET /api/acme/queries/BalanceOf?account=1 HTTP/1.1\r\nhost: shop\r\n\r\n";
    for rest in ["", "GET /api/acme/queries/Bal"] {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        let sent = stream.write_all(format!("{whole}{rest}").as_bytes()).await;
        sent.expect("is sent");
        let answer = until_closed(&mut stream).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    }
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    let sent = stream.write_all(&[HTTP2, HTTP2_REQUEST].concat()).await;
    sent.expect("is sent");
    let answer = until_closed(&mut stream).await;
    let kinds = frames(&answer);
    // It is answered (`HEADERS`), and told that the connection ends (`GOAWAY`).
    assert!(kinds.contains(&1) && kinds.contains(&7), "{kinds:?}");
}

/// The types of the frames of HTTP/2.
fn frames(mut bytes: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = bytes {
        types.push(*kind);
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        bytes = rest.get(length..).unwrap_or_default();
    }
    types
}

/// The limit is one of heads: what is being answered, or arrives, has others.
#[tokio::test]
async fn a_request_may_take_longer_than_a_head() {
    let (app, gate) = in_memory().await;
    let server = Server::with_head_timeout(SHORT, options(), app).await;
    let mut balances = Events::of(server.get("queries/BalanceOf?account=1")).await;
    balances.next().await.expect("the first answer");
    let waiting = tokio::spawn(json(server.post("commands/Wait", &json!({}))));
    let begun = timeout(LONG, gate.begun.acquire()).await;
    begun.expect("in time").expect("is open").forget();

    let mut slow = TcpStream::connect(server.address).await.expect("connects");
    let head = "POST /api/acme/commands/Deposit HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n\
                content-length: 26\r\nconnection: close\r\n\r\n";
    slow.write_all(head.as_bytes()).await.expect("is sent");
    let mut ticks = interval(SHORT / 5);
    for byte in br#"{"account": 1, "cents": 5}"# {
        ticks.tick().await;
        slow.write_all(&[*byte]).await.expect("is taken");
    }
    let answer = until_closed(&mut slow).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");

    gate.open.add_permits(1);
    assert_eq!(waiting.await.expect("no panic").0, StatusCode::OK);
    let next = balances.next().await.expect("goes on");
    assert!(next.iter().any(|(_, data)| data == "5"), "{next:?}");
}

/// A head that does not end, and a request in progress, while the server stops.
#[tokio::test]
async fn a_shutdown_waits_for_requests_and_not_for_heads() {
    let (app, gate) = in_memory().await;
    let mut server = Server::with_head_timeout(LONG * 10, options(), app).await;
    let mut heads = Vec::new();
    for sent in [&b""[..], b"GET / HTTP/1.1\r\nhost: sh", HTTP2] {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        stream.write_all(sent).await.expect("is sent");
        heads.push(stream);
    }
    let waiting = tokio::spawn(json(server.post("commands/Wait", &json!({}))));
    let begun = timeout(LONG, gate.begun.acquire()).await;
    begun.expect("in time").expect("is open").forget();
    server.stop();
    for stream in &mut heads {
        until_closed(stream).await;
    }
    gate.open.add_permits(1);
    assert_eq!(waiting.await.expect("no panic").0, StatusCode::OK);
    timeout(LONG, server.stopped()).await.expect("it ends");
}

#[tokio::test]
async fn a_connection_above_the_limit_waits_for_a_place() {
    let (app, _) = in_memory().await;
    let one = NonZeroUsize::MIN;
    let server = Server::set_up(options(), app, |server| server.max_connections(one)).await;
    let request = "GET /api/acme/queries/BalanceOf?account=1 HTTP/1.1\r\nhost: shop\r\n";
    let kept = format!("{request}\r\n");
    let closed = format!("{request}connection: close\r\n\r\n");
    let mut first = TcpStream::connect(server.address).await.expect("connects");
    first.write_all(kept.as_bytes()).await.expect("is sent");
    let mut answer = [0; 1024];
    let length = first.read(&mut answer).await.expect("is answered");
    assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
    let mut second = TcpStream::connect(server.address).await.expect("connects");
    second.write_all(closed.as_bytes()).await.expect("is sent");
    for _ in 0..50 {
        first.write_all(kept.as_bytes()).await.expect("is sent");
        let length = first.read(&mut answer).await.expect("is answered");
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
        let early = second.try_read(&mut answer).map_err(|error| error.kind());
        assert_eq!(early, Err(ErrorKind::WouldBlock));
    }
    drop(first);
    let answer = until_closed(&mut second).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}
