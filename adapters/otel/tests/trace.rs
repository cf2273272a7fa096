//! One trace from a command to all that follows from it, in two dispatchers on one log.

mod parcels;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use cqrs_core::store::CustomMetadata;
use cqrs_core::{Dispatcher, Memory};
use cqrs_otel::OpenTelemetry;
use opentelemetry::trace::{SpanId, Status, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The trace of the client, and the span in which it sends.
const CLIENT: (&str, &str) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");

/// The spans of the process.
static SPANS: LazyLock<InMemorySpanExporter> = LazyLock::new(|| {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    tracing_subscriber::registry().with(layer).init();
    assert!(OpenTelemetry.install());
    assert!(!OpenTelemetry.install(), "once is enough");
    exporter
});

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_spans_all_that_follows_from_a_command() {
    let exporter = LazyLock::force(&SPANS);
    // As an HTTP server does with the headers of a request.
    let parent = format!("00-{}-{}-01", CLIENT.0, CLIENT.1);
    let of_client = CustomMetadata::from([("traceparent", &*parent), ("tenant", "acme")]);
    let events = parcels::sent([1], of_client).await;
    assert_eq!(events.len(), 3);
    for event in &events {
        let custom = &event.meta.custom;
        assert_eq!(custom.get("tenant"), Some("acme"));
        let context = custom.get("traceparent").expect("has a context");
        assert!(context.contains(CLIENT.0) && !context.contains(CLIENT.1));
    }

    let spans = exporter.get_finished_spans().expect("are kept");
    let of_trace = spans
        .iter()
        .filter(|it| it.span_context.trace_id().to_string() == CLIENT.0);
    let of_trace: BTreeMap<String, &SpanData> =
        of_trace.map(|it| (it.name.to_string(), it)).collect();
    let span = |name: &str| {
        let found = of_trace.get(name);
        *found.unwrap_or_else(|| panic!("{name}: {:?}", of_trace.keys()))
    };
    let client = SpanId::from_hex(CLIENT.1).expect("an id");
    let send = span("execute SendParcel");
    assert_eq!(send.parent_span_id, client);
    for follower in [
        "react notifies",
        "project parcel-list",
        "conduct transport",
        "execute BookCourier",
    ] {
        let parent = span(follower).parent_span_id;
        assert_eq!(parent, send.span_context.span_id(), "{follower}");
    }
    let statuses: BTreeSet<_> = of_trace
        .values()
        .map(|it| format!("{:?}", it.status))
        .collect();
    assert_eq!(statuses, BTreeSet::from(["Unset".to_owned()]));
    let reaction = span("react notifies").span_context.span_id();
    assert_eq!(span("execute NotifyReceiver").parent_span_id, reaction);
}

/// A span has one parent, and a page has the events of several traces.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_several_traces_is_linked_to_each() {
    let exporter = LazyLock::force(&SPANS);
    let events = parcels::sent([2, 3], CustomMetadata::default()).await;
    let contexts = events[..2]
        .iter()
        .map(|it| it.meta.custom.get("traceparent").expect("has a context"));
    let sent: BTreeSet<_> = contexts.map(|context| context[3..52].to_owned()).collect();
    assert_eq!(sent.len(), 2);
    let spans = exporter.get_finished_spans().expect("are kept");
    let linked = |span: &SpanData| -> BTreeSet<String> {
        let links = span.links.iter().map(|link| &link.span_context);
        links
            .map(|it| format!("{}-{}", it.trace_id(), it.span_id()))
            .collect()
    };
    for follower in ["project parcel-list", "conduct transport"] {
        let mut pages = spans.iter().filter(|it| it.name == follower);
        let page = pages.find(|it| linked(it) == sent);
        let page = page.unwrap_or_else(|| panic!("{follower}: {sent:?}"));
        assert_eq!(page.parent_span_id, SpanId::INVALID, "{follower}");
    }
}

/// A command that fails, and is not refused.
mod losses {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct LoseParcel {
        pub parcel: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "parcel-lost", version = 1)]
    pub struct ParcelLost {
        pub parcel: u32,
    }

    #[command_handler]
    fn lose(LoseParcel { parcel }: LoseParcel) -> ParcelLost {
        panic!("parcel {parcel} is lost");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_failed_has_the_status_of_an_error() {
    let exporter = LazyLock::force(&SPANS);
    let builder = Dispatcher::builder().module(losses::module());
    let app = builder.store(Memory::new()).build().await.expect("builds");
    let lost = app.execute(losses::LoseParcel { parcel: 0 }).await;
    lost.expect_err("is lost");
    let spans = exporter.get_finished_spans().expect("are kept");
    let lost = spans.iter().find(|it| it.name == "execute LoseParcel");
    let status = &lost.expect("is there").status;
    assert!(matches!(status, Status::Error { .. }), "{status:?}");
}
