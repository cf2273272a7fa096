//! The settings of a dispatcher and its start. Each setting is a method whose documentation is longer than
//! its code, so the file is long.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;

use super::Dispatcher;
use super::answering::AnsweringVersion;
use super::catch_up::CatchUp;
use super::handler_slots::{command_slots, query_slots};
use super::inner::{CallLimits, Inner};
use super::lifecycle::Lifecycle;
use super::process::{InstanceTable, Instances};
use super::reaction::Reaction;
use super::registration::register;
use super::schedule::MANAGER;
use super::senders::Senders;
use super::sent::SentCommands;
use super::version_task::VersionTask;
use crate::Timestamp;
use crate::auth::{Actor, Authorizer, SharedAuthorizer};
use crate::clock::Clock;
use crate::decision::Decisions;
use crate::handler::{ModelType, Services};
use crate::model::Model;
use crate::module::Module;
use crate::registry::{ReactionEntry, Registry};
use crate::source::Source;
use crate::store::{EventLog, ModelSchema, ProjectionVersion, Store, StoreError, ViewStore};
use crate::subscription::{
    self, Coordinator, Crew, Follower, Following, Progress, RunWorker, Tasks, unless,
};
use crate::trace;
use crate::upcast::{Conversions, TagNames, upcast};
use crate::views::ReadModel;
use crate::wiring::{
    BuildError, GivenStores, Models, Plan, PlannedProcess, Problems, Role, Scope, Stores,
    ViewStores, is_same,
};

