use cqrs_core::Timestamp;
use cqrs_core::store::{
    Append, AppendError, Appended, Boundary, EventQuery, Limits, Position, ReadRange, StoreError,
};
use prost::Message;

use crate::fault::Fault;
use crate::grpc::{CallError, MAX_REQUEST, Status};
use crate::known_log::{KnownLog, Landmark};
use crate::link::{Connection, Link};
use crate::proto;
use crate::read::{self, AttemptError};
use crate::record;

/// Maximum number of refusals without a conflict, after each of which the append is sent again.
const MAX_REFUSALS: usize = 8;

/// The largest append: the server takes messages of 4 MiB, and keeps an event's type and tags in a
/// page of 4 KiB.
pub(crate) const LIMITS: Limits = Limits {
    events: 10_000,
    payload: 1 << 20,
    tags: 16,
    name: 200,
    statements: 0,
    append: MAX_REQUEST,
};

/// Reasons that the server refused an append.
enum Refusal {
    /// Another attempt would get the same answer.
    Final(Result<Appended, AppendError>),
    /// There is no conflict up to this position.
    Unfounded(Position),
}

/// Appends with one condition: no event matches any of the boundaries, after the lowest of their
/// positions. It is stricter than the boundaries, so a refusal may be unfounded.
///
/// The command's id is the source of the tracking information, so the server refuses the second
/// append of a command. A refusal is investigated, and is a conflict only if an event matches a
/// boundary. Otherwise the append is sent again, with a condition that begins where nothing was
/// found.
pub(crate) async fn append(
    link: &Link,
    log: &KnownLog,
    append: Append,
) -> Result<Appended, AppendError> {
    if !append.states.is_empty() {
        return Err(AppendError::Invalid {
            reason: "UmaDB keeps no states of aggregates".into(),
        });
    }
    let time = to_micros(log.time(append.time));
    let mut request =
        record::request(&append, time).map_err(|reason| AppendError::Invalid { reason })?;
    let size = request.encoded_len();
    if size > MAX_REQUEST {
        let reason = format!("bytes of one append as it is sent: {size}, at most {MAX_REQUEST}");
        return Err(AppendError::Invalid { reason });
    }
    let mut after = append.boundaries.iter().map(|it| it.after).min();
    let mut refusals = 0;
    let mut attempts = link.attempts();
    loop {
        let connection = attempts.connection().await?;
        request.condition = after.and_then(|after| condition(&append.boundaries, after));
        let refused = match send(&connection, log, &request, &append.boundaries).await {
            Ok(Some(last)) => {
                let landmark = Landmark {
                    position: last,
                    command: append.command.as_uuid(),
                };
                log.note(connection.incarnation, landmark, time);
                return Ok(appended(last, append.events.len(), time));
            }
            Ok(None) => refusal(&connection, log, &append).await,
            Err(error) => Err(error.into()),
        };
        match refused {
            Ok(Refusal::Final(result)) => return result,
            Ok(Refusal::Unfounded(as_of)) if refusals < MAX_REFUSALS => {
                refusals += 1;
                after = after.map(|_| as_of);
            }
            Ok(Refusal::Unfounded(_)) => {
                let id = append.command;
                let reason = format!("UmaDB refuses command {id}, though nothing is in its way");
                return Err(Fault::Corrupt(reason).into());
            }
            Err(AttemptError::Call(error)) => attempts.failed(error).await?,
            Err(AttemptError::Corrupt(reason)) => return Err(Fault::Corrupt(reason).into()),
        }
    }
}

/// Sends an append. Returns the position of its last event, `None` if it was refused.
async fn send(
    connection: &Connection,
    log: &KnownLog,
    request: &proto::AppendRequest,
    boundaries: &[Boundary],
) -> Result<Option<Position>, CallError> {
    if is_rewound(connection, log, boundaries).await? {
        return Ok(None);
    }
    match connection.append(request).await {
        Ok(last) => Ok(Some(last)),
        Err(CallError::Status(status)) if status.code == Status::FAILED_PRECONDITION => Ok(None),
        Err(error) => Err(error),
    }
}

fn appended(last: Position, count: usize, time: Timestamp) -> Appended {
    let count = count as u64;
    Appended {
        first: Position::new(last.get() - count.saturating_sub(1)),
        last,
        count,
        time: (count > 0).then_some(time),
        replayed: false,
    }
}

/// The condition of an append, `None` if no event can conflict.
fn condition(boundaries: &[Boundary], after: Position) -> Option<proto::AppendCondition> {
    let items: Vec<_> = boundaries
        .iter()
        .flat_map(|it| record::query_items(&it.fail_if))
        .collect();
    // Without items, a query matches everything.
    (!items.is_empty()).then(|| proto::AppendCondition {
        fail_if_events_match: Some(proto::Query { items }),
        after: Some(after.get()),
    })
}

/// Whether a boundary was read from another log than this one, or beyond its end.
async fn is_rewound(
    connection: &Connection,
    log: &KnownLog,
    boundaries: &[Boundary],
) -> Result<bool, CallError> {
    if boundaries
        .iter()
        .any(|it| it.incarnation != connection.incarnation)
    {
        return Ok(true);
    }
    let Some(furthest) = boundaries.iter().map(|it| it.after).max() else {
        return Ok(false);
    };
    if furthest <= log.heads().position() {
        return Ok(false);
    }
    let head = connection.head().await?;
    log.advance(connection.incarnation, head);
    Ok(furthest > head)
}

/// Finds out why an append was refused: an earlier sending of the command, a boundary of another
/// log, or an event that matches a boundary.
async fn refusal(
    connection: &Connection,
    log: &KnownLog,
    append: &Append,
) -> Result<Refusal, AttemptError> {
    let Append {
        command,
        fingerprint,
        boundaries,
        ..
    } = append;
    if let Some(stored) = read::command_on(connection, *command).await? {
        return Ok(Refusal::Final(stored.replay(*command, *fingerprint)));
    }
    // Nothing is in the way up to this position, unless one of the later reads finds it.
    let head = connection.head().await?;
    for Boundary {
        fail_if,
        after,
        incarnation,
        after_append,
        ..
    } in boundaries
    {
        if *incarnation != connection.incarnation || *after > head {
            let error = AppendError::from(StoreError::Rewound { head, seen: *after });
            return Ok(Refusal::Final(Err(error)));
        }
        // This log does not claim `pipelining`, so it cannot know the append that a boundary follows.
        let first = first_match(connection, log, fail_if, *after).await?;
        if let Some(at) = first.or(after_append.map(|_| head)) {
            return Ok(Refusal::Final(Err(AppendError::Conflict { at })));
        }
    }
    Ok(Refusal::Unfounded(head))
}

/// The first event that matches after `after`.
async fn first_match(
    connection: &Connection,
    log: &KnownLog,
    query: &EventQuery,
    after: Position,
) -> Result<Option<Position>, AttemptError> {
    let range = ReadRange {
        limit: 1,
        ..ReadRange::after(after)
    };
    let page = read::page_on(connection, log, query, range).await?;
    Ok(page.events.first().map(|event| event.position))
}

/// Rounds a time to the microsecond, as it will be read back.
fn to_micros(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}
