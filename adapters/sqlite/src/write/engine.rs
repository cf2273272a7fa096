use std::collections::HashSet;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cqrs_core::store::{EventQuery, ReadRange, Shard};
use cqrs_core::{CommandId, Position};
use cqrs_kit::decider::ConflictWindow;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};
use uuid::Uuid;

use super::blocks::Blocks;
use super::task::{Answers, Batch, EngineMemory, Log, Task};
use crate::fault::Fault;
use crate::files::Files;
use crate::row::Head;
use crate::transaction::guard::Guard;
use crate::{read, row, sql};
use cqrs_kit::tail::LogTail;

/// Commits batches of tasks, and the transactions of handlers.
///
/// Invariants:
///
/// - Outside a transaction, the window ends at `committed`, and has no token of an append that was not
///   committed. Inside one it runs ahead by what the tasks have inserted. A rollback takes that back.
/// - Inside a transaction, `committed` is the end of the log, and `resent` is complete. Other connections
///   change both, but not without changing the version of the database.
/// - SQLite has one writer at a time, and tasks are decided under its lock, so every decision is about
///   the current end of the log (I2, I3), also if several processes write (I9).
/// - A task has an answer after its transaction is committed and synced, and never before (I7). After a
///   `COMMIT` that failed, the database is asked for the outcome (see `resolve_commit`).
/// - If the process ends before `COMMIT`, SQLite discards the transaction; if it ends afterwards, the
///   callers got no answer, and find their appends by command id (I1, I6).
pub(crate) struct Engine {
    conn: Connection,
    guard: Guard,
    files: Arc<Files>,
    /// The write-ahead log was emptied since the files were found to be deleted or replaced.
    has_emptied_log: bool,
    memory: EngineMemory,
    window_size: usize,
    /// The head after the last commit. The window may be ahead of it.
    committed: Head,
    /// The version of the database with this head. `None` if the head has to be read again.
    version: Option<i64>,
    tail: LogTail,
    #[cfg(test)]
    pub(super) faults: super::tests::CommitFaults,
}

/// Why a transaction failed. It was rolled back.
enum TransactionFailure {
    /// It was not committed.
    Stopped(Fault),
    /// `COMMIT` failed in a way that does not tell what is on the disk.
    Uncertain(Fault),
}

impl From<Fault> for TransactionFailure {
    fn from(fault: Fault) -> Self {
        Self::Stopped(fault)
    }
}

impl From<rusqlite::Error> for TransactionFailure {
    fn from(error: rusqlite::Error) -> Self {
        Fault::from(error).into()
    }
}

impl Engine {
    pub(crate) fn new(
        conn: Connection,
        guard: Guard,
        files: Arc<Files>,
        window_size: usize,
        tail: LogTail,
    ) -> Self {
        let head = Head {
            position: tail.heads().position(),
            ..Head::EMPTY
        };
        Self {
            conn,
            guard,
            files,
            has_emptied_log: false,
            memory: EngineMemory {
                window: ConflictWindow::new(head.position, window_size),
                uncommitted: Vec::new(),
                resent: HashSet::new(),
                blocks: Blocks::default(),
            },
            window_size,
            committed: head,
            version: None,
            tail,
            #[cfg(test)]
            faults: super::tests::CommitFaults::default(),
        }
    }

    /// Carries out the batch in one transaction, with one sync for all of it. If a task fails because
    /// of its own data, the batch is split around it, so that it fails alone (I11).
    pub(crate) fn write(&mut self, batch: Batch) -> Answers {
        self.write_growing(iter::once(batch))
    }

