use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cqrs_core::Position;
use cqrs_core::store::{ConflictWindow, Incarnation};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

/// How long a transaction waits for its turn. Then it waits in the database, which sees when
/// transactions wait for each other in a circle.
const MAX_QUEUE_WAIT: Duration = Duration::from_secs(1);

/// Transactions of this process that append take turns, in the order in which they ask, so that the
/// database has one of them at a time to wake for the lock.
pub(crate) struct HeadLockQueue {
    known: Mutex<KnownTail>,
    floor: AtomicU64,
}

/// The known events, up to a head that the last in turn has seen.
struct KnownTail {
    incarnation: Incarnation,
    window: ConflictWindow,
}

/// Held from before the head is locked until it is known how the transaction ended.
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

    /// The next turn, for a transaction in this incarnation of the log; `None` when it takes too
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

    /// Below this, the window knows nothing. Read at any time, so it may be raised meanwhile.
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
