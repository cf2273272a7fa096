use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use cqrs_core::Timestamp;
use cqrs_core::app::{SubscriptionKind, SubscriptionState, SubscriptionStatus};
use cqrs_core::error::OperationError;
use cqrs_core::store::{EventLogExt, ParkedKey, ProjectionVersion, SkippedEvent, Slices, WorkerId};
use maud::{Markup, html};

use crate::change::{done, form, hidden};
use crate::confirm::reason;
use crate::desk::Desk;
use crate::events::reference;
use crate::jobs::{Job, JobState, Task};
use crate::layout::{Chapter, layout};
use crate::overview::state;
use crate::refusal::Refusal;
use crate::table::{Column, cards};
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
    let status = Box::pin(all.status(name)).await?;
    let head = desk.dispatcher.log().head().await?.get();
    let owners = offered(all.owners(name).await)?;
    let parked = offered(all.parked(name).await)?;
    let skipped = offered(all.skipped(name).await)?;
    let versions = match status.health.kind {
        SubscriptionKind::Projection => offered(all.versions(name).await)?,
        _ => None,
    };
    let done = visit.fields.get("done")?.and_then(done);
    let body = html! {
        @if let Some(text) = done { p.note.ok role="status" { (text) } }
        (figures(&desk, &status, head))
        @if let Some(parked) = &parked { (parked_ids(&visit, name, parked)) }
        @if let Some(versions) = &versions { (versions_of(&desk, &visit, &status, versions)) }
        @if let Some(owners) = &owners { (shards(&status, owners)) }
        @if let Some(skipped) = &skipped { (skipped_events(&visit, skipped)) }
        @if visit.may_change { (changes(&visit, &status, head, parked.is_some())) }
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

const PARKED: [Column; 5] = [
    Column::Text("Id"),
    Column::Number("Event"),
    Column::Text("Since"),
    Column::Text("Cause"),
    Column::Text("Change"),
];

fn parked_table(visit: &Visit, name: &str, parked: &[ParkedKey]) -> Markup {
    let caption = html! {
        caption { (count(parked.len() as u64, "id")) ", whose events wait since one of them failed" (shown(parked.len())) }
    };
    let rows = html! {
        @for key in parked.iter().take(MAX_ROWS) {
            tr role="row" {
                th role="rowheader" scope="row" { (key.partition) ":" (key.key) }
                td.number role="cell" data-label="Event" { (reference(&visit.links, key.first)) }
                td role="cell" data-label="Since" { (time(key.since)) }
                td.reason role="cell" data-label="Cause" { (key.cause) }
                @if visit.may_change {
                    td role="cell" data-label="Change" { @if !key.is_released { (release_or_skip(visit, name, key)) } }
                }
            }
        }
    };
    html! {
        (cards(&caption, visit.columns(&PARKED), &rows))
        @if visit.may_change && parked.len() > 1 { (form(&visit.links, "release-all", name, "Release all ids", "Release all")) }
    }
}

fn release_or_skip(visit: &Visit, name: &str, key: &ParkedKey) -> Markup {
    let position = key.first.to_string();
    let fields = [("action", "skip"), ("name", name), ("position", &*position)];
    html! {
        div.buttons {
            form method="post" action=(visit.links.to("change")) {
                (hidden("release", name))
                input type="hidden" name="id" value=(key.key);
                button aria-label=(format!("Release {}", key.key)) { "Release" }
            }
            a.button aria-label=(format!("Skip the event of {}", key.key)) href=(visit.links.with("confirm", &fields)) { "Skip" }
        }
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

fn shards(status: &SubscriptionStatus, owners: &[(Slices, Option<WorkerId>)]) -> Markup {
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
                        th scope="col" { "Handled by" }
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
                            td { (holder(&shard.state, owner_of(shard.slices, owners))) }
                        }
                    }
                }
            }
        }
    }
}

/// The process that owns these slices, if one does.
fn owner_of(slices: Slices, owners: &[(Slices, Option<WorkerId>)]) -> Option<WorkerId> {
    let owned = owners.iter().find(|(own, _)| *own == slices);
    owned.and_then(|(_, owner)| *owner)
}

/// Who handles the events of a shard: this process by what it knows itself, another one by what is stored.
fn holder(state: &SubscriptionState, owner: Option<WorkerId>) -> Markup {
    let is_own = matches!(
        state,
        SubscriptionState::CatchingUp
            | SubscriptionState::Running
            | SubscriptionState::Failing { .. }
    );
    html! {
        @match owner {
            _ if is_own => "this process",
            None => "no process",
            Some(worker) => {
                "the process " code { (worker.as_uuid()) }
                @if let Some(began) = started(worker) { span.reason { "started " (time(began)) } }
            }
        }
    }
}

/// The time at which a process started.
fn started(worker: WorkerId) -> Option<Timestamp> {
    let (seconds, nanoseconds) = worker.as_uuid().get_timestamp()?.to_unix();
    let nanoseconds = i32::try_from(nanoseconds).ok()?;
    Timestamp::new(i64::try_from(seconds).ok()?, nanoseconds).ok()
}

const SKIPPED: [Column; 4] = [
    Column::Number("Event"),
    Column::Text("Id"),
    Column::Text("Time"),
    Column::Text("Reason"),
];

fn skipped_events(visit: &Visit, skipped: &[SkippedEvent]) -> Markup {
    if skipped.is_empty() {
        return html! {};
    }
    let caption = html! {
        caption { (count(skipped.len() as u64, "event")) " left out by operators" @if skipped.len() > MAX_ROWS { "; the last " (MAX_ROWS) } }
    };
    let rows = html! {
        @for event in skipped.iter().rev().take(MAX_ROWS) {
            tr role="row" {
                th.number role="rowheader" scope="row" { (reference(&visit.links, event.position)) }
                td role="cell" data-label="Id" { (event.key.as_deref().unwrap_or("–")) }
                td role="cell" data-label="Time" { (time(event.time)) }
                td.reason role="cell" data-label="Reason" { (event.reason) }
            }
        }
    };
    html! {
        section aria-labelledby="skipped-title" {
            h2 id="skipped-title" { "Skipped events" }
            (cards(&caption, &SKIPPED, &rows))
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