    /// [`write`](Self::write) for a batch that grows meanwhile: each of `parts` has the tasks that have arrived
    /// since the one before. Without any, the transaction is committed.
    pub(crate) fn write_growing(&mut self, mut parts: impl Iterator<Item = Batch>) -> Answers {
        let mut answers = Answers::default();
        let mut waiting = Vec::from_iter(parts.next());
        while let Some(mut batch) = waiting.pop() {
            // Tasks that arrive come after all that are waiting.
            let last_grows = waiting.is_empty().then_some(&mut parts);
            let arriving = last_grows.into_iter().flatten();
            let mut at = 0;
            match self.attempt(|engine| engine.transaction(&mut batch, arriving, &mut at)) {
                Ok(()) => self.publish(batch, &mut answers),
                Err(TransactionFailure::Uncertain(fault)) => {
                    self.resolve_commit(batch, fault, &mut answers);
                }
                Err(TransactionFailure::Stopped(fault))
                    if batch.len() > 1 && !fault.is_general() =>
                {
                    // Everything was rolled back, so all parts run again from the start. Faults that
                    // every task would meet were ruled out, so this ends.
                    let after = batch.split_off(at + 1);
                    let culprit = batch.split_off(at);
                    // In reverse, since `pop` takes the last: tasks run in the order of arrival.
                    let parts = [after, culprit, batch].into_iter();
                    waiting.extend(parts.filter(|part| !part.is_empty()));
                }
                Err(TransactionFailure::Stopped(fault)) => answers.add(batch, Some(fault)),
            }
        }
        answers
    }

    /// Begins a transaction for a handler, which has the connection until it is reclaimed.
    pub(crate) fn lease(&mut self) -> Result<(), Fault> {
        // The write lock is taken now: the handler's first write must not fail because another process
        // has written since its first read.
        let locked = self.attempt(|engine| Ok(engine.lock()?));
        locked.map_err(
            |(TransactionFailure::Stopped(fault) | TransactionFailure::Uncertain(fault))| fault,
        )?;
        // Only now, because the guard denies the engine's own statements, too.
        self.guard.lease();
        Ok(())
    }

    /// The connection, for a handler's statements.
    pub(crate) fn conn(&self) -> &Connection {
        &self.conn
    }

    /// The checkpoint of a subscription, in a handler's transaction.
    pub(crate) fn checkpoint(&self, shard: &Shard) -> Result<Option<Position>, Fault> {
        self.guard.check()?;
        let found = row::checkpoint(&self.conn, shard)?;
        Ok(found.map(|found| found.position))
    }

    /// Ends a handler's transaction: carries out the task in it and commits both, or rolls back if there
    /// is no task, because the handler failed or its future was dropped.
    pub(crate) fn reclaim(&mut self, task: Option<Box<dyn Task>>) -> Answers {
        let mut answers = Answers::default();
        let open = self.guard.reclaim();
        let Some(mut task) = task else {
            self.roll_back();
            return answers;
        };
        match self.attempt(|engine| engine.complete(&mut *task, open)) {
            Ok(()) => self.publish(vec![task], &mut answers),
            Err(TransactionFailure::Uncertain(fault)) => {
                self.resolve_commit(vec![task], fault, &mut answers);
            }
            Err(TransactionFailure::Stopped(fault)) => answers.add(vec![task], Some(fault)),
        }
        answers
    }

