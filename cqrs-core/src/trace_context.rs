use std::collections::BTreeSet;
use std::sync::OnceLock;

use tracing::Span;

use crate::store::{CustomMetadata, Recorded};

/// Carries the context of traces between spans and the custom metadata of events, under the keys `traceparent` and
/// `tracestate` of the W3C. `wired-cqrs-otel` implements it for OpenTelemetry.
///
/// A span whose subscriber does not know the context is left alone.
pub trait TraceContext: Send + Sync + 'static {
    /// Adds the context of a span to the metadata of a command, in place of that of its cause.
    fn inject(&self, span: &Span, metadata: &mut CustomMetadata);

    /// Makes a span that was not entered yet a child of the span whose context is in the metadata.
    fn set_parent(&self, span: &Span, metadata: &CustomMetadata);

    /// Links a span to the span whose context is in the metadata.
    fn add_link(&self, span: &Span, metadata: &CustomMetadata);

    /// Names a span, once its parent and links are set: by its kind and by what it is of, as in `execute OpenAccount`.
    fn set_name(&self, span: &Span, name: String);

    /// Marks a span as that of an error, once its outcome is `failed`.
    fn set_failed(&self, span: &Span);
}

/// The key of the context of a trace.
const TRACE_PARENT: &str = "traceparent";

/// Maximum number of links of a span: the limit of OpenTelemetry's SDKs.
const MAX_LINKS: usize = 128;

static CONTEXT: OnceLock<Box<dyn TraceContext>> = OnceLock::new();

/// Sets what carries the context of traces, for all dispatchers of the process, as a subscriber of `tracing` is. Returns
/// whether nothing was set before: then it stays.
pub fn set_trace_context(context: impl TraceContext) -> bool {
    CONTEXT.set(Box::new(context)).is_ok()
}

/// For a span that somebody listens to.
fn context_of(span: &Span) -> Option<&'static dyn TraceContext> {
    if span.is_disabled() {
        return None;
    }
    CONTEXT.get().map(|context| &**context)
}

/// Makes the span of a command, unless it is in another one, a child of the one that its metadata names.
pub(crate) fn continue_trace(span: &Span, command: &str, metadata: &CustomMetadata) {
    let Some(context) = context_of(span) else {
        return;
    };
    if metadata.get(TRACE_PARENT).is_some() && Span::current().is_none() {
        context.set_parent(span, metadata);
    }
    context.set_name(span, format!("execute {command}"));
}

/// Adds the context of the span of a command to its metadata, if there is room for it.
pub(crate) fn inject(span: &Span, metadata: &mut CustomMetadata) {
    let Some(context) = context_of(span) else {
        return;
    };
    let mut traced = metadata.clone();
    context.inject(span, &mut traced);
    if traced.check_inherited().is_ok() {
        *metadata = traced;
    }
}

/// Marks the span of what has failed.
pub(crate) fn set_failed(span: &Span) {
    if let Some(context) = context_of(span) {
        context.set_failed(span);
    }
}

/// Relates the span of a page to the commands of its events: a child of the span of the only one, or linked to each.
/// Several parents are not possible, and one of them would hide the page from the other traces.
pub(crate) fn relate<'a>(
    span: &Span,
    (kind, handler): (&str, &str),
    events: impl IntoIterator<Item = &'a Recorded>,
) {
    let Some(context) = context_of(span) else {
        return;
    };
    let mut parents = BTreeSet::new();
    let events = events.into_iter().map(|event| &event.meta.custom);
    let traced: Vec<_> = events
        .filter(|metadata| {
            let parent = metadata.get(TRACE_PARENT);
            parent.is_some_and(|parent| parents.insert(parent))
        })
        .take(MAX_LINKS)
        .collect();
    match traced[..] {
        [only] => context.set_parent(span, only),
        _ => traced
            .iter()
            .for_each(|metadata| context.add_link(span, metadata)),
    }
    context.set_name(span, format!("{kind} {handler}"));
}
