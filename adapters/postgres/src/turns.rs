use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cqrs_core::Position;
use cqrs_core::store::{Incarnation, Window};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

/// How long a transaction waits for its turn. Then it waits in the database, which sees when
/// transactions wait for each other in a circle.
const LONGEST: Duration = Duration::from_secs(1);

/// Transactions of this process that append take turns, in the order in which they ask, so that the
/// database has one of them at a time to wake for the lock.
pub(crate) struct Turns {
    recent: Mutex<RecentEvents>,
    floor: AtomicU64,
}

/// The recent events, up to a head that the last in turn has seen.
struct RecentEvents {
    incarnation: Incarnation,
    window: Window,
}

/// Held from before the head is locked until it is known how the transaction ended.
pub(crate) struct Turn<'t> {
    recent: MutexGuard<'t, RecentEvents>,
    floor: &'t AtomicU64,
}

impl Turns {
    pub(crate) fn new(head: Position, window: usize) -> Self {
        Self {
            recent: Mutex::new(RecentEvents {
                incarnation: Incarnation::default(),
                window: Window::new(head, window),
            }),
            floor: AtomicU64::new(head.get()),
        }
    }

    /// The next turn, for a transaction in this incarnation of the log; `None` when it takes too
    /// long.
    pub(crate) async fn next(&self, incarnation: Incarnation) -> Option<Turn<'_>> {
        let mut recent = timeout(LONGEST, self.recent.lock()).await.ok()?;
        if recent.incarnation != incarnation {
            recent.incarnation = incarnation;
            recent.window.reset(Position::START);
        }
        let floor = &self.floor;
        Some(Turn { recent, floor })
    }

    /// Below this, the window knows nothing. Read at any time, so it may be raised meanwhile.
    pub(crate) fn floor(&self) -> Position {
        Position::new(self.floor.load(Ordering::Relaxed))
    }
}

impl Deref for Turn<'_> {
    type Target = Window;

    fn deref(&self) -> &Window {
        &self.recent.window
    }
}

impl DerefMut for Turn<'_> {
    fn deref_mut(&mut self) -> &mut Window {
        &mut self.recent.window
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let floor = self.recent.window.floor().get();
        self.floor.store(floor, Ordering::Relaxed);
    }
}
