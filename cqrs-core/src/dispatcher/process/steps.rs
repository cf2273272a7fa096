use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::instance::{Instance, PendingDeadline, StepOf, raw};
use crate::error::{Error, Rejected, Result};
use crate::handler::{ANY_COMMAND, ErasedProcess, Rejection, StepKind, StepScope};
use crate::message::Effects;
use crate::panic::panic_message;
use crate::registry::{ProcessEntry, ProcessStep};
use crate::store::{
    EventData, EventLog, EventQuery, EventQueryItem, EventType, Events, Position, ReadRange,
    Recorded, StoreError, Tag, check_seen,
};
use crate::upcast::Conversions;

/// The steps of a process manager, by what they are called for.
pub(super) struct ProcessSteps {
    pub(super) entry: &'static ProcessEntry,
    process: Box<dyn ErasedProcess>,
    steps: Vec<ProcessStep>,
    of_events: HashMap<&'static str, usize>,
    of_rejections: HashMap<&'static str, usize>,
    /// The wire name of the event that a command was rejected.
    pub(super) rejection: EventType,
    /// The stored name of the subscription, the scope of derived ids.
    pub(super) subscription: String,
    /// Hash of the code that folds the state: of the `impl` block, and of the upcasters of its events.
    pub(super) code: u64,
    conversions: Arc<Conversions>,
}

/// Writes the reason of a rejected command as JSON.
type SaveReason = fn(&Rejected) -> Result<Vec<u8>>;

/// A step that failed.
pub(super) struct FailedStep {
    /// The method's name, or that of the process manager.
    pub(super) name: &'static str,
    pub(super) error: Error,
}

/// The reason that an instance has not handled an event.
pub(super) enum Unhandled {
    /// The log could not be read, which is no fault of the instance.
    Log(StoreError),
    Step(FailedStep),
}

impl From<FailedStep> for Unhandled {
    fn from(failed: FailedStep) -> Self {
        Self::Step(failed)
    }
}

impl ProcessSteps {
    pub(super) fn new(entry: &'static ProcessEntry, conversions: &Arc<Conversions>) -> Self {
        let steps = (entry.steps)();
        let upcasters = conversions.code_of(steps.iter().filter_map(|step| step.event));
        let places = || steps.iter().enumerate();
        let of_events = places().filter_map(|(place, step)| Some((step.event?, place)));
        let of_rejections = places().filter_map(|(place, step)| match step.kind {
            StepKind::Rejected { command, .. } => Some((command, place)),
            _ => None,
        });
        Self {
            of_events: of_events.collect(),
            of_rejections: of_rejections.collect(),
            steps,
            process: (entry.process)(),
            rejection: EventType::from(entry.rejection()),
            subscription: entry.subscription(),
            code: upcasters.map_or(entry.fingerprint, |upcasters| {
                xxh3_64_with_seed(&entry.fingerprint.to_le_bytes(), upcasters)
            }),
            conversions: conversions.clone(),
            entry,
        }
    }

    /// The events of an instance.
    pub(super) fn query_of(&self, tag: &Tag) -> EventQuery {
        EventQuery::Items(vec![EventQueryItem {
            types: self.event_types(),
            tags: vec![tag.clone()],
        }])
    }

    /// The events that it takes.
    pub(super) fn event_types(&self) -> Vec<EventType> {
        let own = self.steps.iter().filter_map(|step| step.event);
        let types = own.map(EventType::new);
        types.chain([self.rejection.clone()]).collect()
    }

    /// The tag of an instance.
    pub(super) fn tag(&self, key: &str) -> Tag {
        Tag::new(self.entry.key, key)
    }

    /// The event of a deadline in its present form. `None` if an upcaster leaves it out, so that there is nothing to
    /// wait for.
    pub(super) fn deadline_event(&self, deadline: &PendingDeadline) -> Option<EventData> {
        self.conversions.convert(&deadline.event())
    }

