use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::{Incarnation, Position};

/// The end of a log as far as this process knows: the identity of the log, its [`Incarnation`], and
/// the position of its last event. Clones share the data.
///
/// A log owns a `Heads` and keeps it up to date with [`advance`](Self::advance) and
/// [`replace`](Self::replace). All other code only reads it and waits until a head is
/// [reached](Self::reached).
#[derive(Clone, Debug)]
pub struct Heads {
    known: watch::Sender<Known>,
    /// That of the log's id, for every receipt: without the lock that `known` takes.
    fingerprint: Arc<AtomicU32>,
    /// The last look at the log for appends of other processes.
    looked: Arc<Mutex<Option<(Instant, Position)>>>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    log: Uuid,
    incarnation: Incarnation,
    position: Position,
}

/// Waits for changes of [`Heads`].
#[derive(Clone, Debug)]
pub struct HeadWatch {
    /// Keeps the channel open.
    heads: Heads,
    changes: watch::Receiver<Known>,
}

impl Heads {
    /// Creates the heads of a log that ends here, in its first incarnation, with a random id. A log
    /// that can be opened several times stores an id and sets it with [`of_log`](Self::of_log).
    pub fn new(position: Position) -> Self {
        let log = Uuid::now_v7();
        Self {
            known: watch::Sender::new(Known {
                log,
                incarnation: Incarnation::default(),
                position,
            }),
            fingerprint: Arc::new(AtomicU32::new(fingerprint(log))),
            looked: Arc::default(),
        }
    }

    /// Sets the id of the log.
    #[must_use]
    pub fn of_log(self, log: Uuid) -> Self {
        self.identify(log);
        self.known.send_modify(|known| known.log = log);
        self
    }

    /// Identifies the log within this process: handlers of several dispatchers may decide about the
    /// same aggregates. A copy restored from a backup has the same id; two logs never share one.
    pub fn log_id(&self) -> Uuid {
        self.known.borrow().log
    }

    /// A short form of the id, which tells logs apart in a text.
    pub(crate) fn log_fingerprint(&self) -> u32 {
        self.fingerprint.load(Ordering::Relaxed)
    }

    /// The last known head.
    pub fn position(&self) -> Position {
        self.known.borrow().position
    }

    /// The current incarnation of the log. A log that can be replaced under a running process
    /// refuses appends of earlier incarnations.
    pub fn incarnation(&self) -> Incarnation {
        self.known.borrow().incarnation
    }

    /// Whether a watcher waits for changes.
    pub fn is_watched(&self) -> bool {
        self.known.receiver_count() > 0
    }

    /// Waits until the known head is at this position or later, and returns the head.
    pub async fn reached(&self, position: Position) -> Position {
        self.watch().reached(position).await
    }

    /// Reads the head of the log, unless this process has done so within `interval`: the followers of a
    /// log share one look for appends of other processes.
    ///
    /// # Errors
    /// When `read` fails.
    pub(crate) async fn look<E>(
        &self,
        interval: Duration,
        read: impl Future<Output = Result<Position, E>>,
    ) -> Result<Position, E> {
        let mut looked = self.looked.lock().await;
        match *looked {
            Some((at, head)) if at.elapsed() < interval => Ok(head),
            _ => {
                let head = read.await?;
                *looked = Some((Instant::now(), head));
                Ok(head)
            }
        }
    }

    /// Watches changes from now on.
    pub(crate) fn watch(&self) -> HeadWatch {
        HeadWatch {
            heads: self.clone(),
            changes: self.known.subscribe(),
        }
    }

    /// Raises the head. A lower position has no effect.
    pub fn advance(&self, head: Position) {
        self.known.send_if_modified(|known| {
            let is_later = head > known.position;
            known.position = head.max(known.position);
            // Without watchers, no notification is needed: a later watcher begins with the new
            // head.
            is_later && self.is_watched()
        });
    }

    /// Switches to another log, which ends here. Returns its incarnation, and wakes all watchers.
    pub fn replace(&self, log: Uuid, position: Position) -> Incarnation {
        let incarnation = self.incarnation().next();
        self.identify(log);
        self.known.send_replace(Known {
            log,
            incarnation,
            position,
        });
        incarnation
    }

    fn identify(&self, log: Uuid) {
        self.fingerprint.store(fingerprint(log), Ordering::Relaxed);
    }
}

fn fingerprint(log: Uuid) -> u32 {
    let [first, second, third, fourth, ..] = xxh3_64(log.as_bytes()).to_be_bytes();
    u32::from_be_bytes([first, second, third, fourth])
}

impl HeadWatch {
    /// The last known head.
    pub fn position(&self) -> Position {
        self.changes.borrow().position
    }

    /// The last known incarnation.
    pub fn incarnation(&self) -> Incarnation {
        self.heads.incarnation()
    }

    /// Waits for a change after the last one that was [seen](Self::mark_seen) or waited for.
    pub async fn changed(&mut self) {
        // An error would mean that the sender is gone, but `heads` has it.
        let _ = self.changes.changed().await;
    }

    /// Marks all changes up to now as seen.
    pub fn mark_seen(&mut self) {
        self.changes.mark_unchanged();
    }

    /// Waits until the known head is at this position or later, and returns it.
    pub async fn reached(&mut self, position: Position) -> Position {
        let known = self.changes.wait_for(|known| known.position >= position);
        known.await.map_or(position, |known| known.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_raised_and_never_lowered() {
        let heads = Heads::new(Position::new(3));
        heads.advance(Position::new(5));
        heads.advance(Position::new(4));
        assert_eq!(heads.position(), Position::new(5));
    }

    #[tokio::test]
    async fn a_log_that_was_replaced_is_another_incarnation_and_may_be_shorter() {
        let heads = Heads::new(Position::new(3));
        let mut watch = heads.watch();
        let log = Uuid::now_v7();
        let next = heads.replace(log, Position::new(1));
        watch.changed().await;
        assert_eq!(watch.position(), Position::new(1));
        assert_eq!((watch.incarnation(), heads.log_id()), (next, log));
        assert_eq!(heads.log_fingerprint(), fingerprint(log));
        assert_ne!(next, Incarnation::default());
    }

    #[tokio::test(start_paused = true)]
    async fn followers_share_a_look() {
        let heads = Heads::new(Position::START);
        let second = Duration::from_secs(1);
        let looks = std::cell::Cell::new(0);
        let look = || {
            heads.look(second, async {
                looks.set(looks.get() + 1);
                if looks.get() == 3 {
                    return Err(());
                }
                Ok(Position::new(looks.get()))
            })
        };
        assert_eq!(look().await, Ok(Position::new(1)));
        assert_eq!(look().await, Ok(Position::new(1)), "the same look");
        tokio::time::advance(second).await;
        assert_eq!(look().await, Ok(Position::new(2)));
        tokio::time::advance(second).await;
        assert_eq!(look().await, Err(()));
        assert_eq!(look().await, Ok(Position::new(4)), "a failed one is none");
    }

    #[tokio::test]
    async fn a_watch_knows_what_it_has_seen() {
        let heads = Heads::new(Position::START);
        let mut watch = heads.watch();
        heads.advance(Position::new(1));
        watch.mark_seen();
        heads.clone().advance(Position::new(2));
        watch.changed().await;
        assert_eq!(watch.reached(Position::new(2)).await, Position::new(2));
    }
}
