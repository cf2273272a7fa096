use crate::message::UNREADABLE;
use crate::registry::{AggregateEntry, EventEntry, ProcessEntry, Registry, UpcasterEntry};
use crate::store::{EventData, EventType, Tags};
use crate::upcast::Conversions;
use crate::wiring::{Plan, PlannedProjection, Problems, Scope};

/// What the present code stores and reads.
pub(super) struct Program {
    pub(super) events: Vec<&'static EventEntry>,
    pub(super) processes: Vec<&'static ProcessEntry>,
    pub(super) aggregates: Vec<&'static AggregateEntry>,
    pub(super) projections: Vec<PlannedProjection>,
    upcasters: Vec<&'static UpcasterEntry>,
    conversions: Conversions,
}

impl Program {
    pub(super) fn new(scope: &Scope) -> Self {
        // What is wrong with the wiring is for `verify`.
        let mut problems = Problems::default();
        let plan = Plan::new(Registry::get(), scope, &mut problems);
        let conversions = Conversions::new(&plan.events, &plan.upcasters, &plan.aggregates);
        Self {
            events: plan.events,
            processes: plan.processes.iter().map(|it| it.entry).collect(),
            aggregates: plan.aggregates,
            projections: plan.projections,
            upcasters: plan.upcasters,
            conversions,
        }
    }

    /// The event with this name, at present or earlier.
    pub(super) fn event(&self, name: &str) -> Option<&'static EventEntry> {
        let named = self.events.iter().find(|event| event.name == name);
        named
            .or_else(|| self.events.iter().find(|event| event.was.contains(&name)))
            .copied()
    }

    /// Whether older versions of the event are converted, not decoded.
    pub(super) fn converts(&self, event: &EventEntry) -> bool {
        self.upcasters.iter().any(|it| it.event == event.name)
    }

    /// Reads a payload as the log does, and writes it again. `None` if an upcaster leaves it out.
    ///
    /// # Errors
    /// When the payload cannot be converted, decoded, or recorded again.
    pub(super) fn record_again(
        &self,
        event: &EventEntry,
        (name, version): (&str, u32),
        payload: &[u8],
    ) -> Result<Option<Vec<u8>>, String> {
        let recorded = EventData {
            event_type: EventType::from(name.to_owned()),
            version,
            tags: Tags::new(),
            payload: payload.to_vec(),
        };
        let converted = match self.conversions.of(&recorded) {
            Some(conversion) => conversion.convert(&recorded),
            None => Some(recorded),
        };
        match converted {
            None => Ok(None),
            Some(event) if event.version == UNREADABLE => {
                let why = String::from_utf8_lossy(&event.payload);
                Err(format!("cannot be read: {why}"))
            }
            Some(converted) => (event.check)(&converted.payload).map(Some),
        }
    }
}
