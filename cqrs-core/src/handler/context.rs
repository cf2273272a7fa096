use uuid::Uuid;

use crate::auth::Actor;
use crate::store::CustomMetadata;
use crate::{CommandId, Timestamp};

/// The call that a handler serves: ids, actor and time.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) command: Option<CommandId>,
    pub(crate) correlation: Uuid,
    pub(crate) causation: Uuid,
    pub(crate) actor: Option<Actor>,
    pub(crate) metadata: CustomMetadata,
    pub(crate) time: Timestamp,
}

impl Context {
    /// Creates a context, to call a handler as a plain function.
    pub fn new(actor: Option<Actor>, time: Timestamp) -> Self {
        let command = CommandId::new();
        let id = command.as_uuid();
        Self {
            command: Some(command),
            correlation: id,
            causation: id,
            actor,
            metadata: CustomMetadata::default(),
            time,
        }
    }

    /// Sets the custom metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: CustomMetadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// The command's id. `None` in a query.
    pub fn command(&self) -> Option<CommandId> {
        self.command
    }

    /// The correlation id of the conversation that the call belongs to.
    pub fn correlation(&self) -> Uuid {
        self.correlation
    }

    /// The cause of the call: the event's id if a reaction sent the call, otherwise the call's own
    /// id.
    pub fn causation(&self) -> Uuid {
        self.causation
    }

    /// The actor that sent the command, if one was set.
    pub fn actor(&self) -> Option<&Actor> {
        self.actor.as_ref()
    }

    /// The custom metadata of the command, which its events record. None in a query.
    pub fn metadata(&self) -> &CustomMetadata {
        &self.metadata
    }

    /// The time of the decision. Events are recorded at this time, or at a later one if the log's
    /// last event is later.
    pub fn time(&self) -> Timestamp {
        self.time
    }
}
