use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Html;
use cqrs_core::Position;
use cqrs_core::app::{SubscriptionHealth, SubscriptionKind};
use maud::{Markup, html};

use crate::change::hidden;
use crate::desk::Desk;
use crate::events::{event_at, reference};
use crate::fields::MAX_REASON;
use crate::layout::{Chapter, layout};
use crate::refusal::Refusal;
use crate::visit::Visit;
use crate::words::{json, number};

/// A change that is asked about before it is made.
struct Question {
    title: String,
    /// What the change does.
    effect: &'static str,
    /// The text of the button.
    button: &'static str,
    /// The fields of the form, beside those that every change has.
    fields: Markup,
}

/// `GET /confirm`: asks whether a change that cannot be taken back is meant.
pub(crate) async fn answer(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
) -> Result<Html<String>, Refusal> {
    desk.permit_change(visit.actor.as_ref())?;
    let (action, name) = (visit.fields.text("action")?, visit.fields.text("name")?);
    let health = desk.dispatcher.health().subscriptions.into_iter();
    let Some(health) = health.into_iter().find(|it| it.name == name) else {
        let text = format!("There is no projection, reaction or process manager `{name}`.");
        return Err(Refusal::new(StatusCode::NOT_FOUND, text));
    };
    let Question {
        title,
        effect,
        button,
        fields,
    } = question(&visit, action, &health)?;
    let skipped = if action == "skip" {
        skipped(&desk, &visit).await?
    } else {
        html! {}
    };
    let back = visit.links.with("subscription", &[("name", name)]);
    let body = html! {
        p.note.warn { (effect) }
        (skipped)
        form.stack method="post" action=(visit.links.to("change")) {
            (hidden(action, name))
            (fields)
            div.buttons {
                button.danger { (button) }
                a.button href=(back) { "Cancel" }
            }
        }
    };
    let page = layout(&desk, &visit.links, Chapter::Subscriptions, &title, body);
    Ok(Html(page.into_string()))
}

fn question(visit: &Visit, action: &str, health: &SubscriptionHealth) -> Result<Question, Refusal> {
    let (kind, name) = (health.kind, health.name);
    Ok(match action {
        "skip" => {
            let position: u64 = visit.fields.number("position")?;
            Question {
                title: format!(
                    "Skip the event at position {} for {name}?",
                    number(position)
                ),
                effect: match kind {
                    SubscriptionKind::Projection => {
                        "The event is left out of the read models of this version. If ids are parked at it, their later \
                         events are handled."
                    }
                    _ => {
                        "The event has no effect, now or later. If ids are parked at it, their later events are handled."
                    }
                },
                button: "Skip the event",
                fields: html! { (value("position", &position.to_string())) (reason()) },
            }
        }
        "rewind" => {
            let position: u64 = visit.fields.number("position")?;
            Question {
                title: format!("Rewind {name} to position {}?", number(position)),
                effect: match kind {
                    SubscriptionKind::Projection => {
                        "All events after the position are folded again, into the views as they are: a view that counts \
                         counts twice. To build views anew, rebuild them."
                    }
                    SubscriptionKind::Reaction => {
                        "All events after the position are handled again: effects on other systems happen again. Commands \
                         that were sent before have no second effect."
                    }
                    SubscriptionKind::ProcessManager => {
                        "All events after the position are read again. Instances leave out those that they have had."
                    }
                },
                button: "Rewind",
                fields: value("position", &position.to_string()),
            }
        }
        "switch" => Question {
            title: format!("Make this program's version of {name} live?"),
            effect: "Queries of all processes are answered from this program's version, once they have noticed.",
            button: "Switch",
            fields: html! {},
        },
        "rebuild" => Question {
            title: format!("Rebuild {name}?"),
            effect: "The views of this program's version are built from the first event, beside those that queries see, and \
                     replace them at the end. This process does the work.",
            button: "Rebuild",
            fields: html! {},
        },
        "drop" => {
            let version: u32 = visit.fields.number("version")?;
            Question {
                title: format!("Drop version {version} of {name}?"),
                effect: "The read models of the version are removed, with its checkpoint. A program that has the version \
                         builds it from the first event when it is started.",
                button: "Drop the version",
                fields: value("version", &version.to_string()),
            }
        }
        _ => return Err(Refusal::of_field("action", "there is no such change")),
    })
}

/// The event that is to be skipped.
async fn skipped(desk: &Desk, visit: &Visit) -> Result<Markup, Refusal> {
    let position = Position::new(visit.fields.number("position")?);
    Ok(match event_at(&desk.dispatcher, visit, position).await {
        Ok(Some(event)) => html! {
            p { (event.data.event_type.as_str()) " at " (reference(&visit.links, position)) ":" }
            (json(&event.data.json()))
        },
        Ok(None) => html! { p { "There is no event at this position." } },
        // Its position is enough to skip it.
        Err(error) => html! { p.faint { (error) } },
    })
}

fn value(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(name) value=(value); }
}

/// A field for the reason, which the store keeps.
pub(crate) fn reason() -> Markup {
    html! {
        label {
            "Reason, which others see "
            input type="text" name="reason" required maxlength=(MAX_REASON) autocomplete="off";
        }
    }
}
