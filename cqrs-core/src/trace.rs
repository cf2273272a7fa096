//! What `tracing` is told. The guide `docs/guides/tracing.md` has the spans and fields as a table.
//!
//! No message, event, state or view is in it, and no actor: only names, ids, numbers, and the texts
//! of errors.

use std::time::Duration;

use tracing::field::{Empty, display};
use tracing::{Level, Span, debug_span, info, info_span, level_enabled, warn};

use crate::handler::Context;
use crate::store::{Position, Recorded};
use crate::wiring::{Description, Problem};

/// Whether anybody may listen to the spans of calls.
#[inline]
pub(crate) fn is_on() -> bool {
    level_enabled!(Level::INFO)
}

/// Awaits a future in a span. If nobody listens, nothing is wrapped around it, and the future of the
/// caller has no room for the span: what is larger than 1 KiB is slow to allocate.
macro_rules! within {
    ($span:expr, $future:expr) => {{
        let span: tracing::Span = $span;
        if span.is_disabled() {
            drop(span);
            $future.await
        } else {
            Box::pin(tracing::Instrument::instrument($future, span)).await
        }
    }};
}

pub(crate) use within;

/// A command, from its validation to its receipt.
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

/// The ids of a command, once it has them.
pub(crate) fn identify(execute: &Span, context: &Context) {
    if execute.is_disabled() {
        return;
    }
    if let Some(id) = context.command {
        execute.record("id", display(id));
    }
    execute.record("correlation", display(context.correlation));
}

/// One run of a command's handler on the states that were loaded.
pub(crate) fn decide(attempt: u32, aggregates: usize) -> Span {
    debug_span!(target: "cqrs_core", "decide", attempt, aggregates)
}

/// The append of a decision's events.
pub(crate) fn append(events: usize) -> Span {
    debug_span!(target: "cqrs_core", "append", events)
}

/// A query, with what it waits for.
pub(crate) fn query(query: &'static str) -> Span {
    info_span!(target: "cqrs_core", "query", query)
}

/// A page of events that a projection folds.
pub(crate) fn project(projection: &str, events: &[impl AsRef<Recorded>]) -> Span {
    let at = |event: Option<&_>| event.map(|event: &Recorded| event.position.get());
    info_span!(
        target: "cqrs_core",
        "project",
        projection,
        events = events.len(),
        first = at(events.first().map(AsRef::as_ref)),
        last = at(events.last().map(AsRef::as_ref)),
    )
}

/// A reaction to one event.
pub(crate) fn react(reaction: &'static str, event: &Recorded) -> Span {
    info_span!(
        target: "cqrs_core",
        "react",
        reaction,
        event = event.data.event_type.as_str(),
        id = %event.meta.id,
        correlation = %event.meta.correlation,
        position = event.position.get(),
    )
}

/// A subscription goes on from its checkpoint.
pub(crate) fn follows(subscription: &str, position: Position) {
    info!(target: "cqrs_core", subscription, position = position.get(), "the subscription follows the log");
}

/// A subscription is to be tried again.
pub(crate) fn fails(subscription: &str, attempts: u32, pause: Duration, error: &str) {
    warn!(target: "cqrs_core", subscription, attempts, ?pause, error, "the subscription fails");
}

/// A dispatcher was built.
pub(crate) fn started(description: &Description, subscriptions: usize) {
    for Problem { what, write, .. } in &description.warnings {
        warn!(target: "cqrs_core", write, "{what}");
    }
    info!(
        target: "cqrs_core",
        messages = description.messages.len(),
        events = description.events.len(),
        subscriptions,
        "the dispatcher has started",
    );
}

/// The last handle of a dispatcher is gone, and so are its workers.
pub(crate) fn ended() {
    info!(target: "cqrs_core", "the dispatcher has ended");
}
