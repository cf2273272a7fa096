use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::instance::{Instance, PendingCommand, raw};
use super::steps::{FailedStep, ProcessSteps, Unhandled};
use crate::dispatcher::sent::SentCommand;
use crate::error::{Error, Rejected, Result};
use crate::handler::Rejection;
use crate::message::EffectKind;
use crate::registry::ProcessEntry;
use crate::store::{
    CustomMetadata, EventData, EventType, Memory, Metadata, Position, Recorded, Tag, Tags,
};
use crate::{CommandId, EventId, Timestamp};

/// A process manager in a test. Its steps handle events as in a program, but nothing is stored, and no
/// command is carried out.
pub(crate) struct Rehearsal {
    steps: ProcessSteps,
    instances: BTreeMap<String, Instance>,
    /// Of the last event.
    position: Position,
    /// The commands that were sent, by the keys of their instances.
    sent: Vec<(String, PendingCommand)>,
    /// For states that other code has folded, of which there are none.
    log: Memory,
}

/// An event that is about to be recorded.
pub(crate) struct RehearsedEvent {
    pub(crate) data: EventData,
    pub(crate) command: CommandId,
    pub(crate) time: Timestamp,
    pub(crate) actor: Option<String>,
    pub(crate) metadata: CustomMetadata,
}

/// An instance as it is after some events.
pub(crate) struct Rehearsed {
    pub(crate) state: Value,
    pub(crate) has_ended: bool,
    /// The events of its deadlines, and the times at which they are due.
    pub(crate) deadlines: Vec<(EventData, Timestamp)>,
}

impl Rehearsal {
    pub(crate) fn new(entry: &'static ProcessEntry) -> Self {
        Self {
            steps: ProcessSteps::new(entry, &Arc::default()),
            instances: BTreeMap::new(),
            position: Position::START,
            sent: Vec::new(),
            log: Memory::new(),
        }
    }

    /// The instances that an event concerns.
    pub(crate) fn keys<'e>(&self, event: &'e EventData) -> impl Iterator<Item = &'e str> {
        let key = self.steps.entry.key;
        let tags = event.tags.iter().filter(move |tag| tag.name() == key);
        tags.map(Tag::id)
    }

    /// Has the instances that an event concerns handle it. Returns the commands that they send.
    ///
    /// # Errors
    /// The step's, with its name.
    pub(crate) async fn handle(
        &mut self,
        next: RehearsedEvent,
    ) -> Result<Vec<SentCommand>, String> {
        let RehearsedEvent {
            data,
            command,
            time,
            actor,
            metadata,
        } = next;
        self.position = self.position.plus(1);
        let event = Recorded {
            position: self.position,
            data,
            meta: Metadata {
                id: EventId::of(command, 0),
                time,
                actor,
                command,
                correlation: command.as_uuid(),
                causation: command.as_uuid(),
                custom: metadata,
            },
        };
        let keys: Vec<String> = self.keys(&event.data).map(str::to_owned).collect();
        let mut commands = Vec::new();
        for key in keys {
            let instance = self.instances.get(&key);
            let step = self.steps.handle(&self.log, (&key, &[]), instance, &event);
            let handled = step.await.map_err(describe)?;
            let Some(mut instance) = handled else {
                continue;
            };
            for pending in instance.commands.drain(..) {
                commands.push(self.sent_command(&pending));
                self.sent.push((key.clone(), pending));
            }
            self.instances.insert(key, instance);
        }
        Ok(commands)
    }

    /// The event of the first deadline that is due by then.
    pub(crate) fn next_due(&self, until: Timestamp) -> Option<RehearsedEvent> {
        let instances = self.instances.values();
        let deadlines = instances.flat_map(|instance| &instance.deadlines);
        let due = deadlines.filter(|deadline| deadline.due <= until);
        let first = due.min_by_key(|deadline| (deadline.due, deadline.origin.position))?;
        Some(RehearsedEvent {
            data: first.event(),
            command: first.id,
            time: first.due,
            actor: None,
            metadata: first.origin.metadata.clone(),
        })
    }

    /// The event that a command was rejected which an instance has sent.
    ///
    /// # Errors
    /// When no instance has sent it, or nothing takes the rejection.
    pub(crate) fn rejection(
        &mut self,
        command: &SentCommand,
        rejected: &Rejected,
        time: Timestamp,
    ) -> Result<RehearsedEvent> {
        let mut sent = self.sent.iter();
        let place = sent.position(|(_, sent)| self.sent_command(sent) == *command);
        let Some(place) = place else {
            let name = command.name;
            return Err(Error::message(format!(
                "it has not sent this `{name}`, or that was rejected already"
            )));
        };
        let Some(reason) = self.steps.rejected(command.name) else {
            let name = command.name;
            return Err(Error::message(format!(
                "it has no `#[rejected]` for `{name}`, so the instance would be parked"
            )));
        };
        let reason = Some(reason(rejected)?).filter(|reason| !reason.is_empty());
        let (key, pending) = self.sent.remove(place);
        let payload = Rejection {
            name: pending.name,
            command: pending.json,
            text: rejected.to_string(),
            reason: reason.map(raw).transpose()?,
        };
        Ok(RehearsedEvent {
            data: EventData {
                event_type: self.steps.rejection.clone(),
                version: 1,
                tags: Tags::from(self.steps.tag(&key)),
                payload: serde_json::to_vec(&payload)?,
            },
            command: pending.id,
            time,
            actor: None,
            metadata: pending.origin.metadata,
        })
    }

    /// Whether a step takes events of this type.
    pub(crate) fn takes(&self, event_type: &EventType) -> bool {
        self.steps.event_types().contains(event_type)
    }

    /// The instance with this key, once it has begun.
    pub(crate) fn instance(&self, key: &str) -> Option<Rehearsed> {
        let instance = self.instances.get(key)?;
        let pending = instance.deadlines.iter();
        let deadlines = pending.map(|deadline| (deadline.event(), deadline.due));
        Some(Rehearsed {
            state: serde_json::from_str(instance.state.get()).unwrap_or_default(),
            has_ended: instance.ended.is_some(),
            deadlines: deadlines.collect(),
        })
    }

    fn sent_command(&self, PendingCommand { name, json, .. }: &PendingCommand) -> SentCommand {
        let steps = (self.steps.entry.steps)();
        let mut effects = steps.into_iter().flat_map(|step| step.effects);
        let name = effects.find_map(|effect| match effect {
            EffectKind::Send(command) if command == name => Some(command),
            _ => None,
        });
        SentCommand {
            name: name.unwrap_or_default(),
            body: serde_json::from_str(json.get()).unwrap_or_default(),
        }
    }
}

fn describe(unhandled: Unhandled) -> String {
    match unhandled {
        Unhandled::Log(error) => error.to_string(),
        Unhandled::Step(FailedStep { name, error }) => format!("`{name}` failed: {error}"),
    }
}
