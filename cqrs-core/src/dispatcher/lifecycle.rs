use std::pin::pin;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};

use super::Inner;
use crate::error::Failure;
use crate::store::Position;
use crate::subscription::Phase;
use crate::wiring::Role;

/// Whether a dispatcher accepts new work, and the number of commands in progress.
pub(crate) struct Lifecycle {
    phase: watch::Sender<Phase>,
    /// The callers whose commands, and whose queries, the phase and the roles of the process admit.
    /// Every call reads one of them, so they are apart from the counter, which every command writes.
    commands_of: AtomicU8,
    queries_of: AtomicU8,
    /// The tasks that ended before a shutdown.
    lost_tasks: Mutex<Vec<&'static str>>,
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
/// Only reactions, since the process does not have the role.
const OTHER_ROLES: u8 = 1;
/// Only reactions, during a shutdown.
const REACTIONS: u8 = 2;
const NOBODY: u8 = 3;

/// Puts a value on a cache line of its own, so that the counter that every command writes does not slow
/// down the memory that every query reads.
#[repr(align(128))]
struct CachePadded<T>(T);

/// Notes when a task ends before a shutdown, unless its work is complete.
pub(super) struct TaskGuard<'a> {
    lifecycle: &'a Lifecycle,
    name: &'static str,
    is_complete: bool,
}

impl TaskGuard<'_> {
    pub(super) fn complete(mut self) {
        self.is_complete = true;
    }
}

/// Counts a command as in progress until it is dropped.
pub(crate) struct ActiveCommand<'a>(&'a Lifecycle);

/// Counts the commands that a process manager is about to send as one in progress, until it is dropped.
pub(crate) struct PendingCommands(Arc<Inner>);

impl PendingCommands {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        inner.lifecycle.commands.0.fetch_add(1, Ordering::SeqCst);
        Self(inner)
    }
}

impl Drop for PendingCommands {
    fn drop(&mut self) {
        drop(ActiveCommand(&self.0.lifecycle));
    }
}

impl Lifecycle {
    /// Of a process with these roles.
    pub(super) fn new(roles: &[Role]) -> Self {
        let admitted = |role| {
            if roles.contains(&role) {
                ALL
            } else {
                OTHER_ROLES
            }
        };
        Self {
            phase: watch::Sender::new(Phase::Running),
            commands_of: AtomicU8::new(admitted(Role::Commands)),
            queries_of: AtomicU8::new(admitted(Role::Queries)),
            lost_tasks: Mutex::default(),
            commands: CachePadded(AtomicUsize::new(0)),
            waiting: AtomicUsize::new(0),
            idle: Notify::new(),
        }
    }

    /// Checks that a query of this caller is accepted.
    ///
    /// # Errors
    /// [`Failure::ShutDown`] and [`Failure::NotInRole`] if it is not.
    #[inline]
    pub(super) fn check_query(&self, caller: Caller) -> Result<(), Failure> {
        match self.queries_of.load(Ordering::SeqCst) {
            ALL => Ok(()),
            admitted => check_caller(admitted, caller, Role::Queries),
        }
    }

    /// Whether queries of the program are accepted.
    pub(super) fn has_queries(&self) -> bool {
        self.check_query(Caller::Program).is_ok()
    }

    /// Waits until queries of this caller are not accepted.
    pub(super) async fn refused(&self, caller: Caller) {
        let mut phase = self.watch();
        // An error would mean that the sender is gone, but `self` has it.
        let _ = phase.wait_for(|_| self.check_query(caller).is_err()).await;
    }

    /// Begins a command. It is counted before the phase is checked: a shutdown changes the phase first
    /// and then waits for the count to reach 0, so it either sees this command or has it refused.
    pub(super) fn begin_command(&self, caller: Caller) -> Result<ActiveCommand<'_>, Failure> {
        self.commands.0.fetch_add(1, Ordering::SeqCst);
        let under_way = ActiveCommand(self);
        match self.commands_of.load(Ordering::SeqCst) {
            ALL => {}
            admitted => check_caller(admitted, caller, Role::Commands)?,
        }
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
                self.admit(REACTIONS);
                *phase = Phase::Draining;
            }
            is_running
        });
    }

    pub(super) fn finish(&self, to: Position) {
        self.admit(NOBODY);
        self.phase.send_replace(Phase::Finishing(to));
    }

    fn admit(&self, callers: u8) {
        self.commands_of.store(callers, Ordering::SeqCst);
        self.queries_of.store(callers, Ordering::SeqCst);
    }

    pub(crate) fn is_draining(&self) -> bool {
        matches!(self.queries_of.load(Ordering::SeqCst), REACTIONS | NOBODY)
    }

    /// Waits until a shutdown begins.
    pub(super) async fn draining(&self) {
        let mut phase = self.watch();
        // An error would mean that the sender is gone, but `self` has it.
        let _ = phase.wait_for(|phase| *phase != Phase::Running).await;
    }

    /// Watches a task: its end before a shutdown is noted, when the guard is dropped.
    pub(super) fn task(&self, name: &'static str) -> TaskGuard<'_> {
        TaskGuard {
            lifecycle: self,
            name,
            is_complete: false,
        }
    }

    /// The tasks that ended before a shutdown.
    pub(super) fn lost_tasks(&self) -> Vec<&'static str> {
        let lost = self.lost_tasks.lock();
        lost.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }
}

/// Checks that a caller is accepted where not all are. Out of line, so that the branch of a query's hot
/// path falls through.
#[cold]
fn check_caller(admitted: u8, caller: Caller, role: Role) -> Result<(), Failure> {
    match (admitted, caller) {
        (OTHER_ROLES | REACTIONS, Caller::Reaction) => Ok(()),
        (OTHER_ROLES, Caller::Program) => Err(Failure::NotInRole {
            role: role.as_str(),
        }),
        _ => Err(Failure::ShutDown),
    }
}

impl Drop for TaskGuard<'_> {
    fn drop(&mut self) {
        if !self.is_complete && *self.lifecycle.phase.borrow() == Phase::Running {
            let lost = self.lifecycle.lost_tasks.lock();
            lost.unwrap_or_else(PoisonError::into_inner).push(self.name);
        }
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
