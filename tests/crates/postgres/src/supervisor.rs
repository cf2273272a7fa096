//! The process that a server hangs on, so that it ends when the test process does.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::find;

const SCRIPT: &str = include_str!("supervisor.sh");

/// A shell that runs `supervisor.sh`, with a server that was started.
pub(crate) struct Supervisor {
    directory: PathBuf,
    port: u16,
    shell: Child,
    /// Its end is the shell's end, and the server's. Rust keeps it from other children.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Supervisor {
    /// Creates a cluster, or a standby of a primary that stands still, and starts it on the first of
    /// the ports that no other process has.
    pub(crate) fn new(
        binaries: &Path,
        primary: Option<&Self>,
        ports: impl IntoIterator<Item = u16>,
    ) -> Result<Self, String> {
        let mut shell = command(binaries, primary)
            .spawn()
            .map_err(|error| format!("the server's shell cannot be run: {error}"))?;
        let commands = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().expect("it is piped"));
        let mut this = Self {
            directory: PathBuf::new(),
            port: 0,
            shell,
            commands,
            answers,
        };
        this.directory = this.answer()?.into();
        let created = this.answer()?;
        if created != "ready" {
            let step = primary.map_or("initdb", |_| "the copy of the primary");
            return Err(this.failure(&format!("{step} failed")));
        }
        for port in ports {
            match this.ask(&format!("start {port}"))?.as_str() {
                "ready" => {
                    this.port = port;
                    return Ok(this);
                }
                "busy" => {}
                _ => return Err(this.failure("the server did not start")),
            }
        }
        Err(this.failure("no port is free"))
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn kill(&mut self) -> Result<(), String> {
        self.ask("kill").map(drop)
    }

    /// Carries out a command that has one answer.
    pub(crate) fn carry_out(&mut self, command: &str, answer: &str) -> Result<(), String> {
        if self.ask(command)? == answer {
            return Ok(());
        }
        Err(self.failure(&format!("the server's shell could not {command}")))
    }

    pub(crate) fn restart(&mut self) -> Result<(), String> {
        let port = self.port;
        match self.ask(&format!("start {port}"))?.as_str() {
            "ready" => Ok(()),
            "busy" => Err(format!("somebody took port {port} in the meantime")),
            _ => Err(self.failure("the server did not start again")),
        }
    }

    fn ask(&mut self, command: &str) -> Result<String, String> {
        let commands = self.commands.as_mut().expect("only drop takes it");
        writeln!(commands, "{command}")
            .map_err(|error| format!("the server's shell cannot be told to {command}: {error}"))?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => Err("the server's shell has ended".to_owned()),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(format!("the server's shell cannot be read: {error}")),
        }
    }

    /// With the log, which goes with the directory.
    fn failure(&self, what: &str) -> String {
        let log = fs::read(self.directory.join("log")).unwrap_or_default();
        format!("{what}:\n{}", String::from_utf8_lossy(&log))
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.commands.take());
        // What cannot be waited for has ended.
        let _ = self.shell.wait();
    }
}

/// A shell that runs as whom PostgreSQL may run as.
///
/// # Panics
/// As root, if the user that takes its place has no group.
#[must_use]
pub fn shell_as_its_user() -> Command {
    let Some(user) = find::user() else {
        return Command::new("sh");
    };
    let group = find::output("id", &["-g", user]);
    let group = group.unwrap_or_else(|| panic!("root needs a user {user}, and it has none"));
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", user, "--regid", &group])
        .args(["--clear-groups", "sh"]);
    command
}

fn command(binaries: &Path, primary: Option<&Supervisor>) -> Command {
    let mut command = shell_as_its_user();
    command.args(["-c", SCRIPT, "supervisor"]).arg(binaries);
    if let Some(primary) = primary {
        command
            .arg(primary.port.to_string())
            .arg(&primary.directory);
    }
    for (variable, _) in std::env::vars_os() {
        if variable.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(variable);
        }
    }
    // In a directory that its user may read, and out of reach of what ends the tests' process group.
    command
        .env("LC_ALL", "C")
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// Ports below the ephemeral range of operating systems, so that no process takes a server's while
/// it is down. One that is free now may be taken by the time it is used, hence more than one.
pub fn ports() -> impl Iterator<Item = u16> {
    std::iter::repeat_with(|| {
        let random = RandomState::new().build_hasher().finish() % 12_000;
        20_000 + u16::try_from(random).unwrap_or_default()
    })
    .filter(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
    .take(20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_somebody_took_is_left_to_them() {
        let Some(binaries) = crate::binaries() else {
            crate::without::<()>("a_port_that_somebody_took_is_left_to_them", crate::NONE);
            return;
        };
        let theirs = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let taken = theirs.local_addr().expect("it is bound").port();
        let server = Supervisor::new(&binaries, None, [taken].into_iter().chain(ports()));
        assert_ne!(server.expect("it starts").port(), taken);
    }
}
