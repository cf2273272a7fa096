use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A working process, which lives until it is killed.
pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chaos-worker"));
        command.args(arguments).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let output = child.stdout.take().expect("its output is a pipe");
        Self {
            child,
            lines: BufReader::new(output).lines(),
        }
    }

    /// Waits until it has read this many meters.
    pub fn listen(&mut self, count: usize) {
        for _ in 0..count {
            let line = self.lines.next().expect("the process ended by itself");
            line.expect("the pipe can be read");
        }
    }

    pub fn stop(&self) {
        self.signal("STOP");
    }

    pub fn go_on(&self) {
        self.signal("CONT");
    }

    pub fn kill(self) {
        // On drop.
    }

    fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        kill.arg(format!("-{signal}"))
            .arg(self.child.id().to_string());
        let status = kill.status().expect("`kill` runs");
        assert!(status.success(), "kill -{signal}: {status}");
    }
}

impl Drop for Process {
    /// `SIGKILL`, also of a stopped process.
    fn drop(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
    }
}
