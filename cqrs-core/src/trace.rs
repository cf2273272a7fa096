//! Spans and events for `tracing`. The guide `docs/guides/tracing.md` lists them with their fields.
//!
//! They never contain messages, events, states, views or actors: only names, ids, numbers and error
//! texts.

use std::time::Duration;

use tracing::field::{Empty, display};
use tracing::{Instrument as _, Level, Span, debug_span, info, info_span, level_enabled, warn};

use crate::error::{QueryError, QueryErrorKind};
use crate::handler::Context;
use crate::store::{ParkedKey, Position, Recorded};
use crate::trace_context;
use crate::wiring::{Plan, Problem};

/// Whether a subscriber may be interested in the spans of calls.
#[inline]
pub(crate) fn is_on() -> bool {
    level_enabled!(Level::INFO)
}

/// Awaits a future in a span. Without a subscriber there is no span, and the future is not wrapped. The span is kept
/// out of the caller's future, because futures larger than 1 KiB are slow to allocate.
macro_rules! within {
    ($span:expr, $future:expr) => {
        if $crate::trace::is_on()
            && let span = $span
            && !span.is_disabled()
        {
            Box::pin(tracing::Instrument::instrument($future, span)).await
        } else {
            $future.await
        }
    };
}

pub(crate) use within;

/// A view store did not answer the coordinator of shards.
pub(crate) fn attends_not(error: &impl std::fmt::Display) {
    warn!(target: "cqrs_core", %error, "shards are not claimed");
}

/// Span of a command, from validation to receipt.
pub(crate) fn execute(command: &'static str, handler: &'static str) -> Span {
    info_span!(
        target: "cqrs_core",
        "execute",
        command,
        handler,
        id = Empty,
        correlation = Empty,
        attempts = Empty,
        events = Empty,
        position = Empty,
        outcome = Empty,
    )
}

/// Records the ids of a command once they are assigned.
pub(crate) fn identify(execute: &Span, context: &Context) {
    if execute.is_disabled() {
        return;
    }
    if let Some(id) = context.command {
        execute.record("id", display(id));
    }
    execute.record("correlation", display(context.correlation));
}

/// Span of one run of a command's handler on the loaded states.
pub(crate) fn decide(attempt: u32, aggregates: usize) -> Span {
    debug_span!(target: "cqrs_core", "decide", attempt, aggregates)
}

/// Span of the append of a decision's events.
pub(crate) fn append(events: usize) -> Span {
    debug_span!(target: "cqrs_core", "append", events)
}

/// Span of a query, including its wait for read models.
pub(crate) fn query(query: &'static str) -> Span {
    info_span!(target: "cqrs_core", "query", query, outcome = Empty)
}

/// Records the outcome of a query in its span.
pub(crate) fn answers<A>(query: &Span, outcome: &Result<A, QueryError>) {
    let word = match outcome.as_ref().map_err(QueryError::kind) {
        Ok(_) => "done",
        Err(QueryErrorKind::Invalid(_)) => "invalid",
        Err(QueryErrorKind::Denied(_)) => "denied",
        Err(QueryErrorKind::Unknown(_)) => "unknown",
        Err(QueryErrorKind::NotCaughtUp(_)) => "not caught up",
        Err(QueryErrorKind::Rebuilding(_)) => "rebuilding",
        Err(QueryErrorKind::Parked(_)) => "parked",
        Err(QueryErrorKind::Failed(_)) => "failed",
    };
    ends(query, word);
}

/// Awaits the answer to a query in its span.
pub(crate) async fn answered<A>(
    query: Span,
    answer: impl Future<Output = Result<A, QueryError>>,
) -> Result<A, QueryError> {
    let outcome = answer.instrument(query.clone()).await;
    answers(&query, &outcome);
    outcome
}

/// Records an outcome in its span.
pub(crate) fn ends(span: &Span, outcome: &'static str) {
    span.record("outcome", outcome);
    if outcome == "failed" {
        trace_context::set_failed(span);
    }
}

/// Span of a page of events.
macro_rules! page {
    ($span:literal, $handler:ident, $events:expr) => {{
        let at = |event: Option<&_>| event.map(|event: &Recorded| event.position.get());
        info_span!(
            target: "cqrs_core",
            $span,
            $handler,
            events = $events.len(),
            first = at($events.first().map(AsRef::as_ref)),
            last = at($events.last().map(AsRef::as_ref)),
            outcome = Empty,
        )
    }};
}

/// Span of the fold of one page of events by a projection.
pub(crate) fn project(projection: &str, events: &[impl AsRef<Recorded>]) -> Span {
    page!("project", projection, events)
}

/// Span of the steps of a process manager at one page of events.
pub(crate) fn conduct(process: &str, events: &[impl AsRef<Recorded>]) -> Span {
    page!("conduct", process, events)
}

/// Span of a reaction to one event.
pub(crate) fn react(reaction: &'static str, event: &Recorded) -> Span {
    info_span!(
        target: "cqrs_core",
        "react",
        reaction,
        event = event.data.event_type.as_str(),
        id = %event.meta.id,
        correlation = %event.meta.correlation,
        position = event.position.get(),
        outcome = Empty,
    )
}

/// A subscription resumed from its checkpoint.
pub(crate) fn follows(subscription: &str, position: Position) {
    info!(target: "cqrs_core", subscription, position = position.get(), "the subscription follows the log");
}

/// A subscription will be retried.
pub(crate) fn fails(subscription: &str, attempts: u32, pause: Duration, error: &str) {
    warn!(target: "cqrs_core", subscription, attempts, ?pause, error, "the subscription fails");
}

/// A subscription was stopped, since an event failed for too long.
pub(crate) fn stops(subscription: &str, position: Position, error: &str) {
    warn!(
        target: "cqrs_core",
        subscription,
        position = position.get(),
        error,
        "the subscription is stopped"
    );
}

/// This program is too old for an event of a subscription, and leaves it to others.
pub(crate) fn is_outdated(subscription: &str, position: Position, error: &str) {
    warn!(
        target: "cqrs_core",
        subscription,
        position = position.get(),
        error,
        "the subscription needs a newer program, and is left to other processes"
    );
}

/// A key is parked, since an event of it failed for too long.
pub(crate) fn parks(subscription: &str, key: &ParkedKey) {
    let (position, error) = (key.first.get(), &key.cause);
    warn!(target: "cqrs_core", subscription, key = key.key, position, error, "a key is parked");
}

/// The events of a released key are being handled.
pub(crate) fn releases(subscription: &str, key: &ParkedKey) {
    let position = key.first.get();
    info!(target: "cqrs_core", subscription, key = key.key, position, "a parked key is released");
}

/// An event of a released key failed.
pub(crate) fn parks_again(subscription: &str, key: &ParkedKey, position: Position, error: &str) {
    let position = position.get();
    warn!(
        target: "cqrs_core",
        subscription,
        key = key.key,
        position,
        error,
        "a released key is parked again"
    );
}

/// A dispatcher was built.
pub(crate) fn started(plan: &Plan, warnings: &[Problem], subscriptions: usize) {
    for Problem { what, write, .. } in warnings {
        warn!(target: "cqrs_core", write, "{what}");
    }
    info!(
        target: "cqrs_core",
        messages = plan.handlers().count(),
        events = plan.events.len(),
        subscriptions,
        "the dispatcher has started",
    );
}

/// The last handle of a dispatcher was dropped and its workers have ended.
pub(crate) fn ended() {
    info!(target: "cqrs_core", "the dispatcher has ended");
}