/// Configures a dispatcher; [`build`](Builder::build) checks it and starts it.
#[must_use = "nothing is wired until `build`"]
pub struct Builder {
    stores: GivenStores,
    services: Services,
    authorizer: Option<SharedAuthorizer>,
    log_permission: Option<&'static str>,
    senders: Senders,
    scope: Scope,
    roles: Vec<Role>,
    clock: Clock,
    limits: CallLimits,
    sent: Option<Arc<SentCommands>>,
    /// Whether new versions of projections become live only by hand.
    holds_versions: bool,
    /// The place of [`schedules`](Builder::schedules), if commands can be scheduled.
    schedules: Option<Source>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            stores: GivenStores::default(),
            services: Services::default(),
            authorizer: None,
            log_permission: None,
            senders: Senders::default(),
            scope: Scope::default(),
            roles: Role::ALL.to_vec(),
            clock: Clock::default(),
            limits: CallLimits::default(),
            sent: None,
            holds_versions: false,
            schedules: None,
        }
    }

    /// Records every command that is sent, for tests.
    #[track_caller]
    pub(crate) fn record(mut self, sent: Arc<SentCommands>) -> Self {
        self.sent = Some(sent);
        self.schedules = Some(Source::caller());
        self
    }

    /// Services provided by a test.
    pub(crate) fn services(mut self, services: Services) -> Self {
        self.services = services;
        self
    }

    /// One store for the event log, views and checkpoints. Use either this, or [`log`](Self::log)
    /// and [`views`](Self::views) separately.
    #[track_caller]
    pub fn store(mut self, store: impl Store) -> Self {
        let store = Arc::new(store);
        self.stores.add_log(store.clone());
        self.stores.add_views(store);
        self
    }

    /// The event log, if views are kept in a separate store.
    #[track_caller]
    pub fn log(mut self, log: impl EventLog) -> Self {
        self.stores.add_log(Arc::new(log));
        self
    }

    /// The store of views and checkpoints, if it is separate from the event log. Not required by a
    /// dispatcher without projections and event handlers.
    #[track_caller]
    pub fn views(mut self, views: impl ViewStore) -> Self {
        self.stores.add_views(Arc::new(views));
        self
    }

    /// The store of the views of `V`, if other read models are kept elsewhere. All read models of a
    /// projection share one store with its checkpoint: pass each of them a clone of the same `Arc`.
    #[track_caller]
    pub fn views_of<V: ReadModel>(mut self, views: Arc<dyn ViewStore>) -> Self {
        self.stores.add_views_of(ModelType::of::<V>(), views);
        self
    }

    /// Uses the stores of another dispatcher.
    #[track_caller]
    pub fn stores_of(mut self, other: &Dispatcher) -> Self {
        let Stores { log, views, .. } = &other.inner.stores;
        self.stores.are_shared = true;
        self.stores.add_log(log.clone());
        if let Some(views) = &views.main {
            self.stores.add_views(views.clone());
        }
        for (model, views) in views.of_models.values() {
            self.stores.add_views_of(*model, views.clone());
        }
        self
    }

    /// Provides a service to the handlers that take `Service<T>`. For a trait object, name the
    /// trait: `.provide::<dyn Mailer>(Arc::new(Smtp::new()))`. If a type is provided more than
    /// once, the last value is used, and `describe().warnings` reports it.
    #[track_caller]
    pub fn provide<T: ?Sized + Send + Sync + 'static>(mut self, service: Arc<T>) -> Self {
        self.services.insert(service);
        self
    }

    /// Authorizes messages, and reads of aggregates, that name a permission.
    pub fn authorizer(mut self, authorizer: impl Authorizer) -> Self {
        self.authorizer = Some(Arc::new(Box::new(authorizer)));
        self
    }

    /// Permission required to read the log with [`Dispatcher::events`]. Defaults to none. Must be
    /// set if an aggregate names a permission, since the log contains its events.
    pub fn log_permission(mut self, permission: &'static str) -> Self {
        self.log_permission = Some(permission);
        self
    }

    /// Has this actor send the commands that the event handler or process manager with this name returns. The authorizer
    /// decides about it as about every actor, and events record its name; the actor of the event that caused the command is
    /// found by the causation. Defaults to no actor, so that commands which need a permission are denied.
    ///
    /// ```
    /// # use cqrs_core::prelude::*;
    /// # use cqrs_core::app;
    /// fn with_rights(builder: app::Builder) -> app::Builder {
    ///     let checkout = Actor::new("checkout").with("stock:reserve").with("orders:ship");
    ///     builder.sends_as("checkout", checkout)
    /// }
    /// ```
    #[track_caller]
    pub fn sends_as(mut self, name: &'static str, actor: Actor) -> Self {
        self.senders.add(name, actor, Source::caller());
        self
    }

    /// Includes this module, and links its crate. Defaults to everything that is linked into the
    /// process; once a module is named, only named modules are included.
    pub fn module(mut self, module: Module) -> Self {
        self.scope.add(module);
        self
    }

    /// The work that this process takes on, if it is not all of it. Processes of one application may
    /// divide the work: some answer requests, others bring read models up to date.
    ///
    /// ```
    /// use cqrs_core::app::Role;
    /// # use cqrs_core::prelude::*;
    ///
    /// let web = Dispatcher::builder().roles([Role::Commands, Role::Queries]);
    /// let worker = Dispatcher::builder().roles([Role::Projections, Role::Reactions]);
    /// ```
    ///
    /// Commands and queries without the role fail with
    /// [`Failure::NotInRole`](crate::error::Failure::NotInRole). Without the role for a projection or
    /// reaction, this process never handles its events, and observes how far another one is: queries wait
    /// with [`after`](super::QueryCall::after) as in any process. A service is required only by handlers
    /// of these roles. `build` refuses an empty list.
    pub fn roles(mut self, roles: impl IntoIterator<Item = Role>) -> Self {
        self.roles = roles.into_iter().collect();
        self
    }

    /// Source of the current time. Defaults to the system clock, [`Timestamp::now`]. A test moves it to let deadlines
    /// and scheduled commands be due.
    pub fn clock(mut self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// Maximum number of times a command is decided before its conflict is returned to the caller.
    /// Defaults to 16; 0 counts as 1. A command overrides it with `#[command(attempts = ..)]`.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.limits.decisions.attempts = attempts.max(1);
        self
    }

    /// Maximum size in bytes of a message that `execute_json` or `query_json` takes. Defaults to
    /// 1 MiB. `build` refuses 0.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.limits.message.bytes = bytes;
        self
    }

    /// Maximum depth of objects and arrays in a message that `execute_json` or `query_json` takes,
    /// the message itself included. Defaults to 64. `build` refuses 0. JSON is read up to 127
    /// levels deep: the difference is for events and views that nest a message's JSON once more,
    /// and that would otherwise fail because of one caller.
    pub fn max_message_depth(mut self, levels: usize) -> Self {
        self.limits.message.depth = levels;
        self
    }

    /// Maximum time a command waits for other commands of this process that are deciding about the
    /// same aggregate. Defaults to 30 seconds; `Duration::MAX` is no limit. After that it fails
    /// with [`Failure::Busy`](crate::error::Failure::Busy), which names the handler that it waited
    /// for. An async handler that never ends holds its aggregates until its call is dropped.
    pub fn max_decision_wait(mut self, wait: Duration) -> Self {
        self.limits.decisions.decision_wait = wait;
        self
    }

    /// Maximum time `query(..).after(&receipt)` waits for read models. Defaults to 5 seconds;
    /// `Duration::MAX` is no limit, zero does not wait.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.limits.wait = wait;
        self
    }

    /// Maximum time an async handler may have a transaction open, `&mut Tx<..>`, before it is
    /// rolled back and the call fails, since others may wait for what it locks. Defaults to 5
    /// seconds; `Duration::MAX` is no limit. `build` refuses zero.
    pub fn max_transaction(mut self, open: Duration) -> Self {
        self.limits.decisions.transaction = open;
        self
    }

    /// Time after its last sign of life at which a process counts as dead, and others handle the
    /// events of its projections and reactions. It gives three or more in this time, at least one every
    /// 3 seconds. Defaults to 10 seconds, and is a year at most. `build` refuses zero. A process that
    /// ends is replaced within 3 seconds.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.limits.lease = lease;
        self
    }

    /// Maximum number of commands of reactions that lead to one another: a reaction sends the
    /// first, a reaction to its events the second, and so on. The next one fails with
    /// [`Failure::CausationDepth`](crate::error::Failure::CausationDepth), so that reactions that
    /// answer their own events show in [`health`](Dispatcher::health) instead of running forever.
    /// Defaults to 64; `u32::MAX` is no limit. `build` refuses 0.
    ///
    /// Commands are counted that are sent while the reaction runs, not by a task that it spawned,
    /// by all dispatchers of this process.
    pub fn max_causation_depth(mut self, commands: u32) -> Self {
        self.limits.decisions.causation_depth = commands;
        self
    }

    /// Maximum number of commands that reactions send because of one command, in all branches of
    /// the chain that it begins. The next one fails with
    /// [`Failure::CausedCommands`](crate::error::Failure::CausedCommands): reactions that answer
    /// each of their own events with several commands reach this limit long before
    /// [`max_causation_depth`](Self::max_causation_depth). Defaults to 100,000; `u32::MAX` is no
    /// limit. `build` refuses 0.
    ///
    /// Commands are counted as for `max_causation_depth`. The process remembers the last 262,144 of
    /// them, of all its dispatchers; a chain is counted from 0 again where a command is no longer
    /// remembered when a reaction gets its event.
    pub fn max_caused_commands(mut self, commands: u32) -> Self {
        self.limits.decisions.caused_commands = commands;
        self
    }

    /// Time for which a projection or reaction retries an event that fails, with growing pauses. After
    /// that it stops, in all processes and across restarts, until an operator has the event
    /// [retried](super::Subscriptions::retry) or [skips](super::Subscriptions::skip) it. Defaults to
    /// 5 minutes, in which most outages end; `Duration::MAX` is no limit. A store that fails is
    /// retried without a limit, and so is everything in a view store without
    /// [shards](crate::store::ViewCapabilities::shards).
    pub fn retry_for(mut self, time: Duration) -> Self {
        self.limits.retry_for = time;
        self
    }

    /// Time after which a projection or reaction whose next event is neither handled nor fails is reported as
    /// [stuck](super::SubscriptionState::Stuck), here and in all other processes. Defaults to 60 seconds. Raise
    /// it for a reaction that takes longer for one event.
    pub fn stuck_after(mut self, time: Duration) -> Self {
        self.limits.stuck_after = time;
        self
    }

    /// Lets a new version of a projection become live only when somebody
    /// [switches](super::Subscriptions::switch) to it, also once it is complete. Concerns the versions that
    /// are not in the store yet, except for the first one of a projection. Defaults to `false`.
    pub fn hold_versions(mut self, hold: bool) -> Self {
        self.holds_versions = hold;
        self
    }

    /// Lets commands be [scheduled](Dispatcher::schedule), and has this process carry out those that are due, its
    /// own and those of others, unless its [roles](Self::roles) leave out [`Role::Reactions`]. Defaults to no:
    /// the process manager that does so has a table, a checkpoint and a worker of its own, `scheduled-commands`.
    /// Call it in each process of the application; those that carry out commands need the modules of these.
    #[track_caller]
    pub fn schedules(mut self) -> Self {
        self.schedules = Some(Source::caller());
        self
    }

    /// Maximum number of positions between the head of the log and a projection at which that counts as
    /// caught up, for [`readiness`](Dispatcher::readiness). Defaults to 1,000.
    pub fn ready_lag(mut self, positions: u64) -> Self {
        self.limits.ready_lag = positions;
        self
    }

    /// Maximum number of states of aggregates in memory, so that a decision about one of them reads
    /// nothing. Defaults to 10,000; 0 turns it off, `usize::MAX` is no limit. Decisions are the
    /// same either way.
    pub fn state_cache(mut self, states: usize) -> Self {
        self.limits.decisions.states = states;
        self
    }

    /// Maximum size in bytes of the states in memory, approximately. Defaults to 64 MiB; 0 keeps
    /// none, `usize::MAX` is no limit. A state counts with its own size and, if it is `Serialize`,
    /// with that of its JSON for what it has on the heap.
    pub fn state_cache_bytes(mut self, bytes: usize) -> Self {
        self.limits.decisions.state_bytes = bytes;
        self
    }

    /// The model of what is in scope, without a store: that of the dispatcher that [`build`](Self::build) makes.
    pub fn model(&self) -> Model {
        let plan = Plan::new(Registry::get(), &self.scope, &mut Problems::default());
        Model::of(&plan, self.log_permission)
    }

    /// Checks everything that [`build`](Self::build) does, except for the stores: handlers, services, permissions and
    /// limits.
    ///
    /// # Errors
    /// [`BuildError::Wiring`] with all that is wrong, each with file, line and what to write.
    pub fn verify(&self) -> Result<(), BuildError> {
        let mut problems = Problems::default();
        let plan = Plan::new(Registry::get(), &self.scope, &mut problems);
        self.check(&plan, &mut problems);
        self.limits.check(&mut problems);
        if problems.is_empty() {
            return Ok(());
        }
        Err(problems.into_error())
    }

    fn check(&self, plan: &Plan, problems: &mut Problems) {
        plan.check_services(&self.services, &self.roles, problems);
        plan.check_permissions(self.authorizer.is_some(), self.log_permission, problems);
        plan.check_senders(self.senders.places(), problems);
    }

    /// Checks everything and starts projections and reactions. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`BuildError::Wiring`] with all that is wrong, each with file, line and what to write;
    /// [`BuildError::Store`] when the store fails.
    pub async fn build(mut self) -> Result<Dispatcher, BuildError> {
        let registry = Registry::get();
        let mut problems = Problems::default();
        let mut plan = Plan::new(registry, &self.scope, &mut problems);
        if let Some(source) = self.schedules {
            plan.processes
                .push(PlannedProcess::of_framework(&MANAGER, source));
        }
        self.check(&plan, &mut problems);
        let given = std::mem::take(&mut self.stores);
        let Some(stores) = given.check(&plan, &mut problems) else {
            return Err(problems.into_error());
        };
        stores.check_roles(&plan, &self.roles, &mut problems);
        self.limits.check(&mut problems);
        if !problems.is_empty() {
            return Err(problems.into_error());
        }
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(BuildError::NoRuntime);
        }
        self.start(plan, stores).await
    }

    /// Starts the workers of a plan: a checked one, or the plan of a test.
    pub(crate) async fn start(self, plan: Plan, stores: Stores) -> Result<Dispatcher, BuildError> {
        let mut warnings = Problems::default();
        plan.warn_of_services(&self.services, &mut warnings);
        plan.warn_of_unknown_events(&*stores.log, &mut warnings)
            .await?;
        let conversions = Arc::new(plan.conversions());
        let log = upcast(&stores.log, &conversions);
        let models = plan.models();
        // Before the tables: a version that was built by other code may have others.
        let versions = register(
            &plan,
            &stores,
            (self.holds_versions, self.limits.lease),
            &mut warnings,
        )
        .await?;
        prepare(&plan, &models, &stores.views).await?;
        let following = Following::new(self.limits.retry_for, self.limits.stuck_after);
        let mut workers = Vec::new();
        let mut projections = Vec::new();
        let mut coordinators = Coordinators::new(&stores.views, self.limits.lease);
        for projection in &plan.projections {
            let views = stores.of_projection(projection).ok_or_else(no_view_store)?;
            let is_handled =
                self.roles.contains(&Role::Projections) && !views.view_capabilities().read_only;
            let (crew, folds) = subscription::projection(
                projection,
                &models,
                &log,
                views,
                coordinators.of_store(views, is_handled).as_deref(),
                &following,
            )
            .await?;
            workers.push(crew.progress().clone());
            projections.push((crew, is_handled, folds));
        }
        let reacts = self.roles.contains(&Role::Reactions);
        let mut reacting = ReactingCrews::default();
        if let Some(views) = views_to_react(&plan, &stores)? {
            let coordinator = coordinators.of_store(views, reacts);
            let place = (views, coordinator.as_deref());
            reacting = ReactingCrews::create(&plan, &conversions, &log, place, &following).await?;
        }
        workers.extend(reacting.progress());
        let answering = answering_versions(&plan, &conversions.tags, &versions, &workers);
        let inner = Inner {
            commands: command_slots(&plan.command_handlers, &self.services),
            queries: query_slots(&plan, &self.services, &models, &stores, &answering),
            authorizer: self.authorizer.clone(),
            log_permission: self.log_permission,
            senders: self.senders,
            limits: self.limits,
            decisions: Decisions::new(
                log.clone(),
                self.clock,
                self.limits.decisions,
                self.authorizer,
                plan.aggregates.iter().map(|it| &it.aggregate).collect(),
            ),
            workers,
            answering,
            projections: plan.projections.iter().map(|it| it.entry).collect(),
            upcasters: plan.upcasters.clone(),
            conversions,
            warnings: warnings.into_vec(),
            schedules: self.schedules.is_some(),
            sent: self.sent,
            lifecycle: Lifecycle::new(&self.roles),
            catch_up: CatchUp::new(plan.projections.len(), self.limits.ready_lag),
            store_failures: coordinators.failures(),
            log,
            stores,
            plan,
            model: OnceLock::new(),
        };
        trace::started(&inner.plan, &inner.warnings, inner.workers.len());
        let mut dispatcher = Dispatcher::without_workers(inner);
        let tasks = Arc::new(Tasks::default());
        for (crew, is_handled, folds) in projections {
            let name = crew.progress().name();
            let run = run_worker(&dispatcher, name, move || folds.follower());
            coordinators.start((crew, is_handled), run, &tasks);
        }
        for (crew, entry) in reacting.reactions {
            let reaction = Reaction::new(entry, &self.services, dispatcher.clone());
            let run = run_worker(&dispatcher, entry.name, move || Box::new(reaction.clone()));
            coordinators.start((crew, reacts), run, &tasks);
        }
        for (crew, instances) in reacting.processes {
            let (name, sender) = (crew.progress().name(), dispatcher.clone());
            let run = run_worker(&dispatcher, name, move || instances.follower(&sender));
            coordinators.start((crew, reacts), run, &tasks);
        }
        coordinators.run(&dispatcher, &tasks);
        follow_versions(&dispatcher, &versions, &tasks).await?;
        note_catch_ups(&dispatcher, &self.roles, &tasks);
        dispatcher.workers = Some(tasks);
        Ok(dispatcher)
    }
}

