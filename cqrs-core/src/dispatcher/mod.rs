//! Carries commands and queries to their handlers.

mod answering;
mod awaited_keys;
mod builder;
mod catch_up;
mod comparison;
mod event_feed;
mod execute;
mod execute_and_wait;
mod handler_slots;
mod head_race;
mod health;
mod inner;
mod lifecycle;
mod named;
mod probes;
mod process;
mod query;
mod query_sources;
mod reaction;
mod rebuild;
mod registration;
mod schedule;
mod senders;
pub(crate) mod sent;
mod session;
mod shutdown;
mod slots;
mod state;
mod stored_shards;
mod subscriptions;
mod version_task;
mod versions;
mod view_rebuild;
mod wait_error;
mod wanted;
mod watch;

use std::sync::Arc;
use std::time::Duration;

pub use builder::Builder;
pub use comparison::Comparison;
pub use event_feed::EventFeed;
pub use execute::ExecuteCall;
pub use execute_and_wait::ExecuteAndWaitCall;
pub use health::Health;
pub use named::Named;
pub use probes::ProbeResult;
pub use process::{PendingEffect, Process, ProcessCall};
pub(crate) use process::{Rehearsal, Rehearsed, RehearsedEvent};
pub use query::QueryCall;
pub use rebuild::Rebuild;
pub(crate) use schedule::WaitingCommand;
pub use schedule::{
    ScheduleCall, ScheduleChangeCall, ScheduleState, Scheduled, ScheduledCall, Undated,
};
pub use session::Session;
pub use shutdown::Unfinished;
pub use state::{History, StateCall};
pub use subscriptions::{SubscriptionStatus, Subscriptions};
pub use wait_error::WaitError;
pub use watch::{Answer, Watch};

pub use crate::decision::{After, Bookmark, Receipt, StateCacheHealth};
pub use crate::subscription::{
    ShardHealth, SubscriptionHealth, SubscriptionKind, SubscriptionState, VersionHealth,
};

pub(crate) use inner::Inner;
pub(crate) use lifecycle::Caller;
pub(crate) use reaction::Reaction;

use serde_json::Value;
use tokio::time::timeout;

use crate::subscription::Tasks;

use crate::ScheduleId;
use crate::auth::{AccessRequest, Actor};
use crate::error::{NotCaughtUp, QueryError};
use crate::handler::ProcessManager;
use crate::message::{Aggregate, AggregateId, Command, Query};
use crate::model::Model;
use crate::store::{EventLog, EventQuery, Position, ViewStore};
use crate::wiring::Problem;
use wanted::Wanted;

/// Wires everything together at startup and carries messages to their handlers. Cheap to clone. When the
/// last clone is dropped, projections and reactions stop.
#[derive(Clone)]
pub struct Dispatcher {
    pub(crate) inner: Arc<Inner>,
    /// Aborts the workers on drop. Their own handles to the dispatcher do not have it.
    workers: Option<Arc<Tasks>>,
}

impl Dispatcher {
    /// Returns a builder for a dispatcher.
    pub fn builder() -> Builder {
        Builder::new()
    }

