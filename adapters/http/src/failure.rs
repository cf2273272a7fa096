//! The problems that errors of the dispatcher are.

use axum::http::StatusCode;
use cqrs_core::QueryError;
use cqrs_core::error::{CommandError, Failure, Invalid, QueryErrorKind, Rejected};
use cqrs_core::store::{AppendError, StoreError};

use crate::problem::Problem;

/// Seconds after which it is worth while to send a message again.
const SOON: u64 = 1;

/// The problem of a command with this name.
pub(crate) fn of_command(error: CommandError<Rejected>, name: &str) -> Problem {
    let is_mismatch = error.is_mismatch();
    match error {
        CommandError::Rejected(rejected) => rejection(&rejected, name),
        CommandError::Conflict { .. } => {
            let detail = "others changed the same data during each attempt: send the command again";
            Problem::new(StatusCode::CONFLICT, "conflict", detail).retry_after(SOON)
        }
        CommandError::Moved { .. } => {
            let status = StatusCode::PRECONDITION_FAILED;
            Problem::new(status, "moved", error.to_string())
        }
        CommandError::Invalid(_) if is_mismatch => {
            let detail =
                "the `Idempotency-Key` was used before for another command, or with other fields";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "key-reused", detail)
        }
        CommandError::Invalid(found) => invalid(&found),
        CommandError::Denied(denied) => {
            Problem::new(StatusCode::FORBIDDEN, "denied", denied.to_string())
        }
        CommandError::Unknown(unknown) => {
            Problem::new(StatusCode::NOT_FOUND, "unknown", unknown.to_string())
        }
        CommandError::Failed(found) => failure(&found),
    }
}

/// The problem of a query.
pub(crate) fn of_query(error: &QueryError) -> Problem {
    match error.kind() {
        QueryErrorKind::Invalid(found) => invalid(found),
        QueryErrorKind::Denied(denied) => {
            Problem::new(StatusCode::FORBIDDEN, "denied", denied.to_string())
        }
        QueryErrorKind::Unknown(unknown) => {
            Problem::new(StatusCode::NOT_FOUND, "unknown", unknown.to_string())
        }
        QueryErrorKind::NotCaughtUp(behind) => {
            tracing::warn!(error = %behind, "a query waits for its read models");
            let detail = format!(
                "{} `{}` is at position {} and has not reached {}",
                behind.kind, behind.name, behind.at, behind.wanted
            );
            unavailable("behind", detail)
        }
        QueryErrorKind::Rebuilding(rebuilding) => {
            let left = rebuilding.progress.remaining;
            let seconds = left.map_or(SOON, |left| left.as_secs().max(SOON));
            let text = rebuilding.to_string();
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "rebuilding", text).retry_after(seconds)
        }
        QueryErrorKind::Parked(parked) => {
            tracing::warn!(error = %parked, "a query waits for parked events");
            let detail = format!(
                "projection `{}` leaves out the events of `{}:{}` since {}",
                parked.name, parked.partition, parked.key, parked.since
            );
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "parked", detail)
        }
        QueryErrorKind::Failed(found) => failure(found),
    }
}

/// With the name of the command, since error types of two commands may have variants of the same name.
fn rejection(rejected: &Rejected, command: &str) -> Problem {
    let kind = match rejected.variant() {
        Some(variant) => format!("rejected:{command}:{}", Rejected::kind_of(&variant)),
        None => format!("rejected:{command}"),
    };
    let problem = Problem::new(StatusCode::CONFLICT, &kind, rejected.to_string());
    problem.of_rejection(rejected.to_json())
}

fn invalid(invalid: &Invalid) -> Problem {
    let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid", invalid.to_string());
    match &invalid.field {
        Some(path) => problem.of_field(path, &*invalid.reason),
        None => problem,
    }
}

/// The reason stays in the log of the server: it is for those who operate it.
fn failure(failure: &Failure) -> Problem {
    match failure {
        Failure::Append(AppendError::Indeterminate { .. }) => {
            tracing::warn!(error = %failure, "it is not known whether a command was carried out");
            let detail = "it is not known whether the command was carried out: send it again with the same \
                          `Idempotency-Key`";
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "indeterminate", detail)
        }
        Failure::Append(AppendError::Overloaded { .. }) => unavailable(
            "overloaded",
            "the store has too much to do: nothing was done",
        ),
        Failure::Busy { .. } => {
            let detail = "others are still deciding about the same data: nothing was done";
            unavailable("busy", detail)
        }
        Failure::ShutDown => unavailable("shut-down", "the server is shut down: nothing was done"),
        Failure::NotInRole { role } => {
            unavailable("not-in-role", format!("this server takes no {role}"))
        }
        Failure::Store(StoreError::Unavailable { .. })
        | Failure::Append(AppendError::Store(StoreError::Unavailable { .. })) => {
            tracing::error!(error = %failure, "the store is unavailable");
            unavailable(
                "store-unavailable",
                "the store is unavailable: nothing was done",
            )
        }
        Failure::Store(StoreError::Full { .. })
        | Failure::Append(AppendError::Store(StoreError::Full { .. })) => {
            tracing::error!(error = %failure, "the store is full");
            let detail = "the store is full: nothing was done";
            Problem::new(StatusCode::INSUFFICIENT_STORAGE, "store-full", detail)
        }
        Failure::Store(StoreError::ReadOnly { .. })
        | Failure::Append(AppendError::Store(StoreError::ReadOnly { .. })) => {
            tracing::error!(error = %failure, "the store is read-only");
            let detail = "the store takes no commands at present: nothing was done";
            unavailable("store-read-only", detail)
        }
        Failure::Store(StoreError::Rewound { head, .. }) => {
            tracing::error!(error = %failure, "the log was replaced");
            let detail = format!("the log was replaced: it ends at {head}");
            Problem::new(StatusCode::CONFLICT, "log-replaced", detail)
        }
        Failure::NotWatchable { .. } => Problem::new(
            StatusCode::BAD_REQUEST,
            "not-watchable",
            failure.to_string(),
        ),
        failure => {
            tracing::error!(error = %failure, "a request failed");
            let detail = "the server failed: the reason is in its log";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", detail)
        }
    }
}

fn unavailable(kind: &str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, kind, detail).retry_after(SOON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_takes_nothing_is_no_fault_of_the_program() {
        let full = StoreError::Full {
            reason: "disk".into(),
        };
        let read_only = StoreError::ReadOnly {
            reason: "/srv/log.db".into(),
        };
        let of = |error: StoreError| {
            let read = failure(&Failure::Store(error.clone()));
            let written = failure(&Failure::Append(AppendError::Store(error)));
            assert_eq!(read, written);
            (read.status().as_u16(), read.kind().to_owned())
        };
        assert_eq!(of(full), (507, "urn:cqrs:problem:store-full".to_owned()));
        let expected = (503, "urn:cqrs:problem:store-read-only".to_owned());
        assert_eq!(of(read_only), expected);
    }

    #[test]
    fn a_reason_for_operators_is_not_told() {
        let secret = Failure::from(StoreError::Unavailable {
            reason: "db.internal:5432 refused".into(),
        });
        let problem = failure(&secret);
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
        let text = serde_json::to_string(&problem).expect("is JSON");
        assert!(!text.contains("internal"), "{text}");
    }
}
