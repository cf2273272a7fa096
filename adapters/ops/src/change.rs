use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{OriginalUri, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Redirect;
use cqrs_core::{Actor, Dispatcher, Position};
use maud::{Markup, html};
use tokio::time::timeout;

use crate::desk::Desk;
use crate::fields::Fields;
use crate::jobs::Task;
use crate::origin;
use crate::refusal::Refusal;
use crate::visit::{Links, Visit};

/// Maximum size of a form, in bytes.
const MAX_BODY: usize = 16 << 10;

/// Maximum time in which a form has to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// A change to a subscription, with what the operator says about it.
#[derive(Debug)]
enum Change {
    Pause { reason: String },
    Resume,
    Retry,
    Skip { position: Position, reason: String },
    Rewind { to: Position },
    Divide { shards: u16 },
    Release { id: String },
    ReleaseAll,
    Switch,
    Hold,
    Drop { version: u32 },
    Begin(Task),
}

/// The names of changes in forms, with what is told when they are done.
const DONE: [(&str, &str); 13] = [
    ("pause", "It is paused."),
    ("resume", "It goes on."),
    ("retry", "It retries its next event."),
    ("skip", "The event is left out."),
    ("rewind", "It handles the events after that position again."),
    ("divide", "It is divided."),
    ("release", "The events of the id are about to be handled."),
    (
        "release-all",
        "The events of all parked ids are about to be handled.",
    ),
    ("switch", "This program's version is live."),
    (
        "hold",
        "This program's version waits until somebody switches to it.",
    ),
    ("drop", "The version is removed."),
    ("rebuild", "The rebuild has begun."),
    ("compare", "The comparison has begun."),
];

/// What is told after a change.
pub(crate) fn done(action: &str) -> Option<&'static str> {
    let mut all = DONE.iter();
    all.find(|(name, _)| *name == action).map(|(_, text)| *text)
}

/// A form that makes a change with one button.
pub(crate) fn form(links: &Links, action: &str, name: &str, label: &str, text: &str) -> Markup {
    html! {
        form method="post" action=(links.to("change")) {
            (hidden(action, name))
            button aria-label=(label) { (text) }
        }
    }
}

/// The fields that every change has.
pub(crate) fn hidden(action: &str, name: &str) -> Markup {
    html! {
        input type="hidden" name="action" value=(action);
        input type="hidden" name="name" value=(name);
    }
}

/// `POST /change`: makes a change, and leads back to the subscription.
pub(crate) async fn answer(
    State(desk): State<Arc<Desk>>,
    OriginalUri(original): OriginalUri,
    visit: Visit,
    request: Request,
) -> Result<Redirect, Refusal> {
    let (head, body) = request.into_parts();
    // Before the body is read.
    origin::check(&head.headers, &original)?;
    desk.permit_change(visit.actor.as_ref())?;
    let fields = read(&head.headers, body).await?;
    let (action, name) = (fields.text("action")?.to_owned(), fields.text("name")?);
    let change = Change::read(&action, &fields, visit.actor.as_ref())?;
    let actor = visit.actor.as_ref().map(Actor::name);
    tracing::info!(
        actor,
        subscription = name,
        ?change,
        "an operator makes a change"
    );
    let page = visit
        .links
        .with("subscription", &[("name", name), ("done", &action)]);
    let name = name.to_owned();
    // It is finished also if the browser goes away meanwhile.
    let made = tokio::spawn(async move { Box::pin(change.make(&desk, &name)).await });
    made.await.map_err(|error| {
        tracing::error!(%error, "a change panicked");
        let text = "The server failed: the reason is in its log.";
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    })??;
    Ok(Redirect::to(&page))
}

/// The fields of a form.
async fn read(headers: &HeaderMap, body: Body) -> Result<Fields, Refusal> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let media_type = content_type.and_then(|it| it.split(';').next());
    if media_type.map(str::trim) != Some("application/x-www-form-urlencoded") {
        let text = "A change is sent as a form.";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let arrived = timeout(BODY_TIME, to_bytes(body, MAX_BODY)).await;
    let body = arrived
        .map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "The form did not arrive."))?
        .map_err(|_| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "The form is too large."))?;
    Fields::read(&body)
}

impl Change {
    fn read(action: &str, fields: &Fields, actor: Option<&Actor>) -> Result<Self, Refusal> {
        // The stores keep a reason, and not who gave it.
        let reason = || {
            let reason = fields.reason()?;
            Ok::<_, Refusal>(match actor {
                Some(actor) => format!("{reason} ({})", actor.name()),
                None => reason.to_owned(),
            })
        };
        let position = || fields.number("position").map(Position::new);
        Ok(match action {
            "pause" => Self::Pause { reason: reason()? },
            "resume" => Self::Resume,
            "retry" => Self::Retry,
            "skip" => Self::Skip {
                position: position()?,
                reason: reason()?,
            },
            "rewind" => Self::Rewind { to: position()? },
            "divide" => Self::Divide {
                shards: fields.number("shards")?,
            },
            "release" => Self::Release {
                // Events without the tag have an empty id.
                id: fields.get("id")?.unwrap_or_default().to_owned(),
            },
            "release-all" => Self::ReleaseAll,
            "switch" => Self::Switch,
            "hold" => Self::Hold,
            "drop" => Self::Drop {
                version: fields.number("version")?,
            },
            "rebuild" => Self::Begin(Task::Rebuild),
            "compare" => Self::Begin(Task::Compare),
            _ => return Err(Refusal::of_field("action", "there is no such change")),
        })
    }

    async fn make(self, desk: &Desk, name: &str) -> Result<(), Refusal> {
        let dispatcher: &Dispatcher = &desk.dispatcher;
        let all = dispatcher.subscriptions();
        match self {
            Self::Pause { reason } => all.pause(name, reason).await?,
            Self::Resume => all.resume(name).await?,
            Self::Retry => all.retry(name).await?,
            Self::Skip { position, reason } => all.skip(name, position, reason).await?,
            Self::Rewind { to } => all.rewind(name, to).await?,
            Self::Divide { shards } => all.divide(name, shards).await?,
            Self::Release { id } => all.release(name, &id).await?,
            Self::ReleaseAll => drop(all.release_all(name).await?),
            Self::Switch => all.switch(name).await?,
            Self::Hold => all.hold(name).await?,
            Self::Drop { version } => all.drop(name, version).await?,
            Self::Begin(task) => {
                // It fails for a name that is not that of a projection.
                all.versions(name).await?;
                desk.jobs.begin(dispatcher, task, name)?;
            }
        }
        Ok(())
    }
}
