use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::fault::Fault;
use crate::link::connection::Connection;
use crate::pool::{Pool, PooledConnection};
use crate::transaction::pooled::PooledTransaction;

/// The connections on which query handlers read, each from a snapshot.
///
/// A snapshot ends with `ROLLBACK`, for which nobody waits. While handlers wait for a connection, it is left to the
/// next one, which sends it in one message with its own `BEGIN`. An open snapshot keeps the server from removing
/// old rows, so none is left once nobody waits. Whoever comes last sees to that: the last handler that has
/// waited, or the one that left a snapshot behind it.
pub(crate) struct SnapshotPool {
    connections: Pool,
    /// Number of handlers that wait for a connection.
    waiting: AtomicUsize,
    /// Snapshots were left open since they were last ended.
    is_any_left: AtomicBool,
}

/// Counts a handler that waits, until it is dropped.
struct WaitingReader<'p>(&'p SnapshotPool);

impl SnapshotPool {
    pub(crate) fn new(connections: Pool) -> Self {
        Self {
            connections,
            waiting: AtomicUsize::new(0),
            is_any_left: AtomicBool::new(false),
        }
    }

    /// A connection, perhaps with a snapshot that was left open.
    pub(crate) async fn get(&self) -> Result<PooledConnection, Fault> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = WaitingReader(self);
        self.connections.get().await
    }

    /// Ends the snapshot of a handler, or leaves it to the next one.
    pub(crate) fn give_back(&self, snapshot: PooledTransaction) {
        if !self.is_waited_for() {
            // If nothing was executed, the one before it may still be open.
            snapshot.end_left();
            return;
        }
        snapshot.leave_open();
        // Only now is it in the pool, where others look for it.
        self.is_any_left.store(true, Ordering::SeqCst);
        if !self.is_waited_for() {
            self.end_left();
        }
    }

    fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    fn end_left(&self) {
        self.is_any_left.store(false, Ordering::SeqCst);
        self.connections.for_each_free(Connection::end_left);
    }
}

impl Drop for WaitingReader<'_> {
    fn drop(&mut self) {
        let pool = self.0;
        let is_last = pool.waiting.fetch_sub(1, Ordering::SeqCst) == 1;
        if is_last && pool.is_any_left.load(Ordering::SeqCst) {
            pool.end_left();
        }
    }
}
