#![doc = include_str!("../README.md")]

use cqrs_core::app::{TraceContext, set_trace_context};
use cqrs_core::store::CustomMetadata;
use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The context of a trace, as the W3C writes it.
const TRACE_PARENT: &str = "traceparent";

/// What systems on the way have added to it.
const TRACE_STATE: &str = "tracestate";

/// What of it everybody has to pass on, in bytes. A longer one is left out.
const MAX_STATE: usize = 512;

/// Carries the context of OpenTelemetry's traces from the spans of commands to those of what follows from their events.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenTelemetry;

impl OpenTelemetry {
    /// Has all dispatchers of this process carry the context. Returns whether nothing else does already.
    pub fn install(self) -> bool {
        set_trace_context(self)
    }
}

impl TraceContext for OpenTelemetry {
    fn inject(&self, span: &Span, metadata: &mut CustomMetadata) {
        let context = span.context();
        let own = context.span();
        let traced = own.span_context();
        if !traced.is_valid() {
            return;
        }
        metadata.set(TRACE_PARENT, written(traced));
        let state = traced.trace_state().header();
        if state.is_empty() || state.len() > MAX_STATE {
            metadata.remove(TRACE_STATE);
        } else {
            metadata.set(TRACE_STATE, state);
        }
    }

    fn set_parent(&self, span: &Span, metadata: &CustomMetadata) {
        if let Some(parent) = read(metadata) {
            // An error means that no layer of OpenTelemetry listens to the span, or that it was entered.
            let _ = span.set_parent(Context::new().with_remote_span_context(parent));
        }
    }

    fn add_link(&self, span: &Span, metadata: &CustomMetadata) {
        if let Some(linked) = read(metadata) {
            span.add_link(linked);
        }
    }

    fn set_name(&self, span: &Span, name: String) {
        span.context().span().update_name(name);
    }

    fn set_failed(&self, span: &Span) {
        // The reason may name what clients sent, and is in the log.
        span.set_status(Status::error("failed"));
    }
}

/// A context as `traceparent` has it.
fn written(span: &SpanContext) -> String {
    let flags = span.trace_flags() & TraceFlags::SAMPLED;
    format!(
        "00-{}-{}-{:02x}",
        span.trace_id(),
        span.span_id(),
        flags.to_u8()
    )
}

/// The context in the metadata. `None` if there is none, or none that can be read: then a trace begins.
fn read(metadata: &CustomMetadata) -> Option<SpanContext> {
    let parts: Vec<&str> = metadata.get(TRACE_PARENT)?.split('-').collect();
    let [version, trace, span, flags, rest @ ..] = &parts[..] else {
        return None;
    };
    // Later versions may append parts.
    let is_known = *version == "00" && rest.is_empty() || *version != "00" && *version != "ff";
    let is_whole = [(version, 2), (trace, 32), (span, 16), (flags, 2)]
        .iter()
        .all(|(part, length)| part.len() == *length && part.bytes().all(is_lower_hex));
    if !is_known || !is_whole {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok()?;
    let state = metadata.get(TRACE_STATE).unwrap_or_default();
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(flags) & TraceFlags::SAMPLED,
        true,
        state.parse::<TraceState>().unwrap_or_default(),
    );
    context.is_valid().then_some(context)
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn of(parent: &str) -> Option<SpanContext> {
        read(&CustomMetadata::from([(TRACE_PARENT, parent)]))
    }

    #[test]
    fn a_context_is_read_as_it_was_written() {
        let context = of(PARENT).expect("is a context");
        assert!(context.is_sampled() && context.is_remote());
        assert_eq!(written(&context), PARENT);
    }

    #[test]
    fn what_is_no_context_begins_a_trace() {
        let zero = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        let upper = PARENT.to_uppercase();
        let more = format!("{PARENT}-00");
        for parent in [
            "",
            "00",
            "x",
            zero,
            &upper,
            &more,
            &PARENT.replace("00-", "ff-"),
        ] {
            assert!(of(parent).is_none(), "{parent}");
        }
        let later = format!("{}-00", PARENT.replacen("00-", "01-", 1));
        assert!(of(&later).is_some());
        assert!(read(&CustomMetadata::default()).is_none());
    }
}
