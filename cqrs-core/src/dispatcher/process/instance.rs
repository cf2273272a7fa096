use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::skips::Skips;
use crate::auth::ActorData;
use crate::error::{Error, Result};
use crate::message::{Effect, Effects};
use crate::store::{
    CustomMetadata, EventData, ModelSchema, Position, Recorded, SortKey, Tag, Tags, ViewChange,
};
use crate::upcast::Conversions;
use crate::{CommandId, Timestamp};

/// The places of the indexes of an instance in its table.
pub(super) const DUE: usize = 0;
pub(super) const UNSENT: usize = 1;

/// How long an ended instance is kept, for late events and for those who look at it.
const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);

/// An instance of a process manager as it is stored, by its id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Instance {
    pub(super) state: Box<RawValue>,
    /// Fingerprint of the code that has folded the state.
    pub(super) code: u64,
    /// Position of the last event that was handled.
    pub(super) position: Position,
    pub(super) started: Moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<Moment>,
    /// The time at which an ended instance is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<Timestamp>,
    /// Positions of events that were skipped before they were handled. They are not part of the state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) skipped: Vec<Position>,
    /// Number of events after the end, without rejections of its commands.
    #[serde(default)]
    pub(super) late: u64,
    /// Position of the last rejection of a command that was recorded. The row stays until that is handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rejected: Option<Position>,
    /// The commands that are not carried out, in order.
    pub(super) commands: Vec<PendingCommand>,
    /// At most one per event type.
    pub(super) deadlines: Vec<PendingDeadline>,
    /// The command or deadline for which it was parked last, until that is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parked: Option<ParkedEffect>,
}

/// What an instance is parked for, if it is a command or a deadline. An operator who skips the position drops that.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct ParkedEffect {
    /// Position of the event that caused it.
    pub(super) position: Position,
    /// The deadline. `None` for the commands that the event caused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deadline: Option<CommandId>,
    /// How often the position had been skipped before.
    pub(super) skips: usize,
}

/// A place in the log, and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moment {
    pub(super) position: Position,
    pub(super) time: Timestamp,
}

/// The event that is the cause of a command or of a deadline.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct EffectOrigin {
    pub(super) position: Position,
    pub(super) event: Uuid,
    pub(super) command: CommandId,
    pub(super) correlation: Uuid,
    /// Custom metadata of the event.
    #[serde(default, skip_serializing_if = "CustomMetadata::is_empty")]
    pub(super) metadata: CustomMetadata,
}

/// A command that an instance sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PendingCommand {
    pub(super) id: CommandId,
    /// The wire name.
    pub(super) name: String,
    pub(super) json: Box<RawValue>,
    /// The actor that sends it. `None` for the process manager itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) actor: Option<ActorData>,
    pub(super) origin: EffectOrigin,
}

/// A command that an instance need not send any more.
#[derive(Clone, Copy)]
pub(super) struct AnsweredCommand {
    pub(super) id: CommandId,
    /// Position of the event that it was rejected.
    pub(super) rejection: Option<Position>,
}

/// A deadline that an instance waits for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PendingDeadline {
    pub(super) id: CommandId,
    /// The wire name of its event in the program that has set it, which may be an earlier one.
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) tags: Vec<Tag>,
    pub(super) json: Box<RawValue>,
    pub(super) due: Timestamp,
    pub(super) origin: EffectOrigin,
}

/// The step whose effects an instance takes.
#[derive(Clone, Copy)]
pub(super) struct StepOf<'a> {
    /// The scope of ids: the subscription's name.
    pub(super) scope: &'a str,
    /// How long an ended instance is kept.
    pub(super) keep: Option<Duration>,
    pub(super) tag: &'a Tag,
    /// The tag as the log has it, of which ids are derived.
    pub(super) stored_tag: &'a Tag,
    /// The names of events and tags.
    pub(super) conversions: &'a Conversions,
    pub(super) event: &'a Recorded,
}

impl Moment {
    fn of(event: &Recorded) -> Self {
        Self {
            position: event.position,
            time: event.meta.time,
        }
    }
}

impl EffectOrigin {
    fn of(event: &Recorded) -> Self {
        Self {
            position: event.position,
            event: event.meta.id.as_uuid(),
            command: event.meta.command,
            correlation: event.meta.correlation,
            metadata: event.meta.custom.clone(),
        }
    }
}

impl Instance {
    /// An instance that begins with an event, which it has not handled yet.
    pub(super) fn begin(state: Box<RawValue>, code: u64, event: &Recorded) -> Self {
        Self {
            state,
            code,
            position: event.position.before(),
            started: Moment::of(event),
            ended: None,
            expires: None,
            skipped: Vec::new(),
            late: 0,
            rejected: None,
            commands: Vec::new(),
            deadlines: Vec::new(),
            parked: None,
        }
    }

