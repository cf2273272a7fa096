//! The shell that a server hangs on, so that it ends when the test process does.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const SCRIPT: &str = include_str!("supervisor.sh");

/// A shell that runs `supervisor.sh`.
pub(crate) struct Supervisor {
    shell: Child,
    /// Its end is the shell's end, and the server's. Rust keeps it from other children.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Supervisor {
    pub(crate) fn new(program: &Path, arguments: &[&str]) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "supervisor"])
            .arg(program)
            .args(arguments)
            // Out of reach of what ends the tests' process group.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell can be run");
        let commands = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().expect("it is piped"));
        Self {
            shell,
            commands,
            answers,
        }
    }

    /// Another process may take a port after it was found to be free.
    pub(crate) fn start_on_a_free_port(&mut self) -> u16 {
        for _ in 0..16 {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
            let port = free.local_addr().expect("it has one").port();
            drop(free);
            match self.answer_to(&format!("start {port}")).as_str() {
                "ready" => return port,
                "busy" => {}
                answer => panic!("the server does not start: {answer}"),
            }
        }
        panic!("no port is free")
    }

    pub(crate) fn ask(&mut self, command: &str, expected: &str) {
        let answer = self.answer_to(command);
        assert_eq!(answer, expected, "the server's shell cannot {command}");
    }

    fn answer_to(&mut self, command: &str) -> String {
        let commands = self.commands.as_mut().expect("only drop takes it");
        writeln!(commands, "{command}").expect("the server's shell runs");
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        read.expect("the server's shell answers");
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
