use cqrs_core::store::AppendError;
use cqrs_kit::writes::RecordedStatement;
use rusqlite::{Connection, Error, ErrorCode, params_from_iter};

use super::task::Log;
use crate::fault::Fault;
use crate::writes::{Parameter, SqlWrites};

/// A savepoint around one append and the statements of its handler, in the transaction of the batch. If
/// one of them fails, this undoes that append and nothing else.
pub(super) struct Savepoint<'c>(&'c Connection);

impl<'c> Savepoint<'c> {
    pub(super) fn begin(conn: &'c Connection) -> Result<Self, Fault> {
        run(conn, "SAVEPOINT cqrs_append")?;
        Ok(Self(conn))
    }

    pub(super) fn keep(self) -> Result<(), Fault> {
        run(self.0, "RELEASE cqrs_append")
    }

    pub(super) fn undo(self) -> Result<(), Fault> {
        run(self.0, "ROLLBACK TO cqrs_append")?;
        run(self.0, "RELEASE cqrs_append")
    }
}

/// Executes the statements in order. Returns the error of the first one that fails.
///
/// While they run, the guard denies statements that change the store's tables, or end the transaction or
/// the savepoint.
pub(super) fn execute(log: &Log<'_>, writes: &SqlWrites) -> Result<Option<AppendError>, Fault> {
    log.guard.execute_recorded(|| {
        for statement in writes.statements() {
            let executed = execute_one(log.conn, statement);
            // If SQLite has ended the transaction, because of `OR ROLLBACK`, the batch begins again, and
            // this append is tried by itself.
            log.guard.check()?;
            if let Err(error) = executed {
                if concerns_all(&error) {
                    return Err(error.into());
                }
                return Ok(Some(AppendError::Statement {
                    statement: statement.sql().into(),
                    reason: error.to_string().into(),
                }));
            }
        }
        Ok(None)
    })
}

fn execute_one(
    conn: &Connection,
    statement: &RecordedStatement<Parameter>,
) -> rusqlite::Result<()> {
    let params = statement
        .params()
        .map_err(|reason| Error::ToSqlConversionFailure(reason.into()))?;
    let mut prepared = conn.prepare_cached(statement.sql())?;
    let mut rows = prepared.query(params_from_iter(params))?;
    // A statement with `RETURNING` is complete after its last row.
    while rows.next()?.is_some() {}
    Ok(())
}

/// Whether the database failed, rather than the statement.
fn concerns_all(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::NotADatabase
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure
        )
    )
}

fn run(conn: &Connection, sql: &str) -> Result<(), Fault> {
    conn.prepare_cached(sql)?.execute([])?;
    Ok(())
}