    fn without_workers(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
            workers: None,
        }
    }

    /// Sends a command: `dispatcher.execute(command).await`. See [`ExecuteCall`] for its options.
    pub fn execute<C: Command>(&self, command: C) -> ExecuteCall<'_, C> {
        ExecuteCall::new(self, command)
    }

    /// Asks a query: `dispatcher.query(query).await`. See [`QueryCall`] for its options.
    pub fn query<Q: Query>(&self, query: Q) -> QueryCall<'_, Q> {
        QueryCall::new(self, query)
    }

    /// Sends the command with this wire name and JSON body. The call has the options of a typed
    /// command; see [`ExecuteCall`].
    pub fn execute_json<'d>(&'d self, name: &'d str, json: &'d [u8]) -> ExecuteCall<'d, Named<'d>> {
        ExecuteCall::new(self, Named { name, json })
    }

    /// Asks the query with this wire name and JSON body; the answer is JSON. The call has the options
    /// of a typed query; see [`QueryCall`].
    pub fn query_json<'d>(&'d self, name: &'d str, json: &'d [u8]) -> QueryCall<'d, Named<'d>> {
        QueryCall::new(self, Named { name, json })
    }

    /// Schedules a command, for `.at(time)` or `.after(duration)`: it is sent then once, by one of the processes,
    /// also if all of them end in between. Needs [`Builder::schedules`]. See [`ScheduleCall`] for its options.
    ///
    /// A command that is [refused as invalid](crate::domain::Validate), or that has no handler, is refused at
    /// once. One that is rejected when it is due shows in [`scheduled`](Self::scheduled). One that fails then is
    /// sent again and again, as long as [`Builder::retry_for`] says, and then
    /// [parked](Subscriptions::parked) until it is released.
    pub fn schedule<C: Command>(&self, command: C) -> Undated<ScheduleCall<'_>> {
        ScheduleCall::new(self, &command)
    }

    /// Schedules the command with this wire name and JSON body. See [`schedule`](Self::schedule).
    pub fn schedule_json(&self, name: &str, json: &[u8]) -> Undated<ScheduleCall<'_>> {
        ScheduleCall::named(self, name, json)
    }

    /// Moves a scheduled command to another time, `.at(time)` or `.after(duration)`. The call returns whether
    /// it was in time: `false` if the command was due or canceled before.
    pub fn reschedule(&self, id: ScheduleId) -> Undated<ScheduleChangeCall<'_>> {
        ScheduleChangeCall::reschedule(self, id)
    }

    /// Cancels a scheduled command. The call returns whether it was in time: `false` if the command was due
    /// before. It is recorded in the log which of the two came first, so exactly one of them has its effect.
    pub fn cancel(&self, id: ScheduleId) -> ScheduleChangeCall<'_> {
        ScheduleChangeCall::cancel(self, id)
    }

    /// Looks at a scheduled command: when it is due, and what has become of it.
    pub fn scheduled(&self, id: ScheduleId) -> ScheduledCall<'_> {
        ScheduledCall::new(self, id)
    }

    /// The ids of scheduled commands that wait for their time or are being sent, in the order of their texts, after one
    /// of them: about 1,000, and none after the last. Some may have been canceled or carried out a moment ago, as
    /// [`scheduled`](Self::scheduled) tells. The authorizer is asked if [`Builder::log_permission`] names a permission.
    ///
    /// # Errors
    /// If [`Builder::schedules`] was not called, the actor may not look at them, or the store fails.
    pub async fn scheduled_ids(
        &self,
        after: Option<ScheduleId>,
        actor: Option<&Actor>,
    ) -> Result<Vec<ScheduleId>, QueryError> {
        self.inner.scheduled_ids(after, actor).await
    }

    /// Starts a conversation in which every query sees the events of the commands before it.
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    /// Reads the state of an aggregate: the current one, or the one `.at(position)` or
    /// `.at_time(time)`. An aggregate without events has its default state. The authorizer is asked if
    /// the aggregate names a permission.
    pub fn state<A: Aggregate>(&self, id: &A::Id) -> StateCall<'_, A> {
        StateCall::new(self, id)
    }

    /// Reads the state of the aggregate with this name as JSON, by the texts of its ids, in the order of the aggregate's
    /// attribute. It is `None` if the type of the state is not `Serialize`. The authorizer is asked if the aggregate names a
    /// permission, or else [`Builder::log_permission`] does.
    ///
    /// ```
    /// # use cqrs_core::prelude::*;
    /// # cqrs_core::module!();
    /// #
    /// # #[derive(Command, Clone, Serialize, Deserialize)]
    /// # struct Pour {
    /// #     #[id(Barrel)]
    /// #     barrel: String,
    /// #     liters: u32,
    /// # }
    /// #
    /// # #[derive(Event, Serialize, Deserialize)]
    /// # #[event(name = "poured", version = 1)]
    /// # struct Poured {
    /// #     #[id(Barrel)]
    /// #     barrel: String,
    /// #     liters: u32,
    /// # }
    /// #
    /// # #[command_handler]
    /// # fn pour(Pour { barrel, liters }: Pour) -> Poured {
    /// #     Poured { barrel, liters }
    /// # }
    /// #
    /// # #[derive(Default, Serialize)]
    /// # struct Barrel {
    /// #     liters: u32,
    /// # }
    /// #
    /// # #[aggregate(id = String)]
    /// # impl Barrel {
    /// #     #[apply]
    /// #     fn poured(&mut self, event: &Poured) {
    /// #         self.liters += event.liters;
    /// #     }
    /// # }
    /// #
    /// # #[tokio::main]
    /// # async fn main() -> Result<()> {
    /// # let app = Dispatcher::builder().module(module()).store(Memory::new()).build().await?;
    /// # let pour = |liters| Pour { barrel: "B7".into(), liters };
    /// # let first = app.execute(pour(40)).await?.last();
    /// # app.execute(pour(2)).await?;
    /// let state = app.state_json("barrel", &["B7"])?.await?;
    /// assert_eq!(state, Some(serde_json::json!({"liters": 42})));
    /// let earlier = app.state_json("barrel", &["B7"])?.at(first).await?;
    /// assert_eq!(earlier, Some(serde_json::json!({"liters": 40})));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If there is no aggregate with this name, or it has another number of ids.
    pub fn state_json(&self, name: &str, ids: &[&str]) -> Result<StateCall<'_, Value>, QueryError> {
        StateCall::named(self, name, ids)
    }

    /// Reads the events of an aggregate, with their metadata. The authorizer is asked if the aggregate
    /// names a permission.
    pub fn history<A: Aggregate>(&self, id: &A::Id) -> History {
        History::of::<A>(self.inner.clone(), id)
    }

    /// Looks at an instance of a process manager: its state, the commands that are not carried out yet, and the
    /// deadlines that it waits for.
    pub fn process<P: ProcessManager<Id: AggregateId>>(&self, id: &P::Id) -> ProcessCall<'_, P> {
        ProcessCall::new(self, id)
    }

    /// Looks at an instance of the process manager with this name, by the text of its id. The state is JSON, as it is
    /// stored. See [`process`](Self::process).
    ///
    /// # Errors
    /// If there is no process manager with this name.
    pub fn process_json(&self, name: &str, id: &str) -> Result<ProcessCall<'_, Value>, QueryError> {
        Ok(ProcessCall::named(self, name, id)?)
    }

    /// The ids of instances of the process manager with this name, in the order of their texts, after one of them:
    /// up to 1,000. The authorizer is asked if [`Builder::log_permission`] names a permission.
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use cqrs_core::prelude::*;
    /// # cqrs_core::module!();
    /// #
    /// # #[derive(Command, Clone, Serialize, Deserialize)]
    /// # struct Begin {
    /// #     trip: u32,
    /// # }
    /// #
    /// # #[derive(Event, Serialize, Deserialize)]
    /// # #[event(name = "trip-begun", version = 1)]
    /// # struct Begun {
    /// #     #[id(Trip)]
    /// #     trip: u32,
    /// # }
    /// #
    /// # #[command_handler]
    /// # fn begin(Begin { trip }: Begin) -> Begun {
    /// #     Begun { trip }
    /// # }
    /// #
    /// # #[derive(Default, Serialize, Deserialize)]
    /// # struct Journey {
    /// #     legs: u32,
    /// # }
    /// #
    /// # #[process_manager(name = "trips", id(Trip = u32))]
    /// # impl Journey {
    /// #     #[start]
    /// #     fn begun(&mut self, _: &Begun) {
    /// #         self.legs = 2;
    /// #     }
    /// # }
    /// #
    /// # #[tokio::main]
    /// # async fn main() -> Result<()> {
    /// # let app = Dispatcher::builder().module(module()).store(Memory::new()).build().await?;
    /// # for trip in [7, 30] {
    /// #     app.execute(Begin { trip }).await?;
    /// # }
    /// # app.wait_until_idle(Duration::from_secs(5)).await?;
    /// assert_eq!(app.process_ids("trips", None, None).await?, ["30", "7"]);
    /// assert_eq!(app.process_ids("trips", Some("30"), None).await?, ["7"]);
    /// let trip = app.process_json("trips", "7")?.await?;
    /// assert_eq!(trip.map(|it| it.state["legs"].clone()), Some(2.into()));
    /// assert!(app.process_json("trips", "8")?.await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If there is no process manager with this name, the actor may not look at its instances, or the store fails.
    pub async fn process_ids(
        &self,
        name: &str,
        after: Option<&str>,
        actor: Option<&Actor>,
    ) -> Result<Vec<String>, QueryError> {
        self.inner.process_ids(name, after, actor).await
    }

    /// Reads the events that match, with their metadata. The authorizer is asked if
    /// [`Builder::log_permission`] names a permission.
    pub fn events(&self, query: EventQuery) -> History {
        History::of_log(self.inner.clone(), query)
    }

    /// Follows the events that match, from the start of the log or from a position on. The authorizer is asked if
    /// [`Builder::log_permission`] names a permission.
    pub fn follow(&self, query: EventQuery) -> EventFeed {
        EventFeed::new(self, query)
    }

    /// Returns the permission that the log requires of its readers: see [`Builder::log_permission`].
    pub fn log_permission(&self) -> Option<&'static str> {
        self.inner.log_permission
    }

    /// Asks the authorizer about an access of a kind that the dispatcher does not know, for adapters with entry points of
    /// their own, such as a page for operators. Calls ask by themselves.
    ///
    /// ```
    /// use cqrs_core::app::{AccessRequest, Action, HeldPermissions};
    /// use cqrs_core::prelude::*;
    /// # cqrs_core::module!();
    /// #
    /// # #[derive(Query, Serialize, Deserialize)]
    /// # #[query(returns = u32)]
    /// # struct BackupCount;
    /// #
    /// # #[query_handler]
    /// # fn backup_count(_: BackupCount) -> u32 {
    /// #     0
    /// # }
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<()> {
    /// # let builder = Dispatcher::builder().module(module()).store(Memory::new());
    /// let app = builder.authorizer(HeldPermissions).build().await?;
    /// let ann = Actor::new("ann").with("backups:begin");
    /// let request = AccessRequest {
    ///     actor: Some(&ann),
    ///     action: Action::Operate,
    ///     permission: "backups:begin",
    ///     message: "backups",
    /// };
    /// assert!(app.authorize(&request).is_ok());
    /// assert!(app.authorize(&AccessRequest { actor: None, ..request }).is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the access is denied. Without an authorizer, each is.
    pub fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), QueryError> {
        let AccessRequest {
            actor,
            action,
            permission,
            message,
        } = *request;
        self.inner
            .permit(action, message, Some(permission), actor)??;
        Ok(())
    }

    /// Returns the health of projections, reactions and the state cache: that of the application, as this
    /// process sees it. For the process itself, see [`liveness`](Self::liveness) and
    /// [`readiness`](Self::readiness).
    pub fn health(&self) -> Health {
        self.inner.health()
    }

    /// Waits until all projections and reactions have handled every event up to this position. For
    /// programs that end soon after a command.
    ///
    /// # Errors
    /// [`NotCaughtUp`] if one of them makes no progress for `idle_timeout`, with its name and the reason.
    pub async fn wait_until_caught_up(
        &self,
        position: Position,
        idle_timeout: Duration,
    ) -> Result<(), NotCaughtUp> {
        for worker in &self.inner.workers {
            worker
                .wait_while_progressing(position, idle_timeout)
                .await?;
        }
        for answering in self.inner.answering.iter().flatten() {
            // It becomes live in a moment. If it does not, all events are handled anyway.
            let _ = timeout(idle_timeout, answering.settled_or_held()).await;
        }
        Ok(())
    }

    /// The sender of calls with this handle: reactions get one that does not keep the workers alive.
    pub(crate) fn caller(&self) -> Caller {
        match self.workers {
            Some(_) => Caller::Program,
            None => Caller::Reaction,
        }
    }

    /// Whether a bookmark is of this dispatcher's log.
    pub(super) fn is_of_log(&self, bookmark: Bookmark) -> bool {
        bookmark.log() == self.inner.log.heads().log_fingerprint()
    }

    /// The bookmark of a place in this dispatcher's log.
    pub(super) fn bookmark(&self, wanted: &Wanted) -> Bookmark {
        let log = self.inner.log.heads().log_fingerprint();
        let position = wanted.position();
        if !wanted.last_events().contains(&position) {
            return Bookmark::without_event(log, position);
        }
        Bookmark::new(log, position, wanted.slices())
    }

    /// The model of the messages, events and handlers of this dispatcher.
    pub fn model(&self) -> Model {
        let Inner {
            model,
            plan,
            log_permission,
            ..
        } = &*self.inner;
        model
            .get_or_init(|| Model::of(plan, *log_permission))
            .clone()
    }

    /// Probable mistakes that `build` found and that do not prevent the dispatcher from working: a service that
    /// no handler takes, or one that was provided several times.
    pub fn warnings(&self) -> &[Problem] {
        &self.inner.warnings
    }

    /// The store of events.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.inner.log
    }

    /// The store of views and checkpoints, except read models with a store of their own. `None` for a
    /// dispatcher without projections and event handlers that was given none.
    pub fn views(&self) -> Option<&Arc<dyn ViewStore>> {
        self.inner.stores.views.main.as_ref()
    }
}
