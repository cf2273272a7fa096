use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::call::Call;

/// The target of the framework's spans.
const TARGET: &str = "cqrs_core";

/// A layer that counts and times commands, queries, pages of projections, and reactions, for a subscriber of
/// `tracing-subscriber`. It sees the spans of the framework alone, whatever other layers are told.
pub fn layer<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let filter = filter_fn(concerns).with_max_level_hint(LevelFilter::INFO);
    CallLayer.with_filter(filter)
}

static IS_INSTALLED: AtomicBool = AtomicBool::new(false);

/// Whether a subscriber of this process has the layer.
pub fn has_layer() -> bool {
    IS_INSTALLED.load(Ordering::Relaxed)
}

fn concerns(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == TARGET && *metadata.level() <= Level::INFO
}

struct CallLayer;

/// A call, while its span is open.
struct OpenCall {
    began: Instant,
    call: Call,
}

impl<S> Layer<S> for CallLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, _: &Dispatch) {
        IS_INSTALLED.store(true, Ordering::Relaxed);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let (Some(span), Some(mut call)) =
            (context.span(id), Call::new(attributes.metadata().name()))
        else {
            return;
        };
        attributes.record(&mut call);
        let began = Instant::now();
        span.extensions_mut().insert(OpenCall { began, call });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<OpenCall>()
        {
            values.record(&mut open.call);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Some(span) = context.span(&id)
            && let Some(OpenCall { began, call }) = span.extensions_mut().remove::<OpenCall>()
        {
            call.count(began.elapsed());
        }
    }
}
