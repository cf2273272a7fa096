use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Number of callers of a process, some of which only ask.
const CALLERS: usize = 16;

/// Time after which a process is taken to stand still.
const LONG: Duration = Duration::from_secs(180);

/// A process of the application.
pub struct Application {
    child: Child,
    reader: Option<JoinHandle<()>>,
    calls: Arc<(Mutex<Calls>, Condvar)>,
}

/// What its callers saw.
#[derive(Default)]
struct Calls {
    /// The ids of the commands that were acknowledged.
    acknowledged: Vec<String>,
    failed: Vec<String>,
    /// The longest ones since they were last taken.
    command: Duration,
    query: Duration,
    /// Number of answers that each caller has had.
    answers: [u32; CALLERS],
    has_ended: bool,
}

impl Application {
    pub fn start(url: &str, patience: Duration) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cluster-worker"));
        command
            .args([url, &patience.as_secs().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let output = child.stdout.take().expect("it is piped");
        let calls = Arc::<(Mutex<Calls>, Condvar)>::default();
        let reader = thread::spawn({
            let calls = calls.clone();
            move || read(output, &calls)
        });
        Self {
            child,
            reader: Some(reader),
            calls,
        }
    }

    /// Waits until each caller has had three more answers. The second of them is to what was sent after the
    /// first, so what was under way has been answered by then.
    pub fn wait_for_all(&self) {
        let mut calls = self.calls();
        let enough = calls.answers.map(|count| count + 3);
        while (0..CALLERS).any(|caller| calls.answers[caller] < enough[caller]) {
            assert!(!calls.has_ended, "the application has ended by itself");
            let waited = self.calls.1.wait_timeout(calls, LONG);
            let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            assert!(!timeout.timed_out(), "the application stands still");
            calls = guard;
        }
    }

    /// The longest command and the longest query since the last call.
    pub fn take_longest(&self) -> [Duration; 2] {
        let mut calls = self.calls();
        [
            std::mem::take(&mut calls.command),
            std::mem::take(&mut calls.query),
        ]
    }

    /// What has failed.
    pub fn failed(&self) -> Vec<String> {
        self.calls().failed.clone()
    }

    /// Ends it, and returns the ids of the commands that were acknowledged.
    pub fn end(mut self) -> Vec<String> {
        drop(self.child.stdin.take());
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "the application has ended with {status}");
        let reader = self.reader.take().expect("only this takes it");
        reader.join().expect("its output can be read");
        std::mem::take(&mut self.calls().acknowledged)
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        // What has ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(output: ChildStdout, (calls, changed): &(Mutex<Calls>, Condvar)) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.note(&line);
        changed.notify_all();
    }
    let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
    calls.has_ended = true;
    changed.notify_all();
}

impl Calls {
    fn note(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        let time = |text: &str| Duration::from_millis(text.parse().expect("a number"));
        match words[..] {
            ["done", caller, id, milliseconds] => {
                self.acknowledged.push(id.to_owned());
                self.command = self.command.max(time(milliseconds));
                self.count(caller);
            }
            ["asked", caller, milliseconds] => {
                self.query = self.query.max(time(milliseconds));
                self.count(caller);
            }
            ["failed", caller, ..] => {
                self.failed.push(line.to_owned());
                self.count(caller);
            }
            _ => panic!("not a line of the application: {line}"),
        }
    }

    fn count(&mut self, caller: &str) {
        let caller: usize = caller.parse().expect("a number");
        self.answers[caller] += 1;
    }
}
