use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cqrs_core::Position;
use cqrs_core::store::Incarnation;
use cqrs_kit::decider::ConflictWindow;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

/// Maximum time in the queue. After that a transaction waits in the database, which detects deadlocks.
const MAX_QUEUE_WAIT: Duration = Duration::from_secs(1);

/// A queue for the lock of the head. Transactions of this process that append take it one after the
/// other, in the order in which they ask, so the database has only one of them at a time to wake.
pub(crate) struct HeadLockQueue {
    known: Mutex<KnownTail>,
    floor: AtomicU64,
}

/// The recent events, up to the head that the last holder has seen.
struct KnownTail {
    incarnation: Incarnation,
    window: ConflictWindow,
}

/// The right to lock the head: held from before the lock until the end of the transaction is known.
pub(crate) struct HeadLockPermit<'t> {
    known: MutexGuard<'t, KnownTail>,
    floor: &'t AtomicU64,
}

impl HeadLockQueue {
    pub(crate) fn new(head: Position, window: usize) -> Self {
        Self {
            known: Mutex::new(KnownTail {
                incarnation: Incarnation::default(),
                window: ConflictWindow::new(head, window),
            }),
            floor: AtomicU64::new(head.get()),
        }
    }

    /// Waits for a permit, for a transaction in this incarnation of the log. `None` if that takes too
    /// long.
    pub(crate) async fn acquire(&self, incarnation: Incarnation) -> Option<HeadLockPermit<'_>> {
        let mut known = timeout(MAX_QUEUE_WAIT, self.known.lock()).await.ok()?;
        if known.incarnation != incarnation {
            known.incarnation = incarnation;
            known.window.reset(Position::START);
        }
        let floor = &self.floor;
        Some(HeadLockPermit { known, floor })
    }

    /// The window knows nothing before this position. A hint, which may be outdated at once.
    pub(crate) fn floor(&self) -> Position {
        Position::new(self.floor.load(Ordering::Relaxed))
    }
}

impl Deref for HeadLockPermit<'_> {
    type Target = ConflictWindow;

    fn deref(&self) -> &ConflictWindow {
        &self.known.window
    }
}

impl DerefMut for HeadLockPermit<'_> {
    fn deref_mut(&mut self) -> &mut ConflictWindow {
        &mut self.known.window
    }
}

impl Drop for HeadLockPermit<'_> {
    fn drop(&mut self) {
        let floor = self.known.window.floor().get();
        self.floor.store(floor, Ordering::Relaxed);
    }
}
