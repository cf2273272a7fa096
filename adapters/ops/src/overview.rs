use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::response::Html;
use cqrs_core::app::{ProbeResult, SubscriptionHealth, SubscriptionState, SubscriptionStatus};
use cqrs_core::store::EventLogExt;
use maud::{Markup, html};

use crate::change::form;
use crate::desk::Desk;
use crate::layout::{Chapter, layout};
use crate::refusal::Refusal;
use crate::table::{Column, caption, cards};
use crate::visit::Visit;
use crate::words::{badge, count, duration, number, rate, reasons};

/// `GET /`: how the program is, and all subscriptions.
pub(crate) async fn answer(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
) -> Result<Html<String>, Refusal> {
    let list = Box::pin(desk.dispatcher.subscriptions().list()).await?;
    let head = desk.dispatcher.log().head().await?.get();
    let own = list.iter().map(|it| it.health.position.get());
    let positions = [head].into_iter().chain(own).collect();
    let rates = desk.rates.note(Instant::now(), positions);
    let body = html! {
        (summary(&desk, &list))
        dl.figures {
            div { dt { "End of the log" } dd id="head" data-live { (number(head)) } }
            div { dt { "Events per second" } dd id="rate" data-live { (rate(rates.first().copied().flatten())) } }
            div { dt { "This process" } dd id="probes" data-live { (probes(&desk)) } }
            @if let Some(actor) = &visit.actor {
                div { dt { "You are" } dd { (actor.name()) @if !visit.may_change { " (may look only)" } } }
            }
        }
        @if list.is_empty() {
            p { "This program has no projections, reactions or process managers." }
        } @else {
            (table(&desk, &visit, &list, &rates))
        }
    };
    let page = layout(
        &desk,
        &visit.links,
        Chapter::Subscriptions,
        "Subscriptions",
        body,
    );
    Ok(Html(page.into_string()))
}

/// Whether somebody has to do something.
fn summary(desk: &Desk, list: &[SubscriptionStatus]) -> Markup {
    let failing = list.iter().filter(|it| !it.health.is_ok()).count();
    let all = count(list.len() as u64, "subscription");
    let shutdown = desk.dispatcher.liveness();
    html! {
        div id="summary" data-live data-told {
            @if !shutdown.is_ok() {
                p.note.bad { "This process cannot go on: " (shutdown) }
            } @else if failing == 0 {
                p.note.ok { "All is well with " (all) "." }
            } @else {
                p.note.bad { (failing) " of " (all) (if failing == 1 { " needs" } else { " need" }) " attention." }
            }
        }
    }
}

fn probes(desk: &Desk) -> Markup {
    let ready: ProbeResult = desk.dispatcher.readiness();
    html! {
        @if ready.is_ok() { "ready" } @else { "not ready: " (ready) }
    }
}

const COLUMNS: [Column; 8] = [
    Column::Text("Name"),
    Column::Text("State"),
    Column::Number("Position"),
    Column::Number("Behind"),
    Column::Number("Lag"),
    Column::Number("Per second"),
    Column::Number("Shards"),
    Column::Text("Change"),
];

fn table(desk: &Desk, visit: &Visit, list: &[SubscriptionStatus], rates: &[Option<f64>]) -> Markup {
    let rows = html! {
        @for (place, status) in list.iter().enumerate() {
            (row(desk, visit, place, status, rates.get(place + 1).copied().flatten()))
        }
    };
    let caption = caption("Projections, reactions and process managers");
    cards(&caption, visit.columns(&COLUMNS), &rows)
}

fn row(
    desk: &Desk,
    visit: &Visit,
    place: usize,
    status: &SubscriptionStatus,
    per_second: Option<f64>,
) -> Markup {
    let SubscriptionStatus {
        health,
        behind,
        lag,
        ..
    } = status;
    let (version, _) = desk.declared(health.kind, health.name);
    let id = |part: &str| format!("{part}-{place}");
    html! {
        tr role="row" {
            th role="rowheader" scope="row" {
                a href=(visit.links.with("subscription", &[("name", health.name)])) { (health.name) }
                span.faint {
                    (health.kind)
                    @if let Some(version) = version { ", version " (version) }
                }
            }
            td role="cell" data-label="State" id=(id("state")) data-live { (state(health)) }
            td.number role="cell" data-label="Position" id=(id("position")) data-live { (number(health.position.get())) }
            td.number role="cell" data-label="Behind" id=(id("behind")) data-live { (number(*behind)) }
            td.number role="cell" data-label="Lag" id=(id("lag")) data-live { (duration(*lag)) }
            td.number role="cell" data-label="Per second" id=(id("rate")) data-live { (rate(per_second)) }
            td.number role="cell" data-label="Shards" id=(id("shards")) data-live { (health.shards.len()) }
            @if visit.may_change {
                td role="cell" data-label="Change" id=(id("change")) data-live { (change(visit, health)) }
            }
        }
    }
}

/// The state with its reasons.
pub(crate) fn state(health: &SubscriptionHealth) -> Markup {
    html! {
        (badge(&health.state, health.is_ok()))
        @for reason in reasons(health) { span.reason { (reason) } }
    }
}

/// The change that suits the state.
fn change(visit: &Visit, health: &SubscriptionHealth) -> Markup {
    let name = health.name;
    match health.state {
        SubscriptionState::Paused { .. } => form(
            &visit.links,
            "resume",
            name,
            &format!("Resume {name}"),
            "Resume",
        ),
        SubscriptionState::Stopped { .. } | SubscriptionState::Failing { .. } => form(
            &visit.links,
            "retry",
            name,
            &format!("Retry {name}"),
            "Retry",
        ),
        _ => {
            let page = visit.links.with("subscription", &[("name", name)]);
            html! { a href=(format!("{page}#change")) aria-label=(format!("Change {name}")) { "Change" } }
        }
    }
}
