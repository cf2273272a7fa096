//! cqrs-es, in a process of its own.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::Result;
use crate::cargo::{self, Profile};
use crate::load::{Load, Outcome};

/// The program under `peers/cqrs-es`.
pub struct CqrsEs(PathBuf);

impl CqrsEs {
    pub fn build() -> Result<Self> {
        let manifest = "peers/cqrs-es/Cargo.toml";
        let folder = cargo::build("peers", Profile::Release, &["--manifest-path", manifest])?;
        Ok(Self(folder.join("peer-cqrs-es")))
    }

    fn command(&self, load: Load) -> Command {
        let mut command = Command::new(&self.0);
        command.env("COMMANDS", load.commands.to_string());
        command.env("AGGREGATES", load.aggregates.to_string());
        command.env("CALLERS", load.callers.to_string());
        command
    }

    /// Commands per second on `MemStore`, or on the same without its `println!`.
    pub fn memory(&self, load: Load, quiet: bool, rounds: u32) -> Result<f64> {
        let mut command = self.command(load);
        command.arg(if quiet { "memory-quiet" } else { "memory" });
        command.env("ROUNDS", rounds.to_string());
        number(&cargo::figures(&mut command)?, "per_second")
    }

    /// On sqlite-es, with the version of SQLite.
    pub fn sqlite(
        &self,
        load: Load,
        connections: u32,
        checkpoint: i64,
        cache: i64,
    ) -> Result<(Outcome, String)> {
        let folder = cargo::scratch()?;
        let mut command = self.command(load);
        command.arg("sqlite").arg(folder.path().join("cqrs-es.db"));
        command.env("CONNECTIONS", connections.to_string());
        command.env("CHECKPOINT", checkpoint.to_string());
        command.env("CACHE", cache.to_string());
        let figures = cargo::figures(&mut command)?;
        let outcome = Outcome {
            per_second: number(&figures, "per_second")?,
            p50: number(&figures, "p50_us")?,
            p99: number(&figures, "p99_us")?,
        };
        Ok((
            outcome,
            figures["sqlite"].as_str().unwrap_or("unknown").to_owned(),
        ))
    }
}

impl CqrsEs {
    /// On postgres-es.
    pub fn postgres(&self, load: Load, connections: u32, url: &str) -> Result<Outcome> {
        let mut command = self.command(load);
        command.arg("postgres").arg(url);
        command.env("CONNECTIONS", connections.to_string());
        let figures = cargo::figures(&mut command)?;
        Ok(Outcome {
            per_second: number(&figures, "per_second")?,
            p50: number(&figures, "p50_us")?,
            p99: number(&figures, "p99_us")?,
        })
    }
}

fn number(figures: &Value, name: &str) -> Result<f64> {
    figures[name]
        .as_f64()
        .ok_or_else(|| format!("no `{name}` in {figures}").into())
}
