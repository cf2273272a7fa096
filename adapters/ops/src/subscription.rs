use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Html;
use cqrs_core::app::{SubscriptionKind, SubscriptionState, SubscriptionStatus};
use cqrs_core::error::OperationError;
use cqrs_core::store::{EventLogExt, ParkedKey, ProjectionVersion, SkippedEvent};
use maud::{Markup, html};

use crate::change::{done, form, hidden};
use crate::confirm::reason;
use crate::desk::Desk;
use crate::events::reference;
use crate::jobs::{Job, JobState, Task};
use crate::layout::{Chapter, layout};
use crate::overview::state;
use crate::refusal::Refusal;
use crate::visit::Visit;
use crate::words::{badge, count, duration, number, time};

/// Maximum number of rows of a list.
const MAX_ROWS: usize = 200;

/// `GET /subscription?name=..`: a projection, reaction or process manager, with all that can be done.
pub(crate) async fn answer(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
) -> Result<Html<String>, Refusal> {
    let name = visit.fields.text("name")?;
    let all = desk.dispatcher.subscriptions();
    let list = Box::pin(all.list()).await?;
    let Some(status) = list.iter().find(|it| it.health.name == name) else {
        let text = format!("There is no projection, reaction or process manager `{name}`.");
        return Err(Refusal::new(StatusCode::NOT_FOUND, text));
    };
    let head = desk.dispatcher.log().head().await?.get();
    let parked = offered(all.parked(name).await)?;
    let skipped = offered(all.skipped(name).await)?;
    let versions = match status.health.kind {
        SubscriptionKind::Projection => offered(all.versions(name).await)?,
        _ => None,
    };
    let done = visit.fields.get("done")?.and_then(done);
    let body = html! {
        @if let Some(text) = done { p.note.ok role="status" { (text) } }
        (figures(&desk, status, head))
        @if let Some(parked) = &parked { (parked_ids(&visit, name, parked)) }
        @if let Some(versions) = &versions { (versions_of(&desk, &visit, status, versions)) }
        @if status.health.shards.len() > 1 { (shards(status)) }
        @if let Some(skipped) = &skipped { (skipped_events(&visit, skipped)) }
        @if visit.may_change { (changes(&visit, status, head, parked.is_some())) }
    };
    let page = layout(&desk, &visit.links, Chapter::Subscriptions, name, body);
    Ok(Html(page.into_string()))
}

