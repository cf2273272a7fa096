use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{BufMut, BytesMut};
use cqrs_core::store::AppendError;
use cqrs_kit::writes::RecordedStatement;
use tokio_postgres::Statement;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use super::log_session::LogSession;
use crate::fault::{Fault, Kind};
use crate::link::connection::Connection;
use crate::writes::{Parameter, SqlWrites, is_allowed};

/// A recorded statement that can be sent on one session.
pub(crate) struct EncodedStatement {
    prepared: Statement,
    params: Vec<EncodedParameter>,
}

impl LogSession {
    /// Prepares the statements of a handler, and encodes their parameters, before anything of their
    /// transaction is sent: messages that are sent together may fail on the server only. Otherwise,
    /// `COMMIT` would be sent behind a statement that was not.
    pub(crate) async fn bind(
        &self,
        writes: &SqlWrites,
    ) -> Result<Result<Vec<EncodedStatement>, AppendError>, Fault> {
        let mut bound = Vec::new();
        for statement in writes.statements() {
            if !is_allowed(statement.sql()) {
                let reason =
                    "it does not begin with INSERT, UPDATE, DELETE, MERGE, SELECT, WITH or CALL";
                return Ok(Err(failed(statement, reason)));
            }
            if self.client().forget_statements() {
                self.prepare_writes().await?;
            }
            let prepared = match self.client().prepare(statement.sql()).await {
                Ok(prepared) => prepared,
                Err(error) => {
                    let fault = Fault::from(error);
                    return match fault.kind() {
                        Kind::Lost => Err(fault),
                        _ => Ok(Err(failed(statement, &fault.to_string()))),
                    };
                }
            };
            match encode(statement, prepared.params()) {
                Ok(params) => bound.push(EncodedStatement { prepared, params }),
                Err(reason) => return Ok(Err(failed(statement, &reason))),
            }
        }
        Ok(Ok(bound))
    }
}

impl EncodedStatement {
    pub(super) async fn execute(&self, client: &Connection) -> Result<(), Fault> {
        self.execute_as(&self.prepared, client).await
    }

    /// Executes it on another connection, on which the same text was prepared.
    pub(super) async fn execute_as(
        &self,
        prepared: &Statement,
        client: &Connection,
    ) -> Result<(), Fault> {
        let params: Vec<&(dyn ToSql + Sync)> = self.params.iter().map(|it| it as _).collect();
        client.execute(prepared, &params).await?;
        Ok(())
    }
}

/// A parameter in the format that the server expects.
#[derive(Debug)]
struct EncodedParameter {
    bytes: BytesMut,
    is_null: bool,
    format: Format,
}

impl ToSql for EncodedParameter {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        if self.is_null {
            return Ok(IsNull::Yes);
        }
        out.put_slice(&self.bytes);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        self.format
    }

    to_sql_checked!();
}

/// Encodes the parameters of a statement, or returns the reason why they do not fit it.
fn encode(
    statement: &RecordedStatement<Parameter>,
    types: &[Type],
) -> Result<Vec<EncodedParameter>, String> {
    let params = statement.params()?;
    if params.len() != types.len() {
        return Err(format!(
            "it has {} parameters, and was given {}",
            types.len(),
            params.len()
        ));
    }
    let numbered = (1..).zip(params.iter().zip(types));
    let encoded = numbered.map(|(number, (param, of))| {
        let mut bytes = BytesMut::new();
        let value = &*param.value;
        // The encoder may be the program's own, and its panic must not end this task.
        let encoded = catch_unwind(AssertUnwindSafe(|| value.to_sql_checked(of, &mut bytes)));
        match encoded {
            Ok(Ok(is_null)) => Ok(EncodedParameter {
                bytes,
                is_null: matches!(is_null, IsNull::Yes),
                format: value.encode_format(of),
            }),
            Ok(Err(error)) => Err(format!("parameter ${number}: {error}")),
            Err(_) => Err(format!("parameter ${number}: its encoder panicked")),
        }
    });
    encoded.collect()
}

fn failed(statement: &RecordedStatement<Parameter>, reason: &str) -> AppendError {
    AppendError::Statement {
        statement: statement.sql().into(),
        reason: reason.into(),
    }
}
