use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::response::Html;
use cqrs_core::app::NodeKind;
use maud::{Markup, html};

use crate::desk::Desk;
use crate::figures::{CallFigures, Figures};
use crate::layout::{Chapter, layout};
use crate::refusal::Refusal;
use crate::table::{Column, caption, cards};
use crate::visit::Visit;
use crate::words::{number, rate, seconds};

/// A command or query in a table.
struct Row<'d> {
    name: &'d str,
    figures: &'d CallFigures,
    per_second: Option<f64>,
}

const COMMANDS: [Column; 9] = [
    Column::Text("Command"),
    Column::Number("Calls"),
    Column::Number("Per second"),
    Column::Number("Rejected"),
    Column::Number("Conflicts"),
    Column::Number("Failed"),
    Column::Number("Median"),
    Column::Number("95 %"),
    Column::Number("99 %"),
];

const QUERIES: [Column; 8] = [
    Column::Text("Query"),
    Column::Number("Calls"),
    Column::Number("Per second"),
    Column::Number("Not ready"),
    Column::Number("Failed"),
    Column::Number("Median"),
    Column::Number("95 %"),
    Column::Number("99 %"),
];

/// Outcomes that are neither the caller's nor the domain's.
const FAILED: [&str; 2] = ["failed", "dropped"];

/// Outcomes of queries whose read models are not there yet.
const NOT_READY: [&str; 3] = ["not caught up", "rebuilding", "parked"];

/// `GET /messages`: how often each command and query was sent to this process, with which outcome, and how long it took.
pub(crate) async fn answer(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
) -> Result<Html<String>, Refusal> {
    let figures = desk.metrics().map(|text| Figures::read(&text));
    let body = html! {
        @if let Some(figures) = &figures {
            (shown(&desk, figures))
        } @else {
            p.note {
                "There are no figures: this program does not give its metrics to this page. "
                code { "Options::metrics" } " does, and " code { "serve --ops" } " of a command line."
            }
        }
    };
    let page = layout(&desk, &visit.links, Chapter::Messages, "Messages", body);
    Ok(Html(page.into_string()))
}

fn shown(desk: &Desk, figures: &Figures) -> Markup {
    let none = CallFigures::default();
    let mut rows = Vec::new();
    let kinds = [NodeKind::Command, NodeKind::Query].into_iter();
    for node in kinds.flat_map(|kind| desk.model.of_kind(kind)) {
        let name = node.id.name.as_str();
        let found = match node.id.kind {
            NodeKind::Command => figures.command(name),
            _ => figures.query(name),
        };
        rows.push(Row {
            name,
            figures: found.unwrap_or(&none),
            per_second: None,
        });
    }
    let totals = rows.iter().map(|row| row.figures.total()).collect();
    let rates = desk.message_rates.note(Instant::now(), totals);
    for (row, per_second) in rows.iter_mut().zip(rates) {
        row.per_second = per_second;
    }
    let commands = desk.model.of_kind(NodeKind::Command).count();
    let (commands, queries) = rows.split_at(commands);
    html! {
        p.faint {
            "What was sent to this process since it began. Rates are those of the last 20 seconds. Half of the calls took the median or \
             less, 95 % and 99 % of them the next two times."
        }
        @if !commands.is_empty() {
            section aria-labelledby="commands-title" {
                h2 id="commands-title" { "Commands" }
                div id="commands" data-live {
                    (cards(&caption("Commands with their outcomes and times"), &COMMANDS, &command_rows(commands)))
                }
            }
        }
        @if !queries.is_empty() {
            section aria-labelledby="queries-title" {
                h2 id="queries-title" { "Queries" }
                div id="queries" data-live {
                    (cards(&caption("Queries with their outcomes and times"), &QUERIES, &query_rows(queries)))
                }
            }
        }
    }
}

fn command_rows(rows: &[Row<'_>]) -> Markup {
    html! {
        @for row in rows {
            tr role="row" {
                (beginning(row))
                (counted("Rejected", row.figures.of(&["refused"])))
                (counted("Conflicts", row.figures.of(&["conflict"])))
                (failures(row))
                (times(row))
            }
        }
    }
}

fn query_rows(rows: &[Row<'_>]) -> Markup {
    html! {
        @for row in rows {
            tr role="row" {
                (beginning(row))
                (counted("Not ready", row.figures.of(&NOT_READY)))
                (failures(row))
                (times(row))
            }
        }
    }
}

fn beginning(row: &Row<'_>) -> Markup {
    html! {
        th role="rowheader" scope="row" { (row.name) }
        (counted("Calls", row.figures.total()))
        td.number role="cell" data-label="Per second" { (rate(row.per_second)) }
    }
}

fn counted(label: &str, count: u64) -> Markup {
    html! { td.number role="cell" data-label=(label) { (number(count)) } }
}

fn failures(row: &Row<'_>) -> Markup {
    let failed = row.figures.of(&FAILED);
    html! {
        td.number role="cell" data-label="Failed" {
            @if failed > 0 { span.badge.bad { (number(failed)) } } @else { "0" }
        }
    }
}

/// Times within the bounds that the metrics have, or beyond the last one.
fn times(row: &Row<'_>) -> Markup {
    let longest = seconds(row.figures.longest_bound());
    html! {
        @for (label, part) in [("Median", 0.5), ("95 %", 0.95), ("99 %", 0.99)] {
            td.number role="cell" data-label=(label) { @match row.figures.quantile(part) {
                    Some(time) if time.is_infinite() => { "> " (longest) }
                    time => (seconds(time)),
                } }
        }
    }
}
