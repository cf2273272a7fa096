use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::Client;

use crate::callers::{deposits_of, measure};
use crate::domain::Deposit;
use crate::load::{Load, Outcome};
use crate::postgres::database::block_on;
use crate::{Result, cargo};

/// The outcome of callers with a connection each, and the most memory that the server has had, in MiB.
pub fn run(load: Load, program: &Path) -> Result<(Outcome, f64)> {
    let folder = cargo::scratch()?;
    let mut server = Server::start(program, &folder.path().join("served.db"))?;
    let address = server.address()?;
    let outcome = block_on(async {
        let client = Client::builder().no_proxy().build()?;
        let url = format!("http://{address}/commands/Deposit");
        measure(numbered(load), move |(key, deposit)| {
            let request = client.post(&url).header("idempotency-key", key);
            let request = request.json(&deposit);
            async move {
                let answer = request.send().await?.error_for_status()?;
                answer.bytes().await?;
                Ok(())
            }
        })
        .await
    })?;
    Ok((outcome, server.most_memory()?))
}

/// The commands of each caller, with their keys.
fn numbered(load: Load) -> Vec<Vec<(String, Deposit)>> {
    let callers = deposits_of(load).into_iter().enumerate();
    callers
        .map(|(caller, deposits)| {
            let deposits = deposits.into_iter().enumerate();
            deposits
                .map(|(number, deposit)| (format!("{caller}-{number}"), deposit))
                .collect()
        })
        .collect()
}

/// Ends with this.
struct Server(Child);

impl Server {
    fn start(program: &Path, file: &Path) -> Result<Self> {
        let child = Command::new(program)
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