/// The store of the checkpoints of reactions and process managers. `None` if there are none of these, or if the
/// process can only read.
fn views_to_react<'s>(
    plan: &Plan,
    stores: &'s Stores,
) -> Result<Option<&'s Arc<dyn ViewStore>>, StoreError> {
    let is_needed = !plan.reactions.is_empty() || !plan.processes.is_empty();
    if !is_needed || stores.log.capabilities().read_only {
        return Ok(None);
    }
    let views = stores.views.main.as_ref().ok_or_else(no_view_store)?;
    Ok(Some(views).filter(|views| !views.view_capabilities().read_only))
}

/// The workers of reactions and process managers.
#[derive(Default)]
struct ReactingCrews {
    reactions: Vec<(Crew, &'static ReactionEntry)>,
    processes: Vec<(Crew, Instances)>,
}

impl ReactingCrews {
    async fn create(
        plan: &Plan,
        conversions: &Arc<Conversions>,
        log: &Arc<dyn EventLog>,
        (views, coordinator): (&Arc<dyn ViewStore>, Option<&Coordinator>),
        following: &Following,
    ) -> Result<Self, BuildError> {
        let tags = &conversions.tags;
        let mut crews = Self::default();
        for entry in &plan.reactions {
            let crew = subscription::reaction(entry, tags, log, views, coordinator, following);
            crews.reactions.push((crew.await?, *entry));
        }
        for PlannedProcess { entry, .. } in &plan.processes {
            let crew =
                subscription::process_manager(entry, tags, log, views, coordinator, following);
            let instances = Instances::new(entry, conversions, views);
            crews.processes.push((crew.await?, instances));
        }
        Ok(crews)
    }

