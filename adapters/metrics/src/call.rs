use std::fmt;
use std::time::Duration;

use metrics::{counter, histogram};
use tracing::field::{Field, Visit};

/// What a span of the framework tells of a call.
pub struct Call {
    kind: CallKind,
    /// Name of the message, or of the projection or reaction.
    name: String,
    /// The type of the event of a reaction.
    event: String,
    /// Empty, if the call was dropped before its end.
    outcome: String,
    attempts: u64,
    events: u64,
}

#[derive(Clone, Copy)]
enum CallKind {
    Command,
    Query,
    Page,
    Steps,
    Reaction,
}

impl Call {
    /// `None` for a span that is not counted.
    pub fn new(span: &str) -> Option<Self> {
        let kind = match span {
            "execute" => CallKind::Command,
            "query" => CallKind::Query,
            "project" => CallKind::Page,
            "conduct" => CallKind::Steps,
            "react" => CallKind::Reaction,
            _ => return None,
        };
        Some(Self {
            kind,
            name: String::new(),
            event: String::new(),
            outcome: String::new(),
            attempts: 0,
            events: 0,
        })
    }

    /// Counts the call, which took this long.
    pub fn count(self, took: Duration) {
        let Self {
            kind,
            name,
            event,
            outcome,
            attempts,
            events,
        } = self;
        let outcome = match outcome {
            none if none.is_empty() => "dropped".to_owned(),
            outcome => outcome,
        };
        match kind {
            CallKind::Command => {
                counter!("cqrs_commands_total", "command" => name.clone(), "outcome" => outcome)
                    .increment(1);
                histogram!("cqrs_command_seconds", "command" => name.clone()).record(took);
                let retries = attempts.saturating_sub(1);
                if retries > 0 {
                    counter!("cqrs_command_retries_total", "command" => name.clone())
                        .increment(retries);
                }
                if events > 0 {
                    counter!("cqrs_events_total", "command" => name).increment(events);
                }
            }
            CallKind::Query => {
                counter!("cqrs_queries_total", "query" => name.clone(), "outcome" => outcome)
                    .increment(1);
                histogram!("cqrs_query_seconds", "query" => name).record(took);
            }
            CallKind::Page => {
                let (name, version) = projection(name);
                let of = [("projection", name), ("version", version)];
                counter!("cqrs_projected_events_total", &of).increment(events);
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "a page has a few thousand events"
                )]
                let size = events as f64;
                histogram!("cqrs_page_events", &of).record(size);
                let [name, version] = of;
                let with_outcome = [name, version, ("outcome", outcome)];
                histogram!("cqrs_page_seconds", &with_outcome).record(took);
            }
            CallKind::Steps => {
                let name = process(&name);
                counter!("cqrs_process_events_total", "process" => name.to_owned())
                    .increment(events);
                let of = [("process", name.to_owned()), ("outcome", outcome)];
                histogram!("cqrs_process_seconds", &of).record(took);
            }
            CallKind::Reaction => {
                let of = [
                    ("reaction", name.clone()),
                    ("event", event),
                    ("outcome", outcome),
                ];
                counter!("cqrs_reactions_total", &of).increment(1);
                histogram!("cqrs_reaction_seconds", "reaction" => name).record(took);
            }
        }
    }
}

/// The name and the version of a projection, from its name in the store.
fn projection(stored: String) -> (String, String) {
    let name = stored.strip_prefix("projection:").unwrap_or(&stored);
    match name.rsplit_once(':') {
        Some((name, version)) => (name.to_owned(), version.to_owned()),
        None => (name.to_owned(), String::new()),
    }
}

/// The name of a process manager, from its name in the store.
fn process(stored: &str) -> &str {
    stored.split_once(':').map_or(stored, |(_, name)| name)
}

impl Visit for Call {
    fn record_str(&mut self, field: &Field, value: &str) {
        let text = match field.name() {
            "command" | "query" | "projection" | "process" | "reaction" => &mut self.name,
            "event" => &mut self.event,
            "outcome" => &mut self.outcome,
            _ => return,
        };
        value.clone_into(text);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "attempts" => self.attempts = value,
            "events" => self.events = value,
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
