//! The shell that a cluster hangs on, so that it ends when the test process does.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::programs::Programs;

const SCRIPT: &str = include_str!("supervisor.sh");

/// A shell that runs `supervisor.sh`.
pub(crate) struct Supervisor {
    shell: Child,
    /// Its end is the shell's end, and the cluster's. Rust keeps it from other children.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    directory: PathBuf,
}

impl Supervisor {
    pub(crate) fn new(programs: &Programs, etcd_ports: [u16; 2]) -> Self {
        let mut command = test_postgres::shell_as_its_user();
        command
            .args(["-c", SCRIPT, "supervisor"])
            .arg(&programs.patroni)
            .arg(&programs.etcd)
            .args(etcd_ports.map(|port| port.to_string()));
        for (variable, _) in std::env::vars_os() {
            let name = variable.as_encoded_bytes();
            if [&b"PG"[..], b"PATRONI", b"ETCD"]
                .iter()
                .any(|it| name.starts_with(it))
            {
                command.env_remove(variable);
            }
        }
        // In a directory that its user may read, and out of reach of what ends the tests' process group.
        let mut shell = command
            .env("LC_ALL", "C")
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell can be run");
        let commands = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().expect("it is piped"));
        let mut this = Self {
            shell,
            commands,
            answers,
            directory: PathBuf::new(),
        };
        this.directory = this.answer().into();
        this
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn ask(&mut self, command: &str) {
        let commands = self.commands.as_mut().expect("only drop takes it");
        writeln!(commands, "{command}").expect("the cluster's shell listens");
        let answer = self.answer();
        assert_eq!(answer, "done", "the cluster's shell cannot {command}");
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        let length = self.answers.read_line(&mut line);
        let length = length.expect("the cluster's shell can be read");
        assert_ne!(length, 0, "the cluster's shell has ended");
        line.trim_end().to_owned()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.commands.take());
        // What cannot be waited for has ended.
        let _ = self.shell.wait();
    }
}