    /// Limits the database to this many pages, after which SQLite reports a full disk.
    #[cfg(test)]
    pub(super) fn limit_pages(&self, pages: i64) {
        let set = self
            .conn
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()));
        assert_eq!(set, Ok(()));
    }

    fn attempt(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), TransactionFailure>,
    ) -> Result<(), TransactionFailure> {
        // A panic must not end the thread, which other callers wait for. It may have interrupted a change
        // of the window, which is dropped; the database is protected by its transaction.
        let result = catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or_else(|panic| {
            self.forget();
            Err(Fault::panic(panic.as_ref()).into())
        });
        if result.is_err() {
            self.roll_back();
        }
        result
    }

    /// Leaves the index of the task in progress in `at`, where the batch is split after a failure. A
    /// failed `COMMIT` has no culprit, so the index is the middle then: a batch that does not fit on
    /// the disk is halved.
    fn transaction(
        &mut self,
        batch: &mut Batch,
        mut arriving: impl Iterator<Item = Batch>,
        at: &mut usize,
    ) -> Result<(), TransactionFailure> {
        let mut log = self.begin()?;
        let begun_with = batch.len();
        while let Some(task) = batch.get_mut(*at) {
            task.run(&mut log)?;
            *at += 1;
            if *at == batch.len() {
                batch.extend(arriving.next().into_iter().flatten());
            }
        }
        let head = log.head;
        drop(log);
        *at = batch.len() / 2;
        if batch.len() > begun_with {
            // What has arrived may have been sent after the files were replaced, since the transaction began.
            self.files.check()?;
        }
        self.commit(head)
    }

    /// Completes a handler's transaction.
    fn complete(
        &mut self,
        task: &mut dyn Task,
        open: Result<(), Fault>,
    ) -> Result<(), TransactionFailure> {
        // The handler may have ended the transaction. Then its later statements were not part of it.
        open?;
        // The handler may have taken long, and the file may have been replaced. Here a rollback still
        // undoes everything.
        self.files.check()?;
        let mut log = self.log();
        task.run(&mut log)?;
        let head = log.head;
        drop(log);
        // The task may have refused, or found that the command was processed before. Then the handler's
        // writes must not be kept: they belong to events that are not recorded.
        if task.is_effective() {
            self.commit(head)
        } else {
            self.roll_back();
            Ok(())
        }
    }

    fn begin(&mut self) -> Result<Log<'_>, Fault> {
        self.lock()?;
        Ok(self.log())
    }

    /// Takes the write lock, which excludes other processes until the end of the transaction, and
    /// catches up with their appends.
    fn lock(&mut self) -> Result<(), Fault> {
        // Before the lock: a file that was replaced is not waited for.
        self.check_files()?;
        self.conn
            .prepare_cached(sql::BEGIN_IMMEDIATE)?
            .execute([])?;
        // Read under the lock, so it stays the same until the commit. It changes with the commits of other
        // connections only, so a lone process reads nothing of the log.
        let version = row::version(&self.conn)?;
        if self.version != Some(version) {
            self.catch_up()?;
            self.version = Some(version);
        }
        Ok(())
    }

    fn check_files(&mut self) -> Result<(), Fault> {
        let checked = self.files.check();
        if checked.is_ok() {
            self.has_emptied_log = false;
        } else if !self.has_emptied_log {
            self.has_emptied_log = true;
            self.empty_log();
        }
        checked
    }

    /// Moves the content of the open write-ahead log into the open database, and empties the log. If
    /// the log was deleted, acknowledged appends would otherwise end with this process. If the database
    /// was replaced, the next process to open the new one would apply the old log to it.
    fn empty_log(&self) {
        if !self.files.have_foreign_log() {
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            // There is no other remedy if this fails. The callers get the fault of the files anyway.
            let _ = self.conn.query_row(checkpoint, [], |_| Ok(()));
        }
    }

    fn log(&mut self) -> Log<'_> {
        Log::new(&self.conn, &self.guard, &mut self.memory, self.committed)
    }

    /// Brings the window to the end of the log with the events that other processes appended. If these are
    /// more than the window holds, it starts over at the head, and older boundaries are looked up.
    fn catch_up(&mut self) -> Result<(), Fault> {
        let end = row::head(&self.conn)?;
        let head = end.position;
        // Also if the head is where it was: after a backup was restored, its events are others.
        self.memory.blocks.clear();
        // Also if the head is where it was: a command without events does not move it.
        self.find_resent(self.memory.window.head().min(head))?;
        let mut missing = self.memory.window.follow(head, usize::MAX);
        while let Some(after) = missing {
            let range = ReadRange {
                up_to: Some(head),
                ..ReadRange::after(after)
            };
            let page = read::read(&self.conn, &EventQuery::All, range)?;
            page.events
                .iter()
                .for_each(|it| self.memory.window.push(it));
            missing = page.next;
        }
        self.tail.recent().confirm(head);
        self.committed = end;
        Ok(())
    }

    /// Learns of the commands that other processes recorded under given ids of the form of assigned ones,
    /// since the head was here (I6).
    fn find_resent(&mut self, since: Position) -> Result<(), Fault> {
        let mut select = self.conn.prepare_cached(sql::SELECT_RESENT)?;
        let ids = select.query_map([row::number(since)], |row| row.get::<_, Vec<u8>>(0))?;
        for id in ids {
            let command = Uuid::from_slice(&id?).ok().map(CommandId::from);
            self.memory.resent.extend(command);
        }
        Ok(())
    }

    /// Commits. When this returns, the write-ahead log is synced and the transaction visible, in this
    /// order: SQLite syncs the commit before it shows readers the new end of the log. So no process
    /// acts on events that a loss of power takes back (I7).
    fn commit(&mut self, head: Head) -> Result<(), TransactionFailure> {
        // If the commit fails, the log may end here or there.
        let version = self.version.take();
        self.end().map_err(commit_failure)?;
        self.version = version;
        self.committed = head;
        self.memory.uncommitted.clear();
        Ok(())
    }

    fn end(&mut self) -> rusqlite::Result<()> {
        #[cfg(test)]
        self.faults.strike(&self.conn)?;
        self.conn.prepare_cached(sql::COMMIT)?.execute([])?;
        Ok(())
    }

    /// Drops what is known of the log after the last commit. The next transaction reads its end again.
    fn forget(&mut self) {
        self.memory.window = ConflictWindow::new(self.committed.position, self.window_size);
        self.version = None;
    }

    fn roll_back(&mut self) {
        let EngineMemory {
            window,
            uncommitted,
            ..
        } = &mut self.memory;
        window.truncate(self.committed.position);
        // Those of appends without events are at the end of the last commit.
        uncommitted.drain(..).for_each(|token| window.forget(token));
        self.memory.blocks.clear();
        if !self.conn.is_autocommit() {
            // If this fails, so does the next `BEGIN`, and its callers get the reason.
            let _ = self
                .conn
                .prepare_cached(sql::ROLLBACK)
                .and_then(|mut end| end.execute([]));
        }
    }

    /// Finds out whether a batch was committed although `COMMIT` reported an error.
    ///
    /// After a failed sync, the commit may be in the file without being on the disk: invisible now, but
    /// within reach of the next recovery. So this commits a write of its own, which overwrites those
    /// pages of the log. Once that has succeeded, a batch that is not visible never will be. If it fails
    /// as well, the outcome is unknown, and callers are told so (`Indeterminate`).
    fn resolve_commit(&mut self, batch: Batch, fault: Fault, answers: &mut Answers) {
        match catch_unwind(AssertUnwindSafe(|| self.find(&batch))) {
            Ok(Ok(true)) => self.publish(batch, answers),
            Ok(Ok(false)) => answers.add(batch, Some(fault.undone())),
            // This includes a panic: until the next transaction, nothing is known.
            Ok(Err(_)) | Err(_) => {
                self.forget();
                self.roll_back();
                answers.add(batch, Some(fault.unknown()));
            }
        }
    }

    /// Whether the batch was committed. A transaction is there as a whole, so each task that wrote something tells for
    /// all. If they do not agree, what one of them wrote was overwritten since, and nothing is known.
    fn find(&mut self, batch: &Batch) -> Result<bool, TransactionFailure> {
        let log = self.begin()?;
        log.conn.prepare_cached(sql::RESOLVE_COMMIT)?.execute([])?;
        let mut found = None;
        for task in batch {
            let is_there = task.is_there(log.conn)?;
            if found.is_some() && is_there.is_some() && found != is_there {
                return Err(Fault::data("a part of the transaction is there").into());
            }
            found = found.or(is_there);
        }
        drop(log);
        self.commit(self.committed)?;
        Ok(found.unwrap_or(false))
    }

    /// Publishes a commit, unless the database at the path is another one by now: then the commit is in a
    /// file that no other process will open.
    fn publish(&self, mut batch: Batch, answers: &mut Answers) {
        if let Err(fault) = self.files.check() {
            return answers.add(batch, Some(fault));
        }
        // Followers before callers: a caller that reads after its answer finds its events in memory.
        let events = batch.iter_mut().flat_map(|task| task.take_events());
        self.tail.on_appended(self.committed.position, events);
        answers.add(batch, None);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // On close, SQLite would move the open log into the database and delete the log at the path. If
        // that is another log, another process may be writing it.
        if self.files.have_foreign_log() {
            let keep = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            let _ = self.conn.set_db_config(keep, true);
        }
    }
}

fn commit_failure(error: rusqlite::Error) -> TransactionFailure {
    match error.sqlite_error_code() {
        // A deferred foreign key of a handler's tables. Nothing was committed.
        Some(ErrorCode::ConstraintViolation) => {
            let reason = format!("SQLite rejects what was written in it ({error})");
            TransactionFailure::Stopped(Fault::transaction(reason))
        }
        _ if Fault::is_certain(&error) => TransactionFailure::Stopped(error.into()),
        _ => TransactionFailure::Uncertain(error.into()),
    }
}
