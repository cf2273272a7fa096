use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use crate::CommandId;
use crate::store::{CustomMetadata, Recorded};

tokio::task_local! {
    static RUNNING: Arc<RunningReaction>;
}

/// A command, and the store that records it: two stores may have commands with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CommandRef {
    pub(crate) store: Uuid,
    pub(crate) command: CommandId,
}

/// The reaction that a task runs, and its event. The commands that it sends, except from tasks that
/// it spawns, are caused by the event, and have the same ids whenever the event is delivered again:
/// after a crash, or by another process.
pub(crate) struct RunningReaction {
    pub(super) name: &'static str,
    /// The scope of the ids of its commands: its name in the store.
    scope: &'static str,
    /// The command that recorded the event.
    pub(super) origin: CommandRef,
    pub(super) event: Uuid,
    pub(super) correlation: Uuid,
    /// That of the event, which its commands inherit.
    pub(super) metadata: CustomMetadata,
    reserved: Arc<Mutex<HashSet<CommandId>>>,
}

/// The id of a command while it is sent. Dropped without [`keep`](Self::keep), the id is free for
/// the next equal command: if the reaction sends one that failed once more, it is the same one.
pub(super) struct ReservedId {
    pub(super) id: CommandId,
    reserved: Arc<Mutex<HashSet<CommandId>>>,
    is_kept: bool,
}

impl RunningReaction {
    /// A reaction to an event of the store's log, with its name here and in the store.
    pub(crate) fn new(
        (name, scope): (&'static str, &'static str),
        store: Uuid,
        event: &Recorded,
    ) -> Self {
        Self {
            name,
            scope,
            origin: CommandRef {
                store,
                command: event.meta.command,
            },
            event: event.meta.id.as_uuid(),
            correlation: event.meta.correlation,
            metadata: event.meta.custom.clone(),
            reserved: Arc::default(),
        }
    }

    /// A process manager that sends a command because of an event that it has handled before: one with this
    /// id, of this command.
    pub(crate) fn resumed(
        name: &'static str,
        origin: CommandRef,
        event: Uuid,
        (correlation, metadata): (Uuid, CustomMetadata),
    ) -> Self {
        Self {
            name,
            scope: name,
            origin,
            event,
            correlation,
            metadata,
            reserved: Arc::default(),
        }
    }

    /// Runs the reaction's future.
    pub(crate) async fn run<F: Future>(self, future: F) -> F::Output {
        RUNNING.scope(Arc::new(self), future).await
    }

    /// The reaction that this task runs.
    pub(super) fn current() -> Option<Arc<Self>> {
        RUNNING.try_with(Arc::clone).ok()
    }

    /// The id of the next command with this name and fingerprint: derived from the event, the
    /// reaction, the command, and the number of equal commands that it has sent, not from their
    /// order, which need not be the same each time.
    pub(super) fn reserve_id(&self, command: &str, fingerprint: u64) -> ReservedId {
        let mut sent = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        let mut equal = 0_u32;
        let id = loop {
            let id = self.command_id(command, fingerprint, equal);
            if sent.insert(id) {
                break id;
            }
            equal += 1;
        };
        ReservedId {
            id,
            reserved: self.reserved.clone(),
            is_kept: false,
        }
    }

    fn command_id(&self, command: &str, fingerprint: u64, equal: u32) -> CommandId {
        let mut name = self.event.as_bytes().to_vec();
        name.extend(fingerprint.to_le_bytes());
        name.extend(equal.to_le_bytes());
        name.extend(command.as_bytes());
        CommandId::derived(self.scope, &name)
    }
}

impl ReservedId {
    /// Keeps the id: its command was carried out.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for ReservedId {
    fn drop(&mut self) {
        if !self.is_kept {
            let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
            reserved.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::EventId;

    fn reaction(name: &'static str, event: u128) -> RunningReaction {
        RunningReaction {
            name,
            scope: name,
            origin: CommandRef {
                store: Uuid::nil(),
                command: CommandId::from(Uuid::nil()),
            },
            event: EventId::from(Uuid::from_u128(event)).as_uuid(),
            correlation: Uuid::nil(),
            metadata: CustomMetadata::default(),
            reserved: Arc::default(),
        }
    }

    #[test]
    fn an_id_depends_on_event_reaction_command_and_number_alone() {
        let once = reaction("reward", 1);
        let (first, second) = (once.reserve_id("Deposit", 7), once.reserve_id("Deposit", 7));
        let again = reaction("reward", 1);
        let other = again.reserve_id("Withdraw", 7).id;
        let third = again.reserve_id("Deposit", 8).id;
        assert_eq!(again.reserve_id("Deposit", 7).id, first.id);
        let elsewhere = reaction("reward", 2).reserve_id("Deposit", 7).id;
        let by_another = reaction("thank", 1).reserve_id("Deposit", 7).id;
        let ids = [first.id, second.id, other, third, elsewhere, by_another];
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    }

    #[test]
    fn the_id_of_a_command_that_failed_is_that_of_the_next_equal_one() {
        let reaction = reaction("reward", 1);
        let failed = reaction.reserve_id("Deposit", 7);
        let id = failed.id;
        drop(failed);
        let sent = reaction.reserve_id("Deposit", 7);
        assert_eq!(sent.id, id);
        sent.keep();
        assert_ne!(reaction.reserve_id("Deposit", 7).id, id);
    }
}
