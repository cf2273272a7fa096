//! Other frameworks, each in a process of its own.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::Result;
use crate::cargo::{self, Profile};
use crate::load::{Load, Outcome};

/// A program under `peers/`.
pub struct Peer {
    program: PathBuf,
    /// The framework with its version.
    pub name: &'static str,
}

impl Peer {
    pub fn cqrs_es() -> Result<Self> {
        Self::build("cqrs-es", "cqrs-es 0.5")
    }

    pub fn disintegrate() -> Result<Self> {
        Self::build("disintegrate", "disintegrate 4.0")
    }

    pub fn esrs() -> Result<Self> {
        Self::build("esrs", "esrs 0.18")
    }

    pub fn evento() -> Result<Self> {
        Self::build("evento", "evento 1.8")
    }

    fn build(folder: &str, name: &'static str) -> Result<Self> {
        let manifest = format!("peers/{folder}/Cargo.toml");
        let arguments = ["--locked", "--manifest-path", &manifest];
        let built = cargo::build("peers", Profile::Release, &arguments)?;
        let program = built.join(format!("peer-{folder}"));
        Ok(Self { program, name })
    }

    /// One run of a workload.
    pub fn call(&self, workload: &str) -> Call {
        let mut command = Command::new(&self.program);
        command.arg(workload);
        Call(command)
    }
}

/// One run of a workload, about to be started.
#[must_use = "nothing runs until the answer is asked for"]
pub struct Call(Command);

impl Call {
    /// The place of its data: a URL, or a file.
    pub fn on(mut self, place: impl AsRef<OsStr>) -> Self {
        self.0.arg(place);
        self
    }

    pub fn load(self, load: Load) -> Self {
        let call = self.set("COMMANDS", load.commands);
        call.set("AGGREGATES", load.aggregates)
            .set("CALLERS", load.callers)
    }

    pub fn set(mut self, name: &str, value: impl Into<i64>) -> Self {
        self.0.env(name, value.into().to_string());
        self
    }

    pub fn answer(mut self) -> Result<Answer> {
        Ok(Answer(cargo::figures(&mut self.0)?))
    }

    pub fn outcome(self) -> Result<Outcome> {
        self.answer()?.outcome()
    }
}

/// The figures that a run measured.
pub struct Answer(Value);

impl Answer {
    pub fn outcome(&self) -> Result<Outcome> {
        Ok(Outcome {
            per_second: self.number("per_second")?,
            p50: self.number("p50_us")?,
            p99: self.number("p99_us")?,
        })
    }

    pub fn number(&self, name: &str) -> Result<f64> {
        self.0[name]
            .as_f64()
            .ok_or_else(|| format!("no `{name}` in {}", self.0).into())
    }

    pub fn text(&self, name: &str) -> String {
        self.0[name].as_str().unwrap_or("unknown").to_owned()
    }
}
