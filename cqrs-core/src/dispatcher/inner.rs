use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::SubscriptionKind;
use super::cache::StateCache;
use super::causation::Causes;
use super::lifecycle::{Caller, Lifecycle};
use super::sent::SentCommands;
use super::slots::Slots;
use crate::auth::Actor;
use crate::auth::{Action, Authorizer, Request};
use crate::clock::Clock;
use crate::error::{Denied, Failure};
use crate::handler::{AggregateType, CommandFn, QueryFn, QueryInputs};
use crate::json::MessageLimits;
use crate::message::{Command, Query};
use crate::panic::guarded;
use crate::registry::{CommandHandlerEntry, MessageKind, QueryHandlerEntry, Registry};
use crate::store::Store;
use crate::subscription::Progress;
use crate::trace;
use crate::wiring::{Description, Problems};
use crate::{CommandId, Timestamp};

/// What all clones of a dispatcher share.
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) commands: Slots<CommandSlot>,
    pub(crate) queries: Slots<QuerySlot>,
    pub(crate) authorizer: Option<Arc<dyn Authorizer>>,
    /// What one must hold to read the log.
    pub(crate) log_permission: Option<&'static str>,
    pub(crate) clock: Clock,
    pub(crate) limits: CallLimits,
    /// Aggregates with `storage = "state"`.
    pub(crate) kept: Vec<&'static AggregateType>,
    pub(crate) workers: Vec<Progress>,
    pub(crate) description: Description,
    pub(crate) cache: StateCache,
    pub(crate) causes: Causes,
    /// There in tests of reactions.
    pub(crate) sent: Option<Arc<SentCommands>>,
    pub(crate) lifecycle: Lifecycle,
}

/// A command's handler in this dispatcher.
pub(crate) struct CommandSlot {
    pub(crate) entry: &'static CommandHandlerEntry,
    pub(crate) services: Box<[Option<Arc<dyn Any + Send + Sync>>]>,
    pub(crate) takes_transaction: bool,
}

/// A query's handler in this dispatcher.
pub(crate) struct QuerySlot {
    pub(crate) entry: &'static QueryHandlerEntry,
    pub(crate) inputs: QueryInputs,
    pub(crate) takes_context: bool,
    pub(crate) takes_transaction: bool,
    /// The workers whose read models it reads, by their place in [`Inner::workers`].
    pub(crate) reads: Box<[usize]>,
}

/// Bounds of calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallLimits {
    /// How often a command is decided before its conflict is returned.
    pub(crate) attempts: u32,
    /// Of a message in JSON.
    pub(crate) message: MessageLimits,
    /// How long a command waits for its turn.
    pub(crate) decision_wait: Duration,
    /// How long a query waits for its read models.
    pub(crate) wait: Duration,
    /// How long a handler may have a transaction open.
    pub(crate) transaction: Duration,
    /// How many commands of reactions may lead to one another.
    pub(crate) causation_depth: u32,
    pub(crate) caused_commands: u32,
    /// How many states of aggregates are kept in memory, and how many bytes of them.
    pub(crate) states: usize,
    pub(crate) state_bytes: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            attempts: 16,
            message: MessageLimits {
                bytes: 1 << 20,
                depth: 64,
            },
            decision_wait: Duration::from_secs(30),
            wait: Duration::from_secs(5),
            transaction: Duration::from_secs(5),
            causation_depth: 64,
            caused_commands: 100_000,
            states: 10_000,
            state_bytes: 64 << 20,
        }
    }
}

/// What a caller may say besides the command.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallOptions {
    pub(crate) id: Option<CommandId>,
    pub(crate) actor: Option<Actor>,
    pub(crate) correlation: Option<Uuid>,
    pub(crate) causation: Option<Uuid>,
    pub(crate) caller: Caller,
}

impl Drop for Inner {
    fn drop(&mut self) {
        trace::ended();
    }
}

impl CallLimits {
    /// Refuses limits that let nothing through.
    pub(super) fn check(&self, problems: &mut Problems) {
        let limits = [
            ("max_message", self.message.bytes == 0, "no message in JSON"),
            (
                "max_message_depth",
                self.message.depth == 0,
                "no message in JSON",
            ),
            (
                "max_transaction",
                self.transaction.is_zero(),
                "no async handler with a transaction",
            ),
            (
                "max_causation_depth",
                self.causation_depth == 0,
                "no command of a reaction",
            ),
            (
                "max_caused_commands",
                self.caused_commands == 0,
                "no command of a reaction",
            ),
        ];
        for (option, is_zero, nothing) in limits {
            if is_zero {
                problems.add(
                    format!("`{option}` is 0: {nothing} would get through"),
                    None,
                    format!("`.{option}(..)` with more than 0 on the builder, or leave it out"),
                );
            }
        }
    }
}

impl Inner {
    pub(super) fn workers_of(&self, kind: SubscriptionKind) -> impl Iterator<Item = &Progress> {
        self.workers
            .iter()
            .filter(move |worker| worker.kind() == kind)
    }

    /// The handler of a command.
    pub(super) fn command<C: Command>(&self) -> Result<(CommandFn<C>, &CommandSlot), Failure> {
        let found = self.commands.get(C::cell());
        found.ok_or_else(|| Registry::get().no_handler(MessageKind::Command, C::NAME))
    }

    /// The handler of a query.
    #[inline]
    pub(super) fn query<Q: Query>(&self) -> Result<(QueryFn<Q>, &QuerySlot), Failure> {
        let found = self.queries.get(Q::cell());
        found.ok_or_else(|| Registry::get().no_handler(MessageKind::Query, Q::NAME))
    }

    /// Asks the authorizer who may send a message, if it names a permission. The outer error is a
    /// panic.
    pub(crate) fn authorize(
        &self,
        message: &'static str,
        permission: Option<&'static str>,
        actor: Option<&Actor>,
    ) -> Result<Result<(), Denied>, Failure> {
        self.permit(Action::Send, message, permission, actor)
    }

    /// Asks the authorizer who may do something that names a permission. The outer error is a panic.
    pub(super) fn permit(
        &self,
        action: Action,
        message: &'static str,
        permission: Option<&'static str>,
        actor: Option<&Actor>,
    ) -> Result<Result<(), Denied>, Failure> {
        let Some(permission) = permission else {
            return Ok(Ok(()));
        };
        let request = Request {
            actor,
            action,
            permission,
            message,
        };
        let verdict = match &self.authorizer {
            Some(authorizer) => guarded(
                || "Authorizer::authorize",
                || authorizer.authorize(&request),
            )?,
            // `build` requires an authorizer as soon as anything names a permission.
            None => Err("the dispatcher has no authorizer".to_owned()),
        };
        Ok(verdict.map_err(|reason| Denied {
            action,
            message,
            actor: actor.map(|actor| actor.name().to_owned()),
            reason,
        }))
    }

    /// The time, by the dispatcher's clock.
    pub(super) fn now(&self) -> Result<Timestamp, Failure> {
        guarded(|| "the dispatcher's clock", || self.clock.now())
    }
}
