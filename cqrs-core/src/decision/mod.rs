//! Carries a command from its aggregates to the append of its events.

mod aggregate;
mod aggregate_key;
mod attempt;
mod bookmark;
mod cache;
mod call_origin;
mod causation;
mod entries;
mod events_to_fold;
mod fold_check;
mod load;
mod loaded;
mod nesting;
mod pending;
mod reacting;
mod read;
mod receipt;
mod repetitions;
mod size;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::futures::TaskLocalFuture;
use uuid::Uuid;

pub use bookmark::{After, Bookmark};
pub use cache::StateCacheHealth;
pub use receipt::Receipt;

pub(crate) use attempt::{InfraError, append_failed};
pub(crate) use call_origin::CallOrigin;
pub(crate) use reacting::{CommandRef, RunningReaction};

use crate::auth::{Actor, SharedAuthorizer};
use crate::clock::Clock;
use crate::error::Failure;
use crate::handler::{AggregateType, ErasedService};
use crate::message::Storage;
use crate::panic::guarded;
use crate::registry::CommandHandlerEntry;
use crate::running::{self, Running};
use crate::store::{CustomMetadata, EventLog, Position};
use crate::{CommandId, Timestamp};
use cache::StateCache;
use loaded::Offers;
use repetitions::Repetitions;

/// Decides the commands of one dispatcher.
pub(crate) struct Decisions {
    store: Arc<dyn EventLog>,
    /// Read once, since they are the same in every call.
    offers: Offers,
    clock: Clock,
    limits: DecisionLimits,
    /// Answers handlers that ask what their actor holds.
    authorizer: Option<SharedAuthorizer>,
    aggregates: Vec<&'static AggregateType>,
    /// Those with `storage = "state"`. An event may concern an aggregate of a module that is not included. Its
    /// stored state then lags behind the log, and is brought up to date on load.
    stored_aggregates: Vec<&'static AggregateType>,
    cache: StateCache,
    repetitions: Repetitions,
}

/// A command's handler in this dispatcher.
pub(crate) struct CommandSlot {
    pub(crate) entry: &'static CommandHandlerEntry,
    /// The services, by the place of the handler's input. `None` for other inputs.
    pub(crate) services: Box<[Option<ErasedService>]>,
    /// Whether it may do more than decide, as an async function, or one that takes a service or a transaction.
    pub(crate) may_have_effects: bool,
    pub(crate) takes_transaction: bool,
    /// Whether it records statements, in `Writes`.
    pub(crate) takes_writes: bool,
}

/// The options of a call besides the command.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallOptions {
    pub(crate) id: Option<CommandId>,
    pub(crate) actor: Option<Actor>,
    pub(crate) correlation: Option<Uuid>,
    pub(crate) causation: Option<Uuid>,
    /// Custom metadata. That of the event to which a reaction reacts is added.
    pub(crate) metadata: CustomMetadata,
    /// Maximum time for the whole call.
    pub(crate) timeout: Option<Duration>,
    /// The position after which no event may concern the aggregates of the command.
    pub(crate) unchanged_since: Option<Position>,
}

/// The limits of decisions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecisionLimits {
    /// Maximum number of attempts before a conflict is returned.
    pub(crate) attempts: u32,
    /// Maximum time that a command waits for its turn.
    pub(crate) decision_wait: Duration,
    /// Maximum time that a handler may have a transaction open.
    pub(crate) transaction: Duration,
    /// Maximum length of a chain of commands that reactions send.
    pub(crate) causation_depth: u32,
    /// Maximum number of commands that reactions send because of one command.
    pub(crate) caused_commands: u32,
    /// Maximum number of states in memory.
    pub(crate) states: usize,
    /// Maximum size of the states in memory, in bytes.
    pub(crate) state_bytes: usize,
}

impl Default for DecisionLimits {
    fn default() -> Self {
        Self {
            attempts: 16,
            decision_wait: Duration::from_secs(30),
            transaction: Duration::from_secs(5),
            causation_depth: 64,
            caused_commands: 100_000,
            states: 10_000,
            state_bytes: 64 << 20,
        }
    }
}

impl Decisions {
    pub(crate) fn new(
        store: Arc<dyn EventLog>,
        clock: Clock,
        limits: DecisionLimits,
        authorizer: Option<SharedAuthorizer>,
        aggregates: Vec<&'static AggregateType>,
    ) -> Self {
        let stored = aggregates.iter().filter(|it| it.storage == Storage::State);
        Self {
            offers: store.capabilities().into(),
            store,
            clock,
            limits,
            authorizer,
            stored_aggregates: stored.copied().collect(),
            aggregates,
            cache: StateCache::new(limits.states, limits.state_bytes),
            repetitions: Repetitions::default(),
        }
    }

    /// Runs a command handler, a projection or a reaction of the dispatcher.
    pub(crate) fn running<F: Future>(
        &self,
        handler: &'static str,
        future: F,
    ) -> TaskLocalFuture<Running, F> {
        running::running(self.address(), handler, future)
    }

    /// The handler of the dispatcher that this task runs.
    pub(crate) fn running_handler(&self) -> Option<&'static str> {
        running::running_handler(self.address())
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The time, by the dispatcher's clock.
    ///
    /// # Errors
    /// When the clock panics.
    pub(crate) fn now(&self) -> Result<Timestamp, Failure> {
        guarded(|| "the dispatcher's clock", || self.clock.now())
    }

    /// Effectiveness of the state cache.
    pub(crate) fn cache_health(&self) -> StateCacheHealth {
        self.cache.health()
    }
}
