//! A collector of OpenTelemetry gets a whole trace by OTLP: everything that follows from one command.

mod parcels;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use cqrs_core::store::CustomMetadata;
use cqrs_otel::OpenTelemetry;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tempfile::TempDir;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

/// Time between two attempts to connect to the collector, which does not tell when it listens.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The trace of a client, and the span in which it sends.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENT: &str = "b7ad6b7169203331";

/// A span as the collector prints it.
#[derive(Default)]
struct CollectedSpan {
    trace: String,
    parent: String,
    id: String,
}

/// A collector of the test's own, which prints what it gets, and ends with it.
struct Collector {
    child: Child,
    address: String,
    _directory: TempDir,
}

impl Collector {
    fn start(program: &Path) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let [address, grpc] = free_addresses();
        let child = Command::new(program)
            .args(["start", "--exporter", "blackhole", "--debug-log", "traces"])
            .args(["--debug-log-verbosity", "detailed"])
            .args([
                "--otlp-http-endpoint",
                &address,
                "--otlp-grpc-endpoint",
                &grpc,
            ])
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut collector = Self {
            child,
            address,
            _directory: directory,
        };
        let begun = Instant::now();
        while TcpStream::connect(&collector.address).is_err() {
            let ended = collector.child.try_wait().expect("it is a child");
            assert!(ended.is_none(), "it has ended: {ended:?}");
            assert!(begun.elapsed() < LONG, "it does not listen");
            thread::sleep(POLL_INTERVAL);
        }
        collector
    }

    /// The spans that it prints, by name, once it has printed all of these.
    fn spans(&mut self, names: &[&str]) -> BTreeMap<String, CollectedSpan> {
        let out = self.child.stdout.take().expect("a pipe");
        let (sender, lines) = mpsc::channel();
        // The end of the program is the end of its output.
        thread::spawn(move || {
            let lines = BufReader::new(out).lines().map_while(Result::ok);
            lines.for_each(|line| drop(sender.send(line)));
        });
        let mut spans = BTreeMap::new();
        let mut next = CollectedSpan::default();
        while !names.iter().all(|name| spans.contains_key(*name)) {
            let line = lines.recv_timeout(LONG).unwrap_or_else(|error| {
                panic!("{error}: it has only {:?}", spans.keys());
            });
            let Some((key, value)) = line.split_once(" : ") else {
                continue;
            };
            let value = value.to_owned();
            match key.trim() {
                "Trace ID" => next.trace = value,
                "Parent ID" => next.parent = value,
                "ID" => next.id = value,
                "Name" => drop(spans.insert(value, std::mem::take(&mut next))),
                _ => {}
            }
        }
        spans
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Addresses that are free at the same time.
fn free_addresses() -> [String; 2] {
    let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port is free"));
    free.map(|it| it.local_addr().expect("it is bound").to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_sees_the_whole_trace_of_a_command() {
    let test = "a_collector_sees_the_whole_trace_of_a_command";
    let Some(program) = test_tools::tool("rotel/rotel/rotel-agent", "rotel", test) else {
        return;
    };
    let mut collector = Collector::start(&program);
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("http://{}/v1/traces", collector.address))
        .build()
        .expect("is an exporter");
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("parcels"));
    tracing_subscriber::registry().with(layer).init();
    assert!(OpenTelemetry.install());

    let parent = format!("00-{TRACE}-{CLIENT}-01");
    let of_client = CustomMetadata::from([("traceparent", &*parent)]);
    parcels::sent([1], of_client).await;
    provider.shutdown().expect("the spans are sent");

    let names = [
        "execute SendParcel",
        "project parcel-list",
        "react notifies",
        "execute NotifyReceiver",
        "conduct transport",
        "execute BookCourier",
    ];
    let spans = collector.spans(&names);
    let id = |name: &str| spans[name].id.as_str();
    let parents = names.map(|name| (name, spans[name].parent.as_str()));
    let send = id("execute SendParcel");
    let expected = [CLIENT, send, send, id("react notifies"), send, send];
    assert_eq!(parents.map(|(_, parent)| parent), expected, "{parents:?}");
    for (name, span) in &spans {
        assert_eq!(span.trace, TRACE, "{name}");
    }
}
