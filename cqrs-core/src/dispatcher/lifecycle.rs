use std::pin::pin;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use tokio::sync::{Notify, watch};

use crate::error::Failure;
use crate::store::Position;
use crate::subscription::Phase;

/// Whether a dispatcher accepts new work, and the number of commands in progress.
pub(crate) struct Lifecycle {
    phase: watch::Sender<Phase>,
    /// The callers that the phase admits. Every call reads it, so it is apart from the counter, which
    /// every command writes.
    admits: AtomicU8,
    commands: CachePadded<AtomicUsize>,
    /// Number of tasks that wait for the last command to end.
    waiting: AtomicUsize,
    idle: Notify,
}

/// The sender of a command or query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Code of the program.
    #[default]
    Program,
    /// A reaction, which may finish its event during a shutdown.
    Reaction,
}

const ALL: u8 = 0;
const REACTIONS: u8 = 1;
const NOBODY: u8 = 2;

/// Puts a value on a cache line of its own, so that the counter that every command writes does not slow
/// down the memory that every query reads.
#[repr(align(128))]
struct CachePadded<T>(T);

/// Counts a command as in progress until it is dropped.
pub(crate) struct ActiveCommand<'a>(&'a Lifecycle);

impl Lifecycle {
    pub(super) fn new() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Running),
            admits: AtomicU8::new(ALL),
            commands: CachePadded(AtomicUsize::new(0)),
            waiting: AtomicUsize::new(0),
            idle: Notify::new(),
        }
    }

    /// Checks that new work of this caller is accepted.
    ///
    /// # Errors
    /// [`Failure::ShutDown`] if it is not.
    #[inline]
    pub(super) fn check(&self, caller: Caller) -> Result<(), Failure> {
        match self.admits.load(Ordering::SeqCst) {
            ALL => Ok(()),
            admits => check_shutdown(admits, caller),
        }
    }

    /// Begins a command. It is counted before the phase is checked: a shutdown changes the phase first
    /// and then waits for the count to reach 0, so it either sees this command or has it refused.
    pub(super) fn begin_command(&self, caller: Caller) -> Result<ActiveCommand<'_>, Failure> {
        self.commands.0.fetch_add(1, Ordering::SeqCst);
        let under_way = ActiveCommand(self);
        self.check(caller)?;
        Ok(under_way)
    }

    pub(super) fn commands(&self) -> usize {
        self.commands.0.load(Ordering::SeqCst)
    }

    /// Waits until no command is in progress.
    pub(super) async fn idle(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _guard = WaiterGuard(&self.waiting);
        loop {
            // Registered before the count is read, so that a command that ends in between is noticed.
            let mut idle = pin!(self.idle.notified());
            idle.as_mut().enable();
            if self.commands() == 0 {
                return;
            }
            idle.await;
        }
    }

    pub(super) fn drain(&self) {
        // A second shutdown must not return to an earlier phase.
        self.phase.send_if_modified(|phase| {
            let is_running = *phase == Phase::Running;
            if is_running {
                self.admits.store(REACTIONS, Ordering::SeqCst);
                *phase = Phase::Draining;
            }
            is_running
        });
    }

    pub(super) fn finish(&self, to: Position) {
        self.admits.store(NOBODY, Ordering::SeqCst);
        self.phase.send_replace(Phase::Finishing(to));
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.admits.load(Ordering::SeqCst) != ALL
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }
}

/// Checks that a caller is accepted during a shutdown. Out of line, so that the branch of a query's
/// hot path falls through.
#[cold]
fn check_shutdown(admits: u8, caller: Caller) -> Result<(), Failure> {
    match (admits, caller) {
        (REACTIONS, Caller::Reaction) => Ok(()),
        _ => Err(Failure::ShutDown),
    }
}

impl Drop for ActiveCommand<'_> {
    fn drop(&mut self) {
        let Lifecycle {
            commands,
            waiting,
            idle,
            ..
        } = self.0;
        let is_last = commands.0.fetch_sub(1, Ordering::SeqCst) == 1;
        if is_last && waiting.load(Ordering::SeqCst) > 0 {
            idle.notify_waiters();
        }
    }
}

/// Counts a waiting task until it is dropped.
struct WaiterGuard<'a>(&'a AtomicUsize);

impl Drop for WaiterGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
