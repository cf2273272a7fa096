use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::Kind;
use crate::callers::{deposits_of, measure};
use crate::load::{Load, Outcome};
use crate::postgres::database::block_on;
use crate::{Result, cargo};

type Connection = Arc<Mutex<SendRequest<Full<Bytes>>>>;

/// The outcome of callers with a connection each, and the most memory that the server has had, in MiB.
pub fn run(load: Load, program: &Path, kind: Kind) -> Result<(Outcome, f64)> {
    let folder = cargo::scratch()?;
    let mut server = Server::start(program, kind, &folder.path().join("served.db"))?;
    let address = server.address()?;
    let outcome = block_on(async {
        let requests = requests(load, &address).await?;
        measure(requests, async |(connection, request)| {
            let mut connection = connection.lock().await;
            let answer = connection.send_request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?;
            if status.is_success() {
                Ok(())
            } else {
                Err(format!("{status}: {:?}", body.to_bytes()).into())
            }
        })
        .await
    })?;
    Ok((outcome, server.most_memory()?))
}

/// The requests of each caller, on its connection.
async fn requests(
    load: Load,
    address: &str,
) -> Result<Vec<Vec<(Connection, Request<Full<Bytes>>)>>> {
    let mut callers = Vec::new();
    for (caller, deposits) in deposits_of(load).into_iter().enumerate() {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (connection, driver) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        let connection = Arc::new(Mutex::new(connection));
        let mut requests = Vec::new();
        for (number, deposit) in deposits.into_iter().enumerate() {
            let request = Request::post("/commands/Deposit")
                .header(HOST, address)
                .header(CONTENT_TYPE, "application/json")
                .header("idempotency-key", format!("{caller}-{number}"));
            let request = request.body(Full::from(serde_json::to_vec(&deposit)?))?;
            requests.push((connection.clone(), request));
        }
        callers.push(requests);
    }
    Ok(callers)
}

/// Ends with this.
struct Server(Child);

impl Server {
    fn start(program: &Path, kind: Kind, file: &Path) -> Result<Self> {
        let child = Command::new(program)
            .arg(kind.name())
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    fn address(&mut self) -> Result<String> {
        let output = self.0.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn most_memory(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|it| it.split_whitespace().next());
        let kibibytes: f64 = kibibytes.ok_or("no memory")?.parse()?;
        Ok(kibibytes / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
