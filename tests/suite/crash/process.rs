//! A writing process, which lives until it is killed.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use cqrs_core::{CommandId, Position};

/// The number of the signal that cannot be caught.
pub const SIGKILL: i32 = 9;

/// What a process says.
#[derive(Clone, Copy, Debug)]
pub enum Said {
    Opening,
    Sent(CommandId),
    /// Acknowledged: id, first and last position, number of events.
    Done(CommandId, Position, Position, u64),
    /// Visible.
    Seen(Position),
}

pub struct Writer {
    child: Child,
    lines: Receiver<Said>,
}

impl Writer {
    /// Starts a writer on a database, a file or the URL of a server; `settings` may change its
    /// environment. The second argument is for a server the schema.
    pub fn start(
        database: &Path,
        synchronous: &str,
        settings: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crash-writer"));
        settings(command.arg(database).arg(synchronous));
        Self::spawn(command)
    }

    /// Starts the command, which is a writer or leads to one.
    pub fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the writer starts");
        let output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let (sender, lines) = channel();
        // Ends when the process is dead and its pipe is empty.
        thread::spawn(move || {
            for line in output.lines() {
                let line = line.expect("the pipe can be read");
                let _ = sender.send(Said::parse(&line));
            }
        });
        Self { child, lines }
    }

    /// Waits for `count` reports of the process, and takes them.
    pub fn listen(&self, count: usize) -> Vec<Said> {
        let said: Vec<_> = self.lines.iter().take(count).collect();
        assert_eq!(said.len(), count, "the writer ended by itself");
        said
    }

    /// Waits until the process has seen the log, and takes its reports.
    pub fn listen_until_seen(&self) -> Vec<Said> {
        let mut said = self.listen(1);
        while !said.iter().any(|it| matches!(it, Said::Seen(_))) {
            said.extend(self.listen(1));
        }
        said
    }

    /// Waits until the process was killed, as its disk does, and takes its reports.
    pub fn last_words(self) -> Vec<Said> {
        let said = self.lines.iter().collect();
        self.kill();
        said
    }

    /// Waits until the process ends by itself, and takes its reports.
    pub fn end(mut self) -> Vec<Said> {
        let said = self.lines.iter().collect();
        self.child.wait().expect("the writer ends");
        said
    }

    /// Kills the process, and takes its remaining reports, including those still in the pipe.
    pub fn kill(mut self) -> Vec<Said> {
        self.child.kill().expect("the writer can be killed");
        let status = self.child.wait().expect("the writer ends");
        assert_eq!(
            status.signal(),
            Some(SIGKILL),
            "the writer ended by itself: {status}"
        );
        self.lines.iter().collect()
    }
}

impl Drop for Writer {
    /// A test that fails leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Said {
    fn parse(line: &str) -> Self {
        let words: Vec<_> = line.split(' ').collect();
        let number = |word: &str| word.parse().expect("a number");
        let id = |word: &str| word.parse().expect("an id");
        let position = |word: &str| Position::new(number(word));
        match words[..] {
            ["opening"] => Self::Opening,
            ["sent", sent] => Self::Sent(id(sent)),
            ["done", done, first, last, events] => {
                Self::Done(id(done), position(first), position(last), number(events))
            }
            ["seen", seen] => Self::Seen(position(seen)),
            _ => panic!("the writer said something else: {line}"),
        }
    }
}
