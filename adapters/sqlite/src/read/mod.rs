//! Reading: a few threads with a connection each, which share one queue.

mod cursor;
mod events;
mod matcher;
pub(crate) mod query_tx;
mod queue;
mod read_connection;
pub(crate) mod views;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cqrs_core::store::{BoxFuture, StoreError};
use rusqlite::Connection;
use tokio::sync::oneshot;

pub(crate) use events::{first_match, read};
pub(crate) use matcher::Matcher;

use crate::error::{closed, stalled};
use crate::fault::Fault;
use crate::files::Files;
use crate::sql;
use crate::stall::{JobStart, StallDetector};
use crate::thread::Thread;
use queue::Queue;
use read_connection::ReadConnection;

/// The reading threads. They end when this is dropped.
pub(crate) struct Readers {
    queue: Arc<Queue<Job>>,
    stall: StallDetector,
    threads: Vec<Thread>,
}

type Job = Box<dyn FnOnce(&ReadConnection) + Send>;

impl Readers {
    /// Starts a thread per connection.
    pub(crate) fn start(
        connections: Vec<Connection>,
        files: &Arc<Files>,
        stall: StallDetector,
    ) -> io::Result<Self> {
        let mut readers = Self {
            queue: Arc::new(Queue::new()),
            stall,
            threads: Vec::new(),
        };
        for conn in connections {
            let (queue, files) = (readers.queue.clone(), files.clone());
            let progress = readers.stall.clone();
            let thread = Thread::start("cqrs-sqlite-read", move || {
                let connection = ReadConnection::new(conn, files);
                while let Some(job) = queue.pop() {
                    // Progress counts for all threads together: while one of them works, waiting reads
                    // get their turn.
                    progress.mark_working();
                    job(&connection);
                    progress.mark_working();
                }
            })?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Runs `read` on one of the connections, in one snapshot. It does not run if the future is dropped
    /// before it begins.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        self.begin(ReadConnection::check_sometimes, read)
    }

    /// The same for a read that answers a command. It checks the files first, so that no command is
    /// answered from a database that has been replaced.
    pub(crate) fn run_checked<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        self.begin(ReadConnection::check, read)
    }

    fn begin<T: Send + 'static>(
        &self,
        check: fn(&ReadConnection) -> Result<(), Fault>,
        read: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let turn = Arc::new(JobStart::new());
            let (begun, stall) = (turn.clone(), self.stall.clone());
            self.queue.push(Box::new(move |connection| {
                begun.begins(&stall);
                if !reply.is_closed() {
                    let checked = check(connection).map_err(StoreError::from);
                    let _ = reply.send(checked.and_then(|()| caught(&connection.conn, read)));
                }
            }));
            let answer = self.stall.wait_for_turn(&turn, answer).await;
            answer.map_err(stalled)?.unwrap_or_else(|_| Err(closed()))
        })
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// A read transaction, ended when dropped.
struct Snapshot<'c>(&'c Connection);

impl<'c> Snapshot<'c> {
    fn begin(conn: &'c Connection) -> rusqlite::Result<Self> {
        conn.prepare_cached(sql::BEGIN)?.execute([])?;
        Ok(Self(conn))
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        // Nothing was written, so the kind of end does not matter. If SQLite cannot end the transaction,
        // the next `BEGIN` on this connection reports the reason.
        let _ = self
            .0
            .prepare_cached(sql::ROLLBACK)
            .and_then(|mut end| end.execute([]));
    }
}

/// Reads in a snapshot. A panic becomes an error, and the thread lives on.
fn caught<T>(
    conn: &Connection,
    read: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, StoreError> {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let _snapshot = Snapshot::begin(conn)?;
        read(conn)
    }));
    match outcome {
        Ok(result) => Ok(result?),
        Err(panic) => Err(Fault::panic(panic.as_ref()).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use super::*;

    fn readers() -> Readers {
        let files = Arc::new(Files::of(Path::new("")));
        Readers::start(
            vec![Connection::open_in_memory().unwrap()],
            &files,
            StallDetector::new(Duration::MAX),
        )
        .unwrap()
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_the_thread_lives_on() {
        let readers = readers();
        let panicked = readers.run::<()>(|_| panic!("poison")).await;
        assert!(panicked.unwrap_err().to_string().contains("poison"));
        assert_eq!(readers.run(|_| Ok(1)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_read() {
        let readers = readers();
        let (started, start) = std::sync::mpsc::channel::<()>();
        let mut first = readers.run(move |_| Ok(start.recv().is_ok()));
        let mut second = readers.run::<()>(|_| panic!("it was read"));
        let mut context = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(second);
        started.send(()).unwrap();
        assert!(first.await.unwrap());
        let third = readers.run(|_| Ok(())).as_mut().poll(&mut context);
        assert!(matches!(third, Poll::Pending | Poll::Ready(Ok(()))));
    }
}
