//! The table of README.md, and the dashboard, have the metrics that there are.

use std::collections::BTreeSet;
use std::sync::Mutex;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

const README: &str = include_str!("../README.md");
const DASHBOARD: &str = include_str!("../dashboard.json");

/// Notes the names of metrics that are described.
#[derive(Default)]
struct Names(Mutex<BTreeSet<String>>);

impl Names {
    fn note(&self, name: KeyName) {
        let mut names = self.0.lock().expect("not poisoned");
        names.insert(name.as_str().to_owned());
    }
}

impl Recorder for Names {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.note(name);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.note(name);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.note(name);
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

fn described() -> BTreeSet<String> {
    let names = Names::default();
    metrics::with_local_recorder(&names, cqrs_metrics::describe);
    names.0.into_inner().expect("not poisoned")
}

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|it: char| !(it.is_ascii_lowercase() || it == '_'));
    let names = words.filter(|it| it.starts_with("cqrs_") && *it != "cqrs_metrics");
    names
        .filter(|it| *it != "cqrs_core")
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_table_has_all_metrics() {
    let end = README
        .find("With the feature")
        .expect("the table of a cluster");
    let lines = README[..end].lines();
    let table: Vec<_> = lines.filter(|it| it.starts_with("| `")).collect();
    assert_eq!(named(&table.join("\n")), described());
}

#[test]
fn the_dashboard_shows_metrics_that_there_are() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).expect("is JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let described = described();
    let mut shown = 0;
    for panel in panels {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().expect("an expression");
            for name in named(expression) {
                // The parts of a histogram.
                let base = ["_bucket", "_count", "_sum"]
                    .iter()
                    .find_map(|part| name.strip_suffix(part))
                    .unwrap_or(&name);
                assert!(described.contains(base), "{name} in {expression}");
                shown += 1;
            }
        }
    }
    assert!(shown > 10, "{shown}");
}