/// What was found, or nothing if the store does not keep such things.
fn offered<T>(found: Result<T, OperationError>) -> Result<Option<T>, Refusal> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(OperationError::NotOffered { .. } | OperationError::NoVersions { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn figures(desk: &Desk, status: &SubscriptionStatus, head: u64) -> Markup {
    let health = &status.health;
    let (version, docs) = desk.declared(health.kind, health.name);
    html! {
        p.faint {
            (health.kind)
            @if let Some(version) = version { ", version " (version) " in this program" }
        }
        @if !docs.is_empty() { p { (docs) } }
        div id="state" data-live data-told { p { (state(health)) } }
        dl.figures {
            div { dt { "Position" } dd id="position" data-live { (number(health.position.get())) } }
            div { dt { "End of the log" } dd id="head" data-live { (number(head)) } }
            div { dt { "Behind" } dd id="behind" data-live { (number(status.behind)) } }
            div { dt { "Lag" } dd id="lag" data-live { (duration(status.lag)) } }
            div { dt { "Shards" } dd id="shard-count" data-live { (health.shards.len()) } }
        }
    }
}

fn parked_ids(visit: &Visit, name: &str, parked: &[ParkedKey]) -> Markup {
    html! {
        section id="parked" aria-labelledby="parked-title" data-live {
            h2 id="parked-title" { "Parked ids" }
            @if parked.is_empty() {
                p.faint { "None: no events wait because one of their id has failed." }
            } @else {
                (parked_table(visit, name, parked))
            }
        }
    }
}

fn parked_table(visit: &Visit, name: &str, parked: &[ParkedKey]) -> Markup {
    html! {
        table.cards role="table" {
            caption { (count(parked.len() as u64, "id")) ", whose events wait since one of them failed" (shown(parked.len())) }
            thead role="rowgroup" {
                tr role="row" {
                    th role="columnheader" scope="col" { "Id" }
                    th.number role="columnheader" scope="col" { "Event" }
                    th role="columnheader" scope="col" { "Since" }
                    th role="columnheader" scope="col" { "Cause" }
                    @if visit.may_change { th role="columnheader" scope="col" { "Change" } }
                }
            }
            tbody role="rowgroup" {
                @for key in parked.iter().take(MAX_ROWS) {
                    @let position = key.first.to_string();
                    tr role="row" {
                        th role="rowheader" scope="row" { (key.partition) ":" (key.key) }
                        td.number role="cell" data-label="Event" { (reference(&visit.links, key.first)) }
                        td role="cell" data-label="Since" { (time(key.since)) }
                        td.reason role="cell" data-label="Cause" { (key.cause) }
                        @if visit.may_change {
                            td role="cell" data-label="Change" {
                                @if !key.is_released { div.buttons {
                                    form method="post" action=(visit.links.to("change")) {
                                        (hidden("release", name))
                                        input type="hidden" name="id" value=(key.key);
                                        button aria-label=(format!("Release {}", key.key)) { "Release" }
                                    }
                                    a.button aria-label=(format!("Skip the event of {}", key.key))
                                        href=(visit.links.with("confirm", &[("action", "skip"), ("name", name), ("position", &position)])) {
                                        "Skip"
                                    }
                                } }
                            }
                        }
                    }
                }
            }
        }
        @if visit.may_change && parked.len() > 1 { (form(&visit.links, "release-all", name, "Release all ids", "Release all")) }
    }
}

/// That not all are shown.
fn shown(count: usize) -> String {
    if count > MAX_ROWS {
        format!("; the first {MAX_ROWS}")
    } else {
        String::new()
    }
}

fn versions_of(
    desk: &Desk,
    visit: &Visit,
    status: &SubscriptionStatus,
    versions: &[ProjectionVersion],
) -> Markup {
    let name = status.health.name;
    let (own, _) = desk.declared(status.health.kind, name);
    let confirm = |action| {
        visit
            .links
            .with("confirm", &[("action", action), ("name", name)])
    };
    let is_live = versions
        .iter()
        .any(|it| Some(it.version) == own && it.is_live);
    html! {
        section aria-labelledby="versions-title" {
            h2 id="versions-title" { "Versions" }
            table id="versions" data-live {
                caption.hidden { "Stored versions of the projection" }
                thead {
                    tr {
                        th scope="col" { "Version" }
                        th scope="col" { "State" }
                        th scope="col" { "Began" }
                        @if visit.may_change { th scope="col" { "Change" } }
                    }
                }
                tbody {
                    @for version in versions {
                        tr {
                            th scope="row" { (version.version) }
                            td {
                                (version_state(version))
                                @if Some(version.version) == own { span.reason { "this program's version" } }
                            }
                            td { (time(version.began)) }
                            @if visit.may_change {
                                td {
                                    @if Some(version.version) != own && !version.is_live {
                                        @let number = version.version.to_string();
                                        a.button href=(visit.links.with("confirm", &[("action", "drop"), ("name", name), ("version", &number)])) {
                                            "Drop" span.hidden { " version " (number) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            div id="jobs" data-live data-told {
                @if let Some(job) = desk.jobs.get(Task::Rebuild, name) { (shown_job("Rebuild", &job)) }
                @if let Some(job) = desk.jobs.get(Task::Compare, name) { (shown_job("Comparison", &job)) }
            }
            @if visit.may_change {
                div.buttons {
                    a.button href=(confirm("rebuild")) { "Rebuild" }
                    @if !is_live {
                        a.button href=(confirm("switch")) { "Switch" }
                        (form(&visit.links, "hold", name, "Hold this program's version", "Hold"))
                    }
                    @if versions.len() > 1 {
                        (form(&visit.links, "compare", name, "Compare this program's version with the other one", "Compare"))
                    }
                }
            }
        }
    }
}

fn version_state(version: &ProjectionVersion) -> Markup {
    let (text, class) = match version {
        it if it.is_live => ("live", "ok"),
        it if it.is_held => ("held", "warn"),
        it if it.was_live => ("was live", "faint"),
        _ => ("being built", "busy"),
    };
    html! { span.badge.(class) { (text) } }
}

fn shown_job(title: &str, job: &Job) -> Markup {
    html! {
        p.note.(match &job.state {
            JobState::Failed(_) => "bad",
            JobState::Running(_) => "busy",
            JobState::Rebuilt | JobState::Compared(_) => "ok",
        }) {
            (title) " of " (time(job.began)) ": "
            @match &job.state {
                JobState::Running(progress) => { "goes on, " (progress) }
                JobState::Rebuilt => { "done." }
                JobState::Failed(error) => { "failed, " (error) }
                JobState::Compared(found) => {
                    "versions " (found.version) " and " (found.with) " at position " (number(found.position.get())) ": "
                    (count(found.equal, "equal view")) ", " (number(found.different)) " different, "
                    (number(found.undecided)) " undecided."
                }
            }
        }
        @if let JobState::Compared(found) = &job.state {
            @if !found.keys.is_empty() {
                details {
                    summary { "Keys that differ" (if found.different > found.keys.len() as u64 { ", the first of them" } else { "" }) }
                    ul { @for (model, key) in &found.keys { li { (model) " " code { (key) } } } }
                }
            }
        }
    }
}

fn shards(status: &SubscriptionStatus) -> Markup {
    html! {
        section aria-labelledby="shards-title" {
            h2 id="shards-title" { "Shards" }
            table id="shards" data-live {
                caption.hidden { "Shards, with the slices of each" }
                thead {
                    tr {
                        th scope="col" { "Slices" }
                        th.number scope="col" { "Position" }
                        th scope="col" { "State" }
                        th scope="col" { "Handled" }
                    }
                }
                tbody {
                    @for shard in &status.health.shards {
                        tr {
                            th scope="row" { (shard.slices.first()) " to " (shard.slices.last()) }
                            td.number { (number(shard.position.get())) }
                            td {
                                (badge(&shard.state, true))
                                @if let Some(reason) = crate::words::reason(&shard.state) { span.reason { (reason) } }
                            }
                            td { (holder(&shard.state)) }
                        }
                    }
                }
            }
        }
    }
}

/// Who handles the events of a shard, as far as this process knows.
fn holder(state: &SubscriptionState) -> &'static str {
    match state {
        SubscriptionState::CatchingUp
        | SubscriptionState::Running
        | SubscriptionState::Failing { .. } => "here",
        SubscriptionState::Standby => "elsewhere",
        SubscriptionState::Unattended
        | SubscriptionState::Paused { .. }
        | SubscriptionState::Stopped { .. }
        | SubscriptionState::Ended { .. } => "nowhere",
        _ => "–",
    }
}

fn skipped_events(visit: &Visit, skipped: &[SkippedEvent]) -> Markup {
    if skipped.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="skipped-title" {
            h2 id="skipped-title" { "Skipped events" }
            table.cards role="table" {
                caption { (count(skipped.len() as u64, "event")) " left out by operators" @if skipped.len() > MAX_ROWS { "; the last " (MAX_ROWS) } }
                thead role="rowgroup" {
                    tr role="row" {
                        th.number role="columnheader" scope="col" { "Event" }
                        th role="columnheader" scope="col" { "Id" }
                        th role="columnheader" scope="col" { "Time" }
                        th role="columnheader" scope="col" { "Reason" }
                    }
                }
                tbody role="rowgroup" {
                    @for event in skipped.iter().rev().take(MAX_ROWS) {
                        tr role="row" {
                            th.number role="rowheader" scope="row" { (reference(&visit.links, event.position)) }
                            td role="cell" data-label="Id" { (event.key.as_deref().unwrap_or("–")) }
                            td role="cell" data-label="Time" { (time(event.time)) }
                            td.reason role="cell" data-label="Reason" { (event.reason) }
                        }
                    }
                }
            }
        }
    }
}

/// The forms of all changes to the subscription itself.
fn changes(visit: &Visit, status: &SubscriptionStatus, head: u64, is_offered: bool) -> Markup {
    let name = status.health.name;
    if !is_offered {
        return html! { p.faint { "Its view store keeps no shards, so it can be neither paused nor moved." } };
    }
    let stopped_at = match &status.health.state {
        SubscriptionState::Stopped { at, .. } => Some(at.to_string()),
        _ => None,
    };
    let is_paused = matches!(status.health.state, SubscriptionState::Paused { .. });
    html! {
        section id="change" aria-labelledby="change-title" tabindex="-1" {
            h2 id="change-title" { "Change" }
            div.forms {
                @if is_paused {
                    div { h3 { "Resume" } p.faint { "It goes on from its position." } (form(&visit.links, "resume", name, "Resume", "Resume")) }
                }
                div {
                    h3 { "Pause" }
                    p.faint { "No process handles its events until somebody resumes it." }
                    form.stack method="post" action=(visit.links.to("change")) {
                        (hidden("pause", name))
                        (reason())
                        button { "Pause" }
                    }
                }
                @if !is_paused {
                    div { h3 { "Retry" } p.faint { "It tries its next event now." } (form(&visit.links, "retry", name, "Retry", "Retry")) }
                }
                div {
                    h3 { "Skip" }
                    p.faint { "It leaves out the next event, or the first one of a parked id." }
                    form.stack method="get" action=(visit.links.to("confirm")) {
                        (hidden("skip", name))
                        label { "Position of the event " input type="number" name="position" required min="1" max=(head) value=[stopped_at]; }
                        button { "Skip…" }
                    }
                }
                div {
                    h3 { "Rewind" }
                    p.faint { "It handles all events after a position again." }
                    form.stack method="get" action=(visit.links.to("confirm")) {
                        (hidden("rewind", name))
                        label { "Position " input type="number" name="position" required min="0" max=(head); }
                        button { "Rewind…" }
                    }
                }
                div {
                    h3 { "Divide" }
                    p.faint { "Each shard is handled by one process at a time. It needs a partition." }
                    form.stack method="post" action=(visit.links.to("change")) {
                        (hidden("divide", name))
                        label { "Shards " input type="number" name="shards" required min="1" max="1024" value=(status.health.shards.len()); }
                        button { "Divide" }
                    }
                }
            }
        }
    }
}
