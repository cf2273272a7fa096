use tracing::Span;
use uuid::Uuid;

use super::reacting::ReservedId;
use super::{CallOptions, RunningReaction};
use crate::store::{Append, CustomMetadata, EventData};
use crate::{CommandId, Timestamp, trace_context};

/// The id of a call that appends an event without a handler, and what it belongs to. As for a command: the id
/// that the caller has set; in a reaction, one that is the same whenever the reaction runs; or else a new one.
pub(crate) struct CallOrigin {
    pub(crate) id: CommandId,
    /// Whether the call may have been recorded before.
    pub(crate) is_given: bool,
    correlation: Uuid,
    causation: Uuid,
    actor: Option<String>,
    metadata: CustomMetadata,
    reserved: Option<ReservedId>,
}

impl CallOrigin {
    /// The origin of a call of this kind, with this fingerprint.
    pub(crate) fn new(
        options: &CallOptions,
        (kind, fingerprint): (&str, u64),
        time: Timestamp,
    ) -> Self {
        let reaction = RunningReaction::current();
        let reserved = match (&reaction, options.id) {
            (Some(reaction), None) => Some(reaction.reserve_id(kind, fingerprint)),
            _ => None,
        };
        let given = options.id.or(reserved.as_ref().map(|reserved| reserved.id));
        let id = given.unwrap_or_else(|| CommandId::assigned(time));
        let mut metadata = options.metadata.clone();
        if let Some(reaction) = &reaction {
            metadata.inherit(&reaction.metadata);
        }
        // The call has no span of its own: what it records follows from the caller's.
        trace_context::inject(&Span::current(), &mut metadata);
        let event = reaction.map(|reaction| (reaction.event, reaction.correlation));
        let (event, conversation) = event.unwrap_or((id.as_uuid(), id.as_uuid()));
        Self {
            id,
            is_given: given.is_some(),
            correlation: options.correlation.unwrap_or(conversation),
            causation: options.causation.unwrap_or(event),
            actor: options.actor.as_ref().map(|actor| actor.name().to_owned()),
            metadata,
            reserved,
        }
    }

    /// The append of an event.
    pub(crate) fn append(&self, event: EventData, fingerprint: u64, time: Timestamp) -> Append {
        let append = Append::at_time(self.id, vec![event], time)
            .fingerprint(fingerprint)
            .given_id(self.is_given)
            .correlation(self.correlation)
            .caused_by(self.causation)
            .metadata(self.metadata.clone());
        Append {
            actor: self.actor.clone(),
            ..append
        }
    }

    /// Keeps the id, once the call has had its effect: the next equal call of the same reaction gets another.
    pub(crate) fn keep(self) {
        if let Some(reserved) = self.reserved {
            reserved.keep();
        }
    }
}