    /// # Errors
    /// When the stored row cannot be read.
    pub(super) fn read(key: &str, body: &[u8]) -> Result<Self> {
        serde_json::from_slice(body).map_err(|error| {
            Error::message(format!("the instance `{key}` cannot be read: {error}"))
        })
    }

    /// The row to write.
    ///
    /// # Errors
    /// Never, since it consists of JSON.
    pub(super) fn change(&self, model: &Arc<ModelSchema>, key: &str) -> Result<ViewChange> {
        let body = serde_json::to_vec(self).map_err(Error::from)?;
        let mut indexes = vec![SortKey::default(); 2];
        indexes[DUE] = SortKey::of(&self.due());
        indexes[UNSENT] = SortKey::of(&!self.commands.is_empty());
        Ok(ViewChange {
            model: model.clone(),
            key: key.to_owned(),
            view: Some((body, indexes)),
            position: self.position,
            is_new: false,
        })
    }

    /// The change that deletes the row.
    pub(super) fn deletion(&self, model: &Arc<ModelSchema>, key: &str) -> ViewChange {
        ViewChange {
            model: model.clone(),
            key: key.to_owned(),
            view: None,
            position: self.position,
            is_new: false,
        }
    }

    /// The next time at which something is to happen: a deadline, or the deletion of an ended instance.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let deadlines = self.deadlines.iter().map(|deadline| deadline.due);
        deadlines.chain(self.expires).min()
    }

    /// Whether it has a command to send, or waits for a deadline, with this id.
    pub(super) fn has_effect(&self, id: CommandId) -> bool {
        let commands = self.commands.iter().map(|command| command.id);
        let mut ids = commands.chain(self.deadlines.iter().map(|deadline| deadline.id));
        ids.any(|own| own == id)
    }

    /// The position of the event that has caused one of them. Without an id, of the first command.
    pub(super) fn cause_of(&self, id: Option<CommandId>) -> Option<Position> {
        let commands = self.commands.iter().map(|it| (it.id, &it.origin));
        let deadlines = self.deadlines.iter().map(|it| (it.id, &it.origin));
        let mut all = commands.chain(deadlines);
        let found = match id {
            Some(id) => all.find(|(own, _)| *own == id),
            None => all.next(),
        };
        found.map(|(_, origin)| origin.position)
    }

    /// Notes that it is parked for one of them, at this position.
    pub(super) fn park(
        &mut self,
        key: &str,
        (position, id): (Position, Option<CommandId>),
        skips: &Skips,
    ) {
        // What was skipped until now concerns what it was parked for before.
        self.forget_parked(key, skips);
        let mut deadlines = self.deadlines.iter().map(|deadline| deadline.id);
        self.parked = Some(ParkedEffect {
            position,
            deadline: deadlines.find(|deadline| Some(*deadline) == id),
            skips: skips.count(key, position),
        });
    }

    /// Forgets what it is parked for, if that is skipped by now. Returns whether it was.
    pub(super) fn forget_parked(&mut self, key: &str, skips: &Skips) -> bool {
        let Some(parked) = self.parked else {
            return false;
        };
        if skips.count(key, parked.position) <= parked.skips {
            return false;
        }
        if let Some(id) = parked.deadline {
            self.deadlines.retain(|deadline| deadline.id != id);
        } else {
            let commands = &mut self.commands;
            commands.retain(|command| command.origin.position != parked.position);
        }
        self.parked = None;
        true
    }

    /// Counts an event after the end.
    pub(super) fn count_late(&mut self, event: &Recorded) {
        self.late += 1;
        self.position = event.position;
    }

    /// Takes what a command that it has sent has come to.
    pub(super) fn forget_command(&mut self, answered: &AnsweredCommand) {
        self.commands.retain(|pending| pending.id != answered.id);
        self.rejected = self.rejected.max(answered.rejection);
    }

    /// Whether it has ended, and neither sends commands nor has rejections to handle, when everything up to a
    /// position is handled.
    pub(super) fn is_over(&self, handled: Position) -> bool {
        let handled = self.position.max(handled);
        self.ended.is_some()
            && self.commands.is_empty()
            && self.rejected.is_none_or(|rejected| rejected <= handled)
    }

    /// Forgets the deadline whose event this is.
    pub(super) fn forget_deadline(&mut self, step: StepOf<'_>) {
        self.deadlines.retain(|deadline| !deadline.is_met_by(step));
    }

    /// Takes the new state and the effects of a step.
    ///
    /// # Errors
    /// When an effect does not belong to the instance, or is no JSON.
    pub(super) fn take(
        &mut self,
        step: StepOf<'_>,
        state: Vec<u8>,
        effects: Effects,
    ) -> Result<()> {
        let mut place = 0;
        for effect in effects.0 {
            match effect {
                Effect::Send { name, json, actor } => {
                    self.commands.push(PendingCommand {
                        id: sent_id(step.scope, step.stored_tag, step.event, place),
                        name: name.into_owned(),
                        json: raw(json)?,
                        actor,
                        origin: EffectOrigin::of(step.event),
                    });
                    place += 1;
                }
                Effect::Deadline { name, event, due } => {
                    let due = due.time(step.event.meta.time);
                    let deadline = PendingDeadline::new(step, event, due)?;
                    self.deadlines
                        .retain(|pending| !pending.has_name(step, name));
                    self.deadlines.push(deadline);
                }
                Effect::Reschedule { name, due } => {
                    let mut deadlines = self.deadlines.iter_mut();
                    if let Some(deadline) = deadlines.find(|pending| pending.has_name(step, name)) {
                        deadline.move_to(step, due.time(step.event.meta.time));
                    }
                }
                Effect::Cancel { name } => {
                    self.deadlines
                        .retain(|pending| !pending.has_name(step, name));
                }
                Effect::End => {
                    self.ended.get_or_insert(Moment::of(step.event));
                }
            }
        }
        if self.ended.is_some() {
            self.deadlines.clear();
            let time = step.event.meta.time;
            let expires = time.checked_add(step.keep.unwrap_or(KEEP));
            self.expires = Some(expires.unwrap_or(Timestamp::MAX));
        }
        self.state = raw(state)?;
        self.position = step.event.position;
        Ok(())
    }
}