    /// Their progress, in order.
    fn progress(&self) -> impl Iterator<Item = Progress> {
        let reactions = self.reactions.iter().map(|(crew, _)| crew);
        let processes = self.processes.iter().map(|(crew, _)| crew);
        reactions
            .chain(processes)
            .map(|crew| crew.progress().clone())
    }
}

/// The coordinators of the view stores.
struct Coordinators(Vec<StoreCoordinators>);

struct StoreCoordinators {
    store: Arc<dyn ViewStore>,
    /// For what this process handles. `None` if the store has no shards.
    claiming: Option<Coordinator>,
    /// For what it does not handle.
    observing: Coordinator,
}

impl Coordinators {
    fn new(views: &ViewStores, lease: Duration) -> Self {
        let stores = views.all().into_iter();
        let coordinators = stores.map(|store| StoreCoordinators {
            store: store.clone(),
            claiming: Coordinator::new(store.clone(), lease),
            observing: Coordinator::observing(store.clone(), lease),
        });
        Self(coordinators.collect())
    }

    /// The coordinator of a subscription with its checkpoint in this store, by whether this process handles
    /// it.
    fn of_store(
        &mut self,
        store: &Arc<dyn ViewStore>,
        is_handled: bool,
    ) -> Option<&mut Coordinator> {
        let of_store = self.0.iter_mut().find(|it| is_same(&it.store, store))?;
        if is_handled {
            of_store.claiming.as_mut()
        } else {
            Some(&mut of_store.observing)
        }
    }

