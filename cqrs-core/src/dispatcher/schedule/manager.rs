use std::borrow::Cow;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::ScheduleId;
use crate::auth::ActorData;
use crate::error::{Error, NewerVersion, Result};
use crate::handler::{ANY_COMMAND, ErasedProcess, StepKind, StepScope};
use crate::message::{Due, Effect, EffectKind, Effects};
use crate::registry::{ProcessEntry, ProcessStep, SCHEDULED_COMMANDS};
use crate::source::Source;
use crate::store::{EventData, EventType, Recorded, Tag, Tags};

/// The wire names of its events. That of a rejected command is that of each process manager.
pub(super) const SCHEDULED: &str = "process:scheduled-commands:scheduled";
pub(super) const MOVED: &str = "process:scheduled-commands:moved";
pub(super) const CANCELED: &str = "process:scheduled-commands:canceled";
pub(super) const DUE: &str = "process:scheduled-commands:due";

/// The version of its events.
const VERSION: u32 = 1;

/// The process manager of scheduled commands. Its instances are deleted once their command was carried out: what
/// became of it is in the log.
pub(crate) static MANAGER: ProcessEntry = ProcessEntry {
    name: SCHEDULED_COMMANDS,
    was: None,
    key: "scheduled-command",
    fingerprint: 1,
    keep: Some(Duration::ZERO),
    from_start: true,
    docs: "",
    source: Source {
        file: file!(),
        line: line!(),
        module: module_path!(),
    },
    steps,
    process: || Box::new(ScheduledCommands),
    schemas: || None,
    check: |_| Ok(()),
};

/// The steps, in the order of their places.
fn steps() -> Vec<ProcessStep> {
    let deadline = vec![EffectKind::Deadline(DUE)];
    let canceled = vec![EffectKind::Cancel(DUE), EffectKind::End];
    let rejected = StepKind::Rejected {
        command: ANY_COMMAND,
        reason: |_| Ok(Vec::new()),
    };
    vec![
        step("scheduled", StepKind::Start, Some(SCHEDULED), deadline),
        step(
            "moved",
            StepKind::On,
            Some(MOVED),
            vec![EffectKind::Reschedule(DUE)],
        ),
        step("canceled", StepKind::On, Some(CANCELED), canceled),
        step("due", StepKind::Due, Some(DUE), vec![EffectKind::End]),
        step("rejected", rejected, None, Vec::new()),
    ]
}

fn step(
    name: &'static str,
    kind: StepKind,
    event: Option<&'static str>,
    effects: Vec<EffectKind>,
) -> ProcessStep {
    ProcessStep {
        name,
        line: MANAGER.source.line,
        kind,
        event,
        effects,
    }
}

/// A scheduled command, as its event and its instance have it.
#[derive(Serialize, Deserialize)]
pub(super) struct DelayedCommand {
    /// The wire name.
    pub(super) name: String,
    pub(super) command: Box<RawValue>,
    /// The actor that has scheduled it, and that sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) actor: Option<ActorData>,
    pub(super) due: Due,
}

/// The payload of [`MOVED`].
#[derive(Serialize, Deserialize)]
pub(super) struct Moved {
    pub(super) due: Due,
}

/// The tag of a scheduled command.
pub(super) fn tag_of(id: ScheduleId) -> Tag {
    Tag::new(MANAGER.key, id)
}

/// An event of a scheduled command.
///
/// # Errors
/// When the payload is no JSON.
pub(super) fn event(name: &'static str, id: &Tag, payload: &impl Serialize) -> Result<EventData> {
    Ok(EventData {
        event_type: EventType::new(name),
        version: VERSION,
        tags: Tags::from(id.clone()),
        payload: serde_json::to_vec(payload)?,
    })
}

/// The payload of an event of a scheduled command.
///
/// # Errors
/// When it cannot be read, or a newer program has recorded it.
pub(super) fn payload<T: DeserializeOwned>(event: &Recorded) -> Result<T> {
    if event.data.version > VERSION {
        return Err(Error::from(NewerVersion {
            event_type: event.data.event_type.clone(),
            position: Some(event.position),
            version: event.data.version,
            known: VERSION,
        }));
    }
    serde_json::from_slice(&event.data.payload).map_err(|error| {
        let (name, position) = (&event.data.event_type, event.position);
        Error::message(format!(
            "event `{name}` at position {position} cannot be read: {error}"
        ))
    })
}

struct ScheduledCommands;

impl ErasedProcess for ScheduledCommands {
    /// The state is the command. Its steps differ by their event.
    fn run(
        &self,
        _: usize,
        state: Option<&[u8]>,
        scope: &StepScope<'_>,
    ) -> Result<(Vec<u8>, Effects)> {
        let recorded = scope.recorded();
        let state = state.unwrap_or(&recorded.data.payload);
        let effects = match recorded.data.event_type.as_str() {
            SCHEDULED => {
                let DelayedCommand { due, .. } = payload(recorded)?;
                let event = event(DUE, scope.tag(), &serde_json::Map::new())?;
                vec![Effect::Deadline {
                    name: DUE,
                    event,
                    due,
                }]
            }
            MOVED => {
                let Moved { due } = payload(recorded)?;
                vec![Effect::Reschedule { name: DUE, due }]
            }
            CANCELED => vec![Effect::Cancel { name: DUE }, Effect::End],
            DUE => {
                let DelayedCommand {
                    name,
                    command,
                    actor,
                    ..
                } = serde_json::from_slice(state)?;
                let send = Effect::Send {
                    name: Cow::Owned(name),
                    json: command.get().as_bytes().to_vec(),
                    actor,
                };
                vec![send, Effect::End]
            }
            // A rejection comes after the end.
            _ => Vec::new(),
        };
        Ok((state.to_vec(), Effects(effects)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::RESERVED;

    #[test]
    fn the_names_of_events_are_reserved() {
        for name in [SCHEDULED, MOVED, CANCELED, DUE] {
            assert!(
                name.starts_with(&format!("{RESERVED}{SCHEDULED_COMMANDS}:")),
                "{name}"
            );
        }
    }
}
