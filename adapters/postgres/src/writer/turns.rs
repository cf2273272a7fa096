use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cqrs_core::Position;
use cqrs_core::store::Window;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

/// How long a transaction waits for its turn. Then it waits in the database, which sees when
/// transactions wait for each other in a circle.
const LONGEST: Duration = Duration::from_secs(1);

/// Transactions of this process that append take turns, in the order in which they ask, so that the
/// database has one of them at a time to wake for the lock.
pub(crate) struct Turns {
    /// The recent events, up to a head that the last in turn has seen.
    window: Mutex<Window>,
    floor: AtomicU64,
}

/// Held from before the head is locked until it is known how the transaction ended.
pub(super) struct Turn<'t> {
    window: MutexGuard<'t, Window>,
    floor: &'t AtomicU64,
}

impl Turns {
    pub(crate) fn new(head: Position, window: usize) -> Self {
        Self {
            window: Mutex::new(Window::new(head, window)),
            floor: AtomicU64::new(head.get()),
        }
    }

    /// `None` when it takes too long.
    pub(super) async fn next(&self) -> Option<Turn<'_>> {
        let window = timeout(LONGEST, self.window.lock()).await.ok()?;
        let floor = &self.floor;
        Some(Turn { window, floor })
    }

    /// Below this, the window knows nothing. Read at any time, so it may be raised meanwhile.
    pub(super) fn floor(&self) -> Position {
        Position::new(self.floor.load(Ordering::Relaxed))
    }
}

impl Deref for Turn<'_> {
    type Target = Window;

    fn deref(&self) -> &Window {
        &self.window
    }
}

impl DerefMut for Turn<'_> {
    fn deref_mut(&mut self) -> &mut Window {
        &mut self.window
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let floor = self.window.floor().get();
        self.floor.store(floor, Ordering::Relaxed);
    }
}
