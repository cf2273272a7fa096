use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use crate::fault::Fault;
use crate::migrations::is_own;

/// Pragmas with an argument that a handler may use: they change nothing, or only this transaction.
const PRAGMAS: &[&str] = &[
    "defer_foreign_keys",
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Protects the store from the statements of a handler. They cannot change the store's own tables, and
/// cannot commit anything before the connection is returned: neither by a `COMMIT`, nor statement by
/// statement after SQLite has ended the transaction because of `OR ROLLBACK` or a full disk.
///
/// The hooks are installed once, and do nothing while the connection is not leased, because setting an
/// authorizer makes SQLite recompile every statement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard(Arc<LeaseState>);

#[derive(Debug, Default)]
struct LeaseState {
    lent: AtomicBool,
    /// Whether recorded statements run, which share the transaction with other appends.
    is_shared: AtomicBool,
    /// Whether the transaction has ended since the connection was leased.
    ended: AtomicBool,
}

impl Guard {
    /// Installs the hooks on this connection.
    pub(crate) fn install(conn: &mut Connection) -> rusqlite::Result<Self> {
        let guard = Self::default();
        let state = guard.0.clone();
        conn.authorizer(Some(move |asked: AuthContext<'_>| {
            if state.is_lent() && (is_forbidden(&asked.action) || state.protects(&asked.action)) {
                Authorization::Deny
            } else {
                Authorization::Allow
            }
        }))?;
        let state = guard.0.clone();
        // Turns the commit into a rollback.
        conn.commit_hook(Some(move || state.is_lent()))?;
        let state = guard.0.clone();
        conn.rollback_hook(Some(move || {
            if state.is_lent() {
                state.ended.store(true, Ordering::Relaxed);
            }
        }))?;
        Ok(guard)
    }

    pub(crate) fn lease(&self) {
        self.0.ended.store(false, Ordering::Relaxed);
        self.0.lent.store(true, Ordering::Relaxed);
    }

    /// Protects the store while recorded statements run. They share the transaction with other appends,
    /// so they cannot end a savepoint either.
    pub(crate) fn execute_recorded<T>(&self, execute: impl FnOnce() -> T) -> T {
        self.0.is_shared.store(true, Ordering::Relaxed);
        self.lease();
        // Ended by a panic as well, after which the engine rolls back with statements of its own.
        let _end = EndOfStatements(&self.0);
        execute()
    }

    /// Whether the transaction is still there, as an error if not.
    pub(crate) fn reclaim(&self) -> Result<(), Fault> {
        self.0.lent.store(false, Ordering::Relaxed);
        self.check()
    }

    /// Whether the transaction is still there, as an error if not.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.0.ended.load(Ordering::Relaxed) {
            return Err(Fault::transaction(
                "a statement of the handler ended it: leave out COMMIT, ROLLBACK and OR ROLLBACK, \
                 and return the errors of statements",
            ));
        }
        Ok(())
    }
}

/// Ends the protection, when recorded statements have run.
struct EndOfStatements<'g>(&'g LeaseState);

impl Drop for EndOfStatements<'_> {
    fn drop(&mut self) {
        self.0.lent.store(false, Ordering::Relaxed);
        self.0.is_shared.store(false, Ordering::Relaxed);
    }
}

impl LeaseState {
    fn protects(&self, action: &AuthAction<'_>) -> bool {
        let is_savepoint = matches!(action, AuthAction::Savepoint { .. });
        is_savepoint && self.is_shared.load(Ordering::Relaxed)
    }

    /// The connection goes from thread to thread through channels, which order everything else.
    fn is_lent(&self) -> bool {
        self.lent.load(Ordering::Relaxed)
    }
}

fn is_forbidden(action: &AuthAction<'_>) -> bool {
    match *action {
        AuthAction::Transaction { .. } | AuthAction::Attach { .. } | AuthAction::Detach { .. } => {
            true
        }
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => {
            let is_allowed = PRAGMAS
                .iter()
                .any(|name| name.eq_ignore_ascii_case(pragma_name));
            pragma_value.is_some() && !is_allowed
        }
        // A temporary table or view would hide the store's.
        AuthAction::CreateTable { table_name: name }
        | AuthAction::CreateTempTable { table_name: name }
        | AuthAction::CreateView { view_name: name }
        | AuthAction::CreateTempView { view_name: name }
        | AuthAction::CreateVtable {
            table_name: name, ..
        }
        | AuthAction::CreateIndex {
            table_name: name, ..
        }
        | AuthAction::CreateTrigger {
            table_name: name, ..
        }
        | AuthAction::CreateTempTrigger {
            table_name: name, ..
        }
        | AuthAction::DropTable { table_name: name }
        | AuthAction::DropView { view_name: name }
        | AuthAction::DropIndex {
            table_name: name, ..
        }
        | AuthAction::AlterTable {
            table_name: name, ..
        }
        | AuthAction::Insert { table_name: name }
        | AuthAction::Delete { table_name: name }
        | AuthAction::Update {
            table_name: name, ..
        } => is_own(name),
        _ => false,
    }
}