impl PendingDeadline {
    fn new(step: StepOf<'_>, event: EventData, due: Timestamp) -> Result<Self> {
        let EventData {
            event_type,
            version,
            tags,
            payload,
        } = event;
        if !tags.contains(step.tag) {
            return Err(Error::message(format!(
                "the event `{event_type}` of its deadline does not have the id `{}` of the instance",
                step.tag
            )));
        }
        let name = String::from(event_type);
        // A process of a program before the aggregate was renamed may record it.
        let tags = step.conversions.tags.stored_tags(&tags).unwrap_or(tags);
        Ok(Self {
            id: deadline_id(step, step.event.position, &name),
            name,
            version,
            tags: tags.into(),
            json: raw(payload)?,
            due,
            origin: EffectOrigin::of(step.event),
        })
    }

    fn move_to(&mut self, step: StepOf<'_>, due: Timestamp) {
        self.id = deadline_id(step, step.event.position, &self.name);
        self.due = due;
        let mut origin = EffectOrigin::of(step.event);
        // What moves a deadline says when, not what for: the metadata of the event that has set it stays.
        origin.metadata.inherit(&self.origin.metadata);
        if origin.metadata.check().is_err() {
            origin.metadata.clone_from(&self.origin.metadata);
        }
        self.origin = origin;
    }

    /// Whether its event has this name at present.
    fn has_name(&self, step: StepOf<'_>, name: &str) -> bool {
        step.conversions.present_name(&self.name) == name
    }

    /// Whether its event is that of the step. A program that has another name for it may have recorded it, before the
    /// row was lost.
    fn is_met_by(&self, step: StepOf<'_>) -> bool {
        let (id, name) = (step.event.meta.command, step.event.data.event_type.as_str());
        let mut earlier = step.conversions.earlier_names(name).peekable();
        let is_renamed = earlier.peek().is_some() && self.has_name(step, name);
        let mut names = [name].into_iter().chain(earlier);
        self.id == id
            || (is_renamed && names.any(|it| deadline_id(step, self.origin.position, it) == id))
    }

    /// The event as it was set, with the tags that it has in the log.
    pub(super) fn event(&self) -> EventData {
        EventData {
            event_type: self.name.as_str().into(),
            version: self.version,
            tags: Tags::from(self.tags.clone()),
            payload: self.json.get().as_bytes().to_vec(),
        }
    }
}

/// The id under which an instance sends a command because of an event: the one at this place among these.
pub(crate) fn sent_id(scope: &str, tag: &Tag, event: &Recorded, place: u32) -> CommandId {
    let mut id = event.meta.id.as_uuid().as_bytes().to_vec();
    id.extend(place.to_le_bytes());
    id.extend(tag.as_str().as_bytes());
    CommandId::derived(scope, &id)
}

/// The id under which the event of a deadline is recorded. Another one for each position at which the deadline
/// is set or moved.
fn deadline_id(step: StepOf<'_>, position: Position, name: &str) -> CommandId {
    let mut id = position.get().to_le_bytes().to_vec();
    id.extend((name.len() as u64).to_le_bytes());
    id.extend(name.as_bytes());
    id.extend(step.stored_tag.as_str().as_bytes());
    CommandId::derived(step.scope, &id)
}

pub(super) fn raw(json: Vec<u8>) -> Result<Box<RawValue>> {
    let text = String::from_utf8(json).map_err(Error::from)?;
    RawValue::from_string(text).map_err(Error::from)
}
