use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::subscription::Trouble;

/// Maximum number of instances that send commands at the same time.
const MAX_SENDING: usize = 64;

/// The instances with commands to send: each sends its own in order, several at the same time.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: VecDeque<String>,
    is_waiting: HashSet<String>,
    sending: HashMap<String, Sending>,
}

/// An instance that sends.
struct Sending {
    /// Since when its present command is sent.
    since: Instant,
    /// The failures of that, and the last error.
    failure: Option<(u32, String)>,
}

impl Outbox {
    /// Has an instance send its commands, once it does not any more.
    pub(super) fn add(&mut self, key: &str) {
        if !self.sending.contains_key(key) && self.is_waiting.insert(key.to_owned()) {
            self.waiting.push_back(key.to_owned());
        }
    }

    /// Forgets the instances that wait.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.is_waiting.clear();
    }

    /// Takes the instances that begin to send.
    pub(super) fn begin(&mut self) -> Vec<String> {
        let mut begun = Vec::new();
        while self.sending.len() < MAX_SENDING
            && let Some(key) = self.waiting.pop_front()
        {
            self.is_waiting.remove(&key);
            self.progressed(&key);
            begun.push(key);
        }
        begun
    }

    /// Whether an instance that waits can begin.
    pub(super) fn can_begin(&self) -> bool {
        !self.waiting.is_empty() && self.sending.len() < MAX_SENDING
    }

    /// Whether another one could begin, and none waits.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.is_empty() && self.sending.len() < MAX_SENDING
    }

    /// Whether some instance sends, or waits to do so.
    pub(super) fn is_busy(&self) -> bool {
        !self.waiting.is_empty() || !self.sending.is_empty()
    }

    /// Records that an instance sends its next command from now on.
    pub(super) fn progressed(&mut self, key: &str) {
        let sending = Sending {
            since: Instant::now(),
            failure: None,
        };
        self.sending.insert(key.to_owned(), sending);
    }

    /// Records that a command failed, and will be sent again.
    pub(super) fn failed(&mut self, key: &str, attempts: u32, error: String) {
        if let Some(sending) = self.sending.get_mut(key) {
            sending.failure = Some((attempts, error));
        }
    }

    /// Records that an instance does not send any more.
    pub(super) fn ended(&mut self, key: &str) {
        self.sending.remove(key);
    }

    /// The failures of a command that is sent again and again, or one that does not return for this long.
    pub(super) fn trouble(&self, patience: Duration) -> Option<Trouble> {
        let failing = self.sending.values().filter_map(|it| it.failure.clone());
        let worst = failing.max_by_key(|(attempts, _)| *attempts);
        let failed = worst.map(|(attempts, error)| Trouble::Failing(attempts, error));
        failed.or_else(|| {
            let mut sending = self.sending.iter();
            let (key, _) = sending.find(|(_, it)| it.since.elapsed() > patience)?;
            let error =
                format!("a command of the instance `{key}` has not returned for {patience:?}");
            Some(Trouble::Failing(1, error))
        })
    }
}
