//! What Patroni answers over HTTP.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Time for an answer about what is so. A member that is frozen gives none.
const SHORT: Duration = Duration::from_secs(1);

/// The status and the body. An error where nothing listens, or nothing answers in time.
pub(crate) fn get(port: u16, path: &str) -> io::Result<(u16, String)> {
    exchange(port, SHORT, &format!("GET {path} HTTP/1.0\r\n\r\n"))
}

/// The same, of a request that takes its time.
pub(crate) fn post(
    port: u16,
    path: &str,
    body: &str,
    patience: Duration,
) -> io::Result<(u16, String)> {
    send("POST", port, path, body, patience)
}

/// The same, of a change.
pub(crate) fn patch(
    port: u16,
    path: &str,
    body: &str,
    patience: Duration,
) -> io::Result<(u16, String)> {
    send("PATCH", port, path, body, patience)
}

fn send(
    method: &str,
    port: u16,
    path: &str,
    body: &str,
    patience: Duration,
) -> io::Result<(u16, String)> {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    exchange(port, patience, &request)
}

fn exchange(port: u16, patience: Duration, request: &str) -> io::Result<(u16, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, SHORT)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let broken = || io::Error::other(format!("no HTTP: {answer}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    Ok((status.ok_or_else(broken)?, body.to_owned()))
}
