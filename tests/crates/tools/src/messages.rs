//! The messages that go to and come from a browser: JSON, each ended by a zero.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::ChildStdin;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// Longer than a page takes on a machine that is busy with other tests.
const LONG: Duration = Duration::from_secs(120);

pub struct Messages {
    input: ChildStdin,
    output: Receiver<Value>,
    count: u64,
    session: Option<String>,
}

impl Messages {
    pub fn new(input: ChildStdin, output: impl Read + Send + 'static) -> Self {
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            let messages = BufReader::new(output).split(0).map_while(Result::ok);
            for bytes in messages {
                let message = serde_json::from_slice(&bytes).expect("is JSON");
                if send.send(message).is_err() {
                    return;
                }
            }
        });
        Self {
            input,
            output: receive,
            count: 0,
            session: None,
        }
    }

    /// From here on, the messages are about this session.
    pub fn be_in(&mut self, session: &str) {
        self.session = Some(session.to_owned());
    }

    /// Sends a message without waiting for its answer.
    pub fn send(&mut self, method: &str, parameters: &Value) -> std::io::Result<u64> {
        self.count += 1;
        let mut message = json!({"id": self.count, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes)?;
        Ok(self.count)
    }

    /// The next message: an answer or an event.
    pub fn next(&self) -> Value {
        self.output.recv_timeout(LONG).expect("the browser answers")
    }

    /// Waits until the browser says no more, and returns whether it has come to that.
    pub fn are_over(&self, within: Duration) -> bool {
        loop {
            match self.output.recv_timeout(within) {
                Ok(_) => {}
                Err(error) => return error == mpsc::RecvTimeoutError::Disconnected,
            }
        }
    }
}