    /// Starts the workers of a crew: by the coordinator of its store, or among these tasks.
    fn start(&mut self, (crew, is_handled): (Crew, bool), run: RunWorker, tasks: &Arc<Tasks>) {
        let views = crew.progress().views().clone();
        if let Some(coordinator) = self.of_store(&views, is_handled) {
            coordinator.add(crew, run, tasks);
            return;
        }
        for worker in crew.workers() {
            tasks.spawn(run(worker));
        }
    }

    /// The errors of their last signs of life.
    fn failures(&self) -> Vec<watch::Receiver<Option<String>>> {
        let of_stores = self.0.iter();
        of_stores
            .flat_map(|it| it.claiming.iter().chain([&it.observing]))
            .map(Coordinator::failure)
            .collect()
    }

    /// Starts those with a crew.
    fn run(self, dispatcher: &Dispatcher, tasks: &Tasks) {
        let of_stores = self.0.into_iter();
        let all = of_stores.flat_map(|it| it.claiming.into_iter().chain([it.observing]));
        for coordinator in all.filter(Coordinator::is_busy) {
            let run = coordinator.run(dispatcher.inner.lifecycle.watch(), tasks.gone());
            tasks.spawn_coordinator(watched(dispatcher.clone(), COORDINATOR, run));
        }
    }
}

/// Those of the projections whose own version, which has not been live, does not answer queries.
fn answering_versions(
    plan: &Plan,
    tags: &TagNames,
    versions: &[Vec<ProjectionVersion>],
    workers: &[Progress],
) -> Vec<Option<Arc<AnsweringVersion>>> {
    let planned = plan.projections.iter().zip(versions).zip(workers);
    let all = planned.map(|((projection, versions), progress)| {
        let mut stored = versions.iter();
        let own = stored.find(|it| it.version == projection.entry.version);
        let answers = versions.is_empty() || own.is_some_and(|own| own.was_live);
        (!answers).then(|| {
            let aggregates = plan.aggregates.iter().map(|it| it.aggregate.name);
            let partitions = aggregates
                .chain(projection.entry.partition)
                .map(|name| (name, tags.stored_name(name)))
                .collect();
            let progress = progress.clone();
            Arc::new(AnsweringVersion::new(projection, partitions, progress))
        })
    });
    all.collect()
}

/// Has the versions that are live answer, for the projections whose own version is not, and follows these.
async fn follow_versions(
    dispatcher: &Dispatcher,
    versions: &[Vec<ProjectionVersion>],
    tasks: &Arc<Tasks>,
) -> Result<(), StoreError> {
    for (answering, versions) in dispatcher.inner.answering.iter().zip(versions) {
        let Some(answering) = answering.clone() else {
            continue;
        };
        let task = VersionTask::new(dispatcher.clone(), answering, tasks);
        // Before the first query.
        task.answer_from(versions).await?;
        tasks.spawn(task.run());
    }
    Ok(())
}

/// The name of a coordinator's task.
const COORDINATOR: &str = "coordinator";

/// Prepares the stores for their read models, and for the instances of process managers.
async fn prepare(plan: &Plan, models: &Models, views: &ViewStores) -> Result<(), StoreError> {
    for store in views.all() {
        let models = models.iter().filter(|(id, _)| {
            let of_model = views.of_model(**id);
            of_model.is_some_and(|it| is_same(it, store))
        });
        let schemas = models.map(|(_, model)| ModelSchema::clone(&model.schema));
        let is_main = views.main.as_ref().is_some_and(|main| is_same(main, store));
        let processes = plan.processes.iter().filter(|_| is_main);
        let instances = processes.map(|process| InstanceTable::schema(process.entry.stored_name()));
        store.prepare(schemas.chain(instances).collect()).await?;
    }
    Ok(())
}

/// `build` has reported it, and a test has a store for everything.
fn no_view_store() -> StoreError {
    StoreError::Unavailable {
        reason: "the dispatcher has no view store".into(),
    }
}

/// Runs workers of a projection or reaction, each with a follower of its own.
pub(super) fn run_worker(
    dispatcher: &Dispatcher,
    name: &'static str,
    follower: impl Fn() -> Box<dyn Follower> + Send + Sync + 'static,
) -> RunWorker {
    let dispatcher = dispatcher.clone();
    Box::new(move |worker| {
        let phases = dispatcher.inner.lifecycle.watch();
        let run = worker.run(follower(), phases);
        Box::pin(within(dispatcher.clone(), name, run))
    })
}

/// Runs a worker, and keeps the dispatcher alive until the worker has ended.
async fn within(dispatcher: Dispatcher, name: &'static str, run: impl Future<Output = ()>) {
    let run = dispatcher.inner.decisions.running(name, run);
    watched(dispatcher, name, run).await;
}

/// Runs a task, and notes if it ends before its work does.
async fn watched(dispatcher: Dispatcher, name: &'static str, run: impl Future<Output = ()>) {
    let guard = dispatcher.inner.lifecycle.task(name);
    run.await;
    // After a shutdown, or as the worker of a shard that was divided.
    guard.complete();
}

/// Notes when each projection has caught up: at once, in a process that answers no queries.
fn note_catch_ups(dispatcher: &Dispatcher, roles: &[Role], tasks: &Tasks) {
    let is_asked = roles.contains(&Role::Queries);
    for place in 0..dispatcher.inner.projections.len() {
        if is_asked {
            tasks.spawn(catch_up(dispatcher.clone(), place));
        } else {
            dispatcher.inner.catch_up.complete(place);
        }
    }
}

/// Notes when a projection has caught up.
async fn catch_up(dispatcher: Dispatcher, place: usize) {
    let inner = &dispatcher.inner;
    let _ = unless(inner.lifecycle.draining(), inner.catch_up(place)).await;
}
