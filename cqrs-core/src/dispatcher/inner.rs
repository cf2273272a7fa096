use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;

use super::SubscriptionKind;
use super::answering::AnsweringVersion;
use super::catch_up::CatchUp;
use super::lifecycle::Lifecycle;
use super::query_sources::BuildingRead;
use super::senders::Senders;
use super::sent::SentCommands;
use super::slots::Slots;
use crate::auth::{AccessRequest, Action, Actor, SharedAuthorizer};
use crate::decision::{CommandSlot, DecisionLimits, Decisions};
use crate::error::{Denied, Failure};
use crate::handler::{Context, QueryInputs, QueryScope};
use crate::json::MessageLimits;
use crate::model::Model;
use crate::panic::guarded;
use crate::registry::{ProjectionEntry, QueryHandlerEntry, UpcasterEntry};
use crate::store::{EventLog, ViewStore};
use crate::subscription::Progress;
use crate::trace;
use crate::upcast::Conversions;
use crate::wiring::{Plan, Problem, Problems, Stores};

/// The part of a dispatcher that its clones share.
pub(crate) struct Inner {
    pub(crate) log: Arc<dyn EventLog>,
    /// The log and the view stores, for other dispatchers.
    pub(crate) stores: Stores,
    pub(crate) commands: Slots<CommandSlot>,
    pub(crate) queries: Slots<QuerySlot>,
    pub(crate) authorizer: Option<SharedAuthorizer>,
    /// Permission required to read the log.
    pub(crate) log_permission: Option<&'static str>,
    pub(super) senders: Senders,
    pub(crate) limits: CallLimits,
    pub(crate) decisions: Decisions,
    /// Those of projections, then those of reactions.
    pub(crate) workers: Vec<Progress>,
    /// By the place of a projection. `None` if its own version answered queries when the dispatcher was built.
    pub(crate) answering: Vec<Option<Arc<AnsweringVersion>>>,
    /// The entries of the projections, in the order of their workers.
    pub(crate) projections: Box<[&'static ProjectionEntry]>,
    /// The upcasters of all events, of which the code of a projection depends, too.
    pub(crate) upcasters: Vec<&'static UpcasterEntry>,
    /// The forms of events and names in the log.
    pub(crate) conversions: Arc<Conversions>,
    pub(crate) plan: Plan,
    /// The model of the plan, from the first time that it was asked for: its schemas take time to make.
    pub(crate) model: OnceLock<Model>,
    /// Probable mistakes.
    pub(crate) warnings: Vec<Problem>,
    /// Whether commands can be scheduled.
    pub(crate) schedules: bool,
    /// Set in tests of reactions only.
    pub(crate) sent: Option<Arc<SentCommands>>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) catch_up: CatchUp,
    /// The errors of the view stores' last signs of life, `None` for those that have answered.
    pub(crate) store_failures: Vec<watch::Receiver<Option<String>>>,
}

/// A query's handler in this dispatcher.
pub(crate) struct QuerySlot {
    pub(crate) entry: &'static QueryHandlerEntry,
    pub(crate) inputs: QueryInputs,
    pub(crate) takes_context: bool,
    /// The workers whose writes it reads, by their place in [`Inner::workers`].
    pub(crate) reads: Box<[usize]>,
    /// Those of them whose own version did not answer queries when the dispatcher was built.
    pub(crate) building: Box<[BuildingRead]>,
    /// The view stores that it reads from.
    pub(crate) stores: Box<[Arc<dyn ViewStore>]>,
    /// Whether it reads the database of the log with SQL, where command handlers write tables together
    /// with their events.
    pub(crate) reads_beside_log: bool,
}

impl QuerySlot {
    /// The source of the handler's inputs.
    #[inline]
    pub(super) fn scope<'a>(&'a self, context: Option<&'a Context>) -> QueryScope<'a> {
        QueryScope {
            inputs: &self.inputs,
            context,
        }
    }
}

/// The limits of calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallLimits {
    /// The limits of a message in JSON.
    pub(crate) message: MessageLimits,
    /// Maximum time that a query waits for its read models.
    pub(crate) wait: Duration,
    /// Time after its last sign of life at which a process counts as dead.
    pub(crate) lease: Duration,
    /// Time after which an event that still fails stops its projection or reaction.
    pub(crate) retry_for: Duration,
    /// Time after which an event that is neither handled nor fails is reported.
    pub(crate) stuck_after: Duration,
    /// Maximum number of positions at which a projection counts as caught up.
    pub(crate) ready_lag: u64,
    pub(crate) decisions: DecisionLimits,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            message: MessageLimits {
                bytes: 1 << 20,
                depth: 64,
            },
            wait: Duration::from_secs(5),
            lease: Duration::from_secs(10),
            retry_for: Duration::from_secs(300),
            stuck_after: Duration::from_secs(60),
            ready_lag: 1_000,
            decisions: DecisionLimits::default(),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        trace::ended();
    }
}

impl CallLimits {
    /// Reports limits of 0, with which no call would succeed.
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
                self.decisions.transaction.is_zero(),
                "no async handler with a transaction",
            ),
            (
                "lease",
                self.lease.is_zero(),
                "no event of a projection or reaction",
            ),
            (
                "max_causation_depth",
                self.decisions.causation_depth == 0,
                "no command of a reaction",
            ),
            (
                "max_caused_commands",
                self.decisions.caused_commands == 0,
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

    /// Asks the authorizer whether the actor may send a message, if the message names a permission. The
    /// outer error is a panic.
    pub(crate) fn authorize(
        &self,
        message: &'static str,
        permission: Option<&'static str>,
        actor: Option<&Actor>,
    ) -> Result<Result<(), Denied>, Failure> {
        self.permit(Action::Send, message, permission, actor)
    }

    /// Asks the authorizer about a query, which is refused without an actor if the actor decides about its rows. The
    /// outer error is a panic.
    pub(super) fn authorize_query(
        &self,
        entry: &QueryHandlerEntry,
        actor: Option<&Actor>,
    ) -> Result<Result<(), Denied>, Failure> {
        if let Err(denied) = self.authorize(entry.message, entry.permission, actor)? {
            return Ok(Err(denied));
        }
        if entry.rows.is_some() && actor.is_none() {
            return Ok(Err(Denied {
                action: Action::Send,
                message: entry.message,
                actor: None,
                reason: "it shows each actor its own rows, and the call names none".to_owned(),
            }));
        }
        Ok(Ok(()))
    }

    /// Asks the authorizer whether the actor may do something that requires a permission. The outer error
    /// is a panic.
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
        // A handler may have passed on the actor of its call, whose permissions another authorizer knows.
        let detached = actor.and_then(Actor::detached);
        let request = AccessRequest {
            actor: detached.as_ref().or(actor),
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
}
