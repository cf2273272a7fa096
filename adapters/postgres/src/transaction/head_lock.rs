use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cqrs_core::Position;
use cqrs_core::store::Incarnation;
use cqrs_kit::decider::ConflictWindow;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use crate::link::connection::Connection;
use crate::row::Head;
use crate::write::rows::{BlockRow, KnownBlocks};

/// Maximum time in the queue. After that a transaction waits for the lock in the database, which detects
/// deadlocks: the holder's commit may wait for rows that this transaction has locked.
const MAX_QUEUE_WAIT: Duration = Duration::from_secs(1);

/// A queue for the lock of the head. The appending transactions of this process take the lock one after
/// the other, in the order of their requests, so at most one of them waits in the database.
///
/// The holder of the permit also has a window of recent events, so that few are read while the head is
/// locked. It is not the window of the writing task, although both have the same events. That one
/// runs ahead of the log while a batch is in flight, and the statement of that batch may be waiting
/// for this very lock: with a single window, the batch would wait for the head and the transaction for
/// the window. The price is memory, at most twice the setting `window`, and only once a handler has
/// appended in a transaction.
pub(crate) struct HeadLockQueue {
    known: Mutex<KnownTail>,
    floor: AtomicU64,
}

/// The recent events, up to the head that the last holder has read. The last ones may not be durable yet.
struct KnownTail {
    incarnation: Incarnation,
    window: ConflictWindow,
    blocks: KnownBlocks,
    /// The head that the last holder has set. `None` if that is not known, or others have written.
    head: Option<Head>,
    /// Nobody else wrote between the last two holders.
    is_alone: bool,
    /// The number of connections that the process had opened when these events were in the log. A later
    /// one may lead to the server after a crash, which may have lost the last events.
    connections: u64,
}

/// The right to lock the head. It is held from before the lock until the outcome of the transaction's commit
/// is known, so the window never has events that may not be in the log. The wait for the disk comes after
/// that.
pub(crate) struct HeadLockPermit<'t> {
    known: MutexGuard<'t, KnownTail>,
    /// Number of connections before the lock was requested.
    connections: u64,
    floor: &'t AtomicU64,
}

impl HeadLockPermit<'_> {
    /// The head, if nobody else seems to write: the last holder has set it, nobody had come before that one,
    /// and the window ends there.
    pub(crate) fn known_head(&self) -> Option<Head> {
        let head = self.known.head.filter(|_| self.known.is_alone);
        head.filter(|head| head.position == self.known.window.head())
    }

    /// The head is locked, so the server has not crashed since the connection was opened: for every
    /// connection from before the lock, the events in the window are in the log.
    pub(crate) fn on_locked(&mut self, head: Head) {
        self.known.connections = self.connections;
        self.known.is_alone = self.known.head == Some(head);
    }

    /// The transaction is about to set the head, perhaps without an answer.
    pub(crate) fn on_sent(&mut self) {
        self.known.head = None;
    }

    /// The types that the last holders have recorded in blocks of positions.
    pub(crate) fn known_blocks(&self) -> &KnownBlocks {
        &self.known.blocks
    }

    /// The transaction was committed, and has recorded these.
    pub(crate) fn record_blocks(&mut self, blocks: &[BlockRow<'_>]) {
        self.known.blocks.record(blocks);
    }

    /// The transaction was committed, and has set this head.
    pub(crate) fn on_committed(&mut self, head: Head) {
        self.known.connections = self.connections;
        self.known.head = Some(head);
    }
}

impl HeadLockQueue {
    pub(crate) fn new(head: Position, window: usize) -> Self {
        Self {
            known: Mutex::new(KnownTail {
                incarnation: Incarnation::default(),
                connections: 0,
                head: None,
                is_alone: false,
                window: ConflictWindow::new(head, window),
                blocks: KnownBlocks::default(),
            }),
            floor: AtomicU64::new(head.get()),
        }
    }

    /// Waits for a permit for a transaction on this connection. `None` if that takes longer than
    /// [`MAX_QUEUE_WAIT`]. The queue is an optimization: the lock of the head decides.
    pub(crate) async fn acquire(&self, client: &Connection) -> Option<HeadLockPermit<'_>> {
        let mut known = timeout(MAX_QUEUE_WAIT, self.known.lock()).await.ok()?;
        let incarnation = client.incarnation();
        // Events of another log prove nothing about this one. And on a connection that was opened later, the
        // server may have lost the last events in a crash, and have others at their positions.
        if known.incarnation != incarnation || !client.is_among(known.connections) {
            known.incarnation = incarnation;
            known.window.reset(Position::START);
            known.blocks = KnownBlocks::default();
            known.head = None;
        }
        Some(HeadLockPermit {
            known,
            connections: Connection::count(),
            floor: &self.floor,
        })
    }

    /// The position before the first event of the window. A hint, which may be outdated at once.
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