    /// The present name of its event.
    pub(super) fn deadline_name<'d>(&self, deadline: &'d PendingDeadline) -> &'d str {
        self.conversions.present_name(&deadline.name)
    }

    /// The event to record: as it was set, like the events of that time in the log.
    pub(super) fn unconverted(&self, deadline: &PendingDeadline) -> EventData {
        let mut event = deadline.event();
        if let Some(tags) = self.conversions.tags.present_tags(&event.tags) {
            event.tags = tags;
        }
        event
    }

    /// The function that writes the reason of a rejected command as JSON, if there is a step for it.
    pub(super) fn rejected(&self, command: &str) -> Option<SaveReason> {
        let place = self.step_of_rejected(command)?;
        match self.steps[place].kind {
            StepKind::Rejected { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// The place of the step for the rejection of a command.
    fn step_of_rejected(&self, command: &str) -> Option<usize> {
        let of_rejections = &self.of_rejections;
        let place = of_rejections.get(command);
        place.or_else(|| of_rejections.get(ANY_COMMAND)).copied()
    }

    /// Has an instance handle an event. Returns the instance as it is then, `None` if the event does not
    /// change it. `skipped` are the positions of events that were skipped for it, after the last one that it has
    /// handled.
    pub(super) async fn handle(
        &self,
        log: &dyn EventLog,
        (key, skipped): (&str, &[Position]),
        instance: Option<&Instance>,
        event: &Recorded,
    ) -> Result<Option<Instance>, Unhandled> {
        let is_handled = instance.is_some_and(|instance| event.position <= instance.position);
        if is_handled || skipped.contains(&event.position) {
            return Ok(None);
        }
        let step = self.step_of(event).map_err(|error| self.failed(error))?;
        let tag = self.tag(key);
        let Some(instance) = instance else {
            let starts = step.filter(|place| matches!(self.steps[*place].kind, StepKind::Start));
            return match starts {
                Some(place) => Ok(Some(self.begin(place, &tag, event)?)),
                // It began before the process manager was there, or was deleted some time after its end.
                None => Ok(None),
            };
        };
        let mut next = instance.clone();
        let mut before = skipped.to_vec();
        before.retain(|position| *position < event.position);
        let passed = self.forget_skipped(log, key, &mut next, before).await;
        next.skipped.extend(passed.map_err(Unhandled::Log)?);
        // A command that it has sent may be rejected after its end.
        if next.ended.is_some() && !self.is_rejection(event) {
            next.count_late(event);
            return Ok(Some(next));
        }
        if next.code != self.code {
            self.fold_again(log, &tag, &mut next).await?;
        }
        let stored_tag = self.stored_tag(&tag);
        next.forget_deadline(self.scope((&tag, &stored_tag), event));
        let Some(place) = step else {
            // Of a rejected command for which the code has no step any more.
            next.position = event.position;
            return Ok(Some(next));
        };
        let (state, effects) = self.run(place, Some(next.state.get().as_bytes()), &tag, event)?;
        self.take(&mut next, (place, &tag, event), state, effects)?;
        Ok(Some(next))
    }

    /// Has an instance forget the deadlines whose events were recorded and skipped. Returns the positions of those of
    /// its events that are at these.
    pub(super) async fn forget_skipped(
        &self,
        log: &dyn EventLog,
        key: &str,
        instance: &mut Instance,
        positions: Vec<Position>,
    ) -> Result<Vec<Position>, StoreError> {
        let tag = self.tag(key);
        let stored_tag = self.stored_tag(&tag);
        let mut own = Vec::new();
        for position in positions {
            let range = ReadRange {
                limit: 1,
                up_to: Some(position),
                ..ReadRange::after(position.before())
            };
            let page = log.read(self.query_of(&tag), range).await?;
            for event in page.events {
                instance.forget_deadline(self.scope((&tag, &stored_tag), &event));
                own.push(event.position);
            }
        }
        Ok(own)
    }

    fn begin(&self, place: usize, tag: &Tag, event: &Recorded) -> Result<Instance, FailedStep> {
        let (state, effects) = self.run(place, None, tag, event)?;
        let initial = raw(state.clone()).map_err(|error| self.failed(error))?;
        let mut instance = Instance::begin(initial, self.code, event);
        self.take(&mut instance, (place, tag, event), state, effects)?;
        Ok(instance)
    }

    fn take(
        &self,
        instance: &mut Instance,
        (place, tag, event): (usize, &Tag, &Recorded),
        state: Vec<u8>,
        effects: Effects,
    ) -> Result<(), FailedStep> {
        let stored_tag = self.stored_tag(tag);
        let step = self.scope((tag, &stored_tag), event);
        let name = self.steps[place].name;
        let taken = instance.take(step, state, effects);
        taken.map_err(|error| FailedStep { name, error })
    }

    /// The tag as the log has it.
    fn stored_tag<'t>(&self, tag: &'t Tag) -> Cow<'t, Tag> {
        let stored = self.conversions.tags.stored_tag(tag);
        stored.map_or(Cow::Borrowed(tag), Cow::Owned)
    }

    fn scope<'a>(
        &'a self,
        (tag, stored_tag): (&'a Tag, &'a Tag),
        event: &'a Recorded,
    ) -> StepOf<'a> {
        StepOf {
            scope: &self.subscription,
            keep: self.entry.keep,
            tag,
            stored_tag,
            conversions: &self.conversions,
            event,
        }
    }

    /// Folds the state from the events that the instance has handled, with the present code. What they
    /// have caused stays as it is.
    pub(super) async fn fold_again(
        &self,
        log: &dyn EventLog,
        tag: &Tag,
        instance: &mut Instance,
    ) -> Result<(), Unhandled> {
        let range = ReadRange {
            up_to: Some(instance.position),
            ..ReadRange::after(instance.started.position.before())
        };
        let mut events = Events::read(log, self.query_of(tag), range);
        let mut state: Option<Vec<u8>> = None;
        loop {
            let Some(event) = events.next().await.map_err(Unhandled::Log)? else {
                break;
            };
            if instance.skipped.contains(&event.position) {
                continue;
            }
            let end = instance.ended.map(|ended| ended.position);
            if end.is_some_and(|end| end < event.position) && !self.is_rejection(&event) {
                continue;
            }
            if let Some(place) = self.step_of(&event).map_err(|error| self.failed(error))? {
                let (folded, _) = self.run(place, state.as_deref(), tag, &event)?;
                state = Some(folded);
            }
        }
        let seen = check_seen(events.as_of().unwrap_or_default(), instance.position);
        seen.map_err(Unhandled::Log)?;
        // Without an event for the present code, the state is what the code before it has folded.
        if let Some(state) = state {
            instance.state = raw(state).map_err(|error| self.failed(error))?;
        }
        instance.code = self.code;
        Ok(())
    }

    /// Whether an event says that a command of an instance was rejected.
    pub(super) fn is_rejection(&self, event: &Recorded) -> bool {
        event.data.event_type == self.rejection
    }

    /// The place of the step for an event.
    fn step_of(&self, event: &Recorded) -> Result<Option<usize>> {
        if !self.is_rejection(event) {
            let place = self.of_events.get(event.data.event_type.as_str());
            return Ok(place.copied());
        }
        let rejection = Rejection::read(event)?;
        Ok(self.step_of_rejected(&rejection.name))
    }

    fn run(
        &self,
        place: usize,
        state: Option<&[u8]>,
        tag: &Tag,
        recorded: &Recorded,
    ) -> Result<(Vec<u8>, Effects), FailedStep> {
        let scope = StepScope { recorded, tag };
        // The state is JSON between two steps, so a panic leaves nothing half done.
        let ran = catch_unwind(AssertUnwindSafe(|| self.process.run(place, state, &scope)));
        let result = ran.unwrap_or_else(|panic| Err(Error::panicked(panic_message(&*panic))));
        result.map_err(|error| FailedStep {
            name: self.steps[place].name,
            error,
        })
    }

    fn failed(&self, error: Error) -> FailedStep {
        FailedStep {
            name: self.entry.name,
            error,
        }
    }
}
