//! Compares the stores of the builder with the needs of messages, handlers and projections. Each check has its error
//! text, so the file is over 500 lines.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::ptr::addr_eq;
use std::sync::Arc;

use super::planned_projection::PlannedProjection;
use super::{Plan, Problems, Role, ViewStores, is_same};
use crate::handler::{Input, InputKind, ModelType, OnFailure, ReaderStore, StoreType};
use crate::message::Storage;
use crate::registry::ProjectionEntry;
use crate::source::Source;
use crate::store::{EventLog, ReaderSource, Store, ViewStore};

/// The stores of a dispatcher.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) views: ViewStores,
    /// They are those of another dispatcher, too.
    pub(crate) are_shared: bool,
}

/// The stores that a builder was given, each with its place in the source.
#[derive(Default)]
pub(crate) struct GivenStores {
    logs: Vec<(Arc<dyn EventLog>, Source)>,
    views: Vec<(Arc<dyn ViewStore>, Source)>,
    of_models: Vec<(ModelType, Arc<dyn ViewStore>, Source)>,
    /// They are those of another dispatcher.
    pub(crate) are_shared: bool,
}

impl GivenStores {
    #[track_caller]
    pub(crate) fn add_log(&mut self, log: Arc<dyn EventLog>) {
        self.logs.push((log, Source::caller()));
    }

    #[track_caller]
    pub(crate) fn add_views(&mut self, views: Arc<dyn ViewStore>) {
        self.views.push((views, Source::caller()));
    }

    #[track_caller]
    pub(crate) fn add_views_of(&mut self, model: ModelType, views: Arc<dyn ViewStore>) {
        self.of_models.push((model, views, Source::caller()));
    }

    /// Checks that the stores have everything that the plan needs. Returns `None` without a log.
    pub(crate) fn check(self, plan: &Plan, problems: &mut Problems) -> Option<Stores> {
        self.check_doubled(problems);
        let models = plan.models();
        for (model, _, source) in &self.of_models {
            if !models.contains_key(&model.id) {
                problems.add(
                    format!(
                        "a view store was given for the read model `{}`, which no projection keeps",
                        model.name
                    ),
                    [*source],
                    "`.module(..)` on the builder for the crate whose projection keeps it, or \
                     remove `.views_of::<..>(..)`",
                );
            }
        }
        let has_views = !self.views.is_empty();
        let of_models = self.of_models.into_iter();
        let views = ViewStores {
            main: self.views.into_iter().next().map(|(views, _)| views),
            of_models: of_models
                .map(|(model, views, _)| (model.id, (model, views)))
                .collect(),
        };
        let Some((log, _)) = self.logs.into_iter().next() else {
            if has_views {
                problems.add(
                    "the dispatcher has a view store, but no log",
                    None,
                    "`.log(..)` on the builder beside `.views(..)`, or `.store(..)` for both",
                );
            } else {
                problems.add(
                    "the dispatcher has no store",
                    None,
                    "`.store(..)` on the builder: `Memory::new()`, `Sqlite::open(path).await?`, ..",
                );
            }
            return None;
        };
        let stores = Stores {
            log,
            views,
            are_shared: self.are_shared,
        };
        stores.check_states(plan, problems);
        stores.check_views(plan, problems);
        stores.check_commands(plan, problems);
        stores.check_projections(plan, problems);
        stores.check_queries(plan, problems);
        stores.check_parking(plan, problems);
        stores.check_processes(plan, problems);
        Some(stores)
    }

    fn check_doubled(&self, problems: &mut Problems) {
        let logs: Vec<_> = self.logs.iter().map(|(_, source)| *source).collect();
        let views: Vec<_> = self.views.iter().map(|(_, source)| *source).collect();
        if logs.len() > 1 {
            let word = if logs == views { "stores" } else { "logs" };
            problems.add(
                format!("the dispatcher was given {} {word}", logs.len()),
                logs.clone(),
                "`.store(..)` or `.log(..)` once: events would be in one of them only",
            );
        }
        if views.len() > 1 && logs != views {
            problems.add(
                format!("the dispatcher was given {} view stores", views.len()),
                views,
                "`.store(..)` or `.views(..)` once, and `.views_of::<V>(..)` for read models that are \
                 elsewhere",
            );
        }
        let mut of_models: BTreeMap<&str, Vec<Source>> = BTreeMap::new();
        for (model, _, source) in &self.of_models {
            of_models.entry(model.name).or_default().push(*source);
        }
        for (model, sources) in of_models {
            if sources.len() > 1 {
                problems.add(
                    format!(
                        "the read model `{model}` was given {} view stores",
                        sources.len()
                    ),
                    sources,
                    "`.views_of::<..>(..)` once for it",
                );
            }
        }
    }
}

impl Stores {
    /// Creates the stores of a dispatcher with one store for everything.
    pub(crate) fn of<S: Store>(store: Arc<S>) -> Self {
        Self {
            log: store.clone(),
            views: ViewStores::of(store),
            are_shared: false,
        }
    }

    /// Checks that the roles of the process leave something to do, and that its queries get answers.
    pub(crate) fn check_roles(&self, plan: &Plan, roles: &[Role], problems: &mut Problems) {
        if roles.is_empty() {
            problems.add(
                "the dispatcher was given no role, so it would do nothing",
                None,
                "`.roles([Role::Commands, ..])` with at least one on the builder, or leave it out for \
                 all",
            );
            return;
        }
        if self.are_shared || !roles.contains(&Role::Queries) || roles.contains(&Role::Projections)
        {
            return;
        }
        let private = plan.projections.iter().filter(|projection| {
            self.of_projection(projection)
                .is_some_and(|views| views.view_capabilities().private)
        });
        let sources: Vec<_> = private.map(|it| it.entry.source).collect();
        if !sources.is_empty() {
            problems.add(
                "read models are in the memory of a process that does not have the role `projections`: \
                 nothing would bring them up to date",
                sources,
                "`Role::Projections` in `.roles(..)` on the builder, or a view store that processes \
                 share, or a clone of the one that a dispatcher of this process has",
            );
        }
    }

    /// The store of a projection's checkpoint and views. `check` has made sure that it is a single
    /// one.
    pub(crate) fn of_projection(
        &self,
        projection: &PlannedProjection,
    ) -> Option<&Arc<dyn ViewStore>> {
        match projection.models().first() {
            Some(model) => self.views.of_model(model.id),
            None => self.views.main.as_ref(),
        }
    }

    /// The store that a query handler's input reads from. `None` unless it is a single one.
    pub(crate) fn reader(&self, input: &Input) -> Option<ReaderStore> {
        match input.kind {
            InputKind::Transaction(wanted) => self.transactional(wanted).pop(),
            InputKind::Reader(wanted) => self.with_reader(wanted).pop(),
            _ => None,
        }
    }

    fn check_views(&self, plan: &Plan, problems: &mut Problems) {
        let projections = plan
            .projections
            .iter()
            .filter(|it| self.of_projection(it).is_none())
            .map(|it| it.entry.source);
        let reactions = plan
            .reactions
            .iter()
            .filter(|_| self.views.main.is_none())
            .map(|it| it.source);
        let processes = plan
            .processes
            .iter()
            .filter(|_| self.views.main.is_none())
            .map(|it| it.source);
        let without: Vec<_> = projections.chain(reactions).chain(processes).collect();
        if !without.is_empty() {
            problems.add(
                "the dispatcher has no view store, for the checkpoints of projections and event \
                 handlers, and for read models",
                without,
                "`.views(..)` on the builder beside `.log(..)`, or `.store(..)` for both",
            );
        }
        for projection in &plan.projections {
            let models = projection.models();
            let mut stores = models.iter().filter_map(|it| self.views.of_model(it.id));
            if let Some(first) = stores.next()
                && stores.any(|other| !is_same(first, other))
            {
                problems.add(
                    format!(
                        "the read models of projection `{}` are in several view stores",
                        projection.entry.name
                    ),
                    [projection.entry.source],
                    "`.views_of::<..>(..)` with one store for all of them, or a projection for each \
                     store: the views of a projection and its checkpoint commit together",
                );
            }
        }
    }

    fn check_states(&self, plan: &Plan, problems: &mut Problems) {
        let capabilities = self.log.capabilities();
        let lack = if capabilities.states.is_none() {
            "the log keeps no states"
        } else if !capabilities.several_boundaries {
            // The aggregates that a handler takes, and those that its events concern, are read as
            // of different positions.
            "the log takes one boundary per append"
        } else {
            return;
        };
        for entry in &plan.aggregates {
            if entry.aggregate.storage == Storage::State {
                problems.add(
                    format!(
                        "aggregate `{}` has `storage = \"state\"`, but {lack}",
                        entry.aggregate.name
                    ),
                    [entry.source],
                    "`#[aggregate(..)]` without `storage`, to fold the state from its events, or a \
                     log that keeps states",
                );
            }
        }
    }

    fn check_commands(&self, plan: &Plan, problems: &mut Problems) {
        let capabilities = self.log.capabilities();
        let transactional = capabilities.transactions.map(ReaderSource::store_type);
        let mut others = Others::default();
        let mut others_to_write = Others::default();
        for handler in &plan.command_handlers {
            let inputs = (handler.inputs)();
            others.add_transactions(handler.source, &inputs, transactional);
            others_to_write.add_writes(handler.source, &inputs, capabilities.writes);
        }
        others_to_write.report(problems, |name| {
            (
                format!(
                    "command handlers record statements for `{name}`, which does not keep the \
                     dispatcher's log"
                ),
                format!(
                    "`.store(..)` or `.log(..)` with a `{name}`, or include other modules: the \
                     statements of a command handler commit with its events"
                ),
            )
        });
        others.report(problems, |name| {
            (
                format!(
                    "command handlers take transactions of `{name}`, which does not keep the \
                     dispatcher's log"
                ),
                format!(
                    "`.store(..)` or `.log(..)` with a `{name}`, or include other modules: the writes \
                     of a command handler commit with its events"
                ),
            )
        });
    }

    fn check_projections(&self, plan: &Plan, problems: &mut Problems) {
        let mut others = Others::default();
        for projection in &plan.projections {
            let Some(views) = self.of_projection(projection) else {
                continue;
            };
            let transactions = views.view_capabilities().transactions;
            let store = transactions.map(ReaderSource::store_type);
            for (source, inputs) in projection.methods() {
                others.add_transactions(source, inputs, store);
            }
        }
        others.report(problems, |name| {
            (
                format!(
                    "projections take transactions of `{name}`, which does not keep their \
                     checkpoints"
                ),
                format!(
                    "`.store(..)` or `.views(..)` with a `{name}`, or include other modules: the writes \
                     of a projection commit with its checkpoint"
                ),
            )
        });
    }

    /// Checks that parked keys can be stored.
    fn check_parking(&self, plan: &Plan, problems: &mut Problems) {
        let projections = plan.projections.iter().map(|projection| {
            let ProjectionEntry {
                name,
                on_failure,
                source,
                ..
            } = *projection.entry;
            let store = self.of_projection(projection);
            (format!("projection `{name}`"), on_failure, source, store)
        });
        let reactions = plan.reactions.iter().map(|entry| {
            let store = self.views.main.as_ref();
            let name = format!("event handler `{}`", entry.name);
            (name, entry.on_failure, entry.source, store)
        });
        for (name, on_failure, source, store) in projections.chain(reactions) {
            let has_shards = store.is_none_or(|it| it.view_capabilities().shards.is_some());
            if on_failure == OnFailure::Park && !has_shards {
                problems.add(
                    format!(
                        "{name} parks keys, and its view store has no shards to keep them with"
                    ),
                    [source],
                    "`on_failure = \"stop\"`, or another view store on the builder",
                );
            }
        }
    }

    fn check_queries(&self, plan: &Plan, problems: &mut Problems) {
        let mut missing = Others::default();
        let mut several_databases = Others::default();
        let mut several_readers = Others::default();
        for handler in &plan.query_handlers {
            for input in (handler.inputs)() {
                let (wanted, found, several) = match input.kind {
                    InputKind::Transaction(wanted) => {
                        let found = self.transactional(wanted).len();
                        (wanted, found, &mut several_databases)
                    }
                    InputKind::Reader(wanted) => {
                        (wanted, self.with_reader(wanted).len(), &mut several_readers)
                    }
                    _ => continue,
                };
                match found {
                    0 => missing.add(wanted, handler.source),
                    1 => {}
                    _ => several.add(wanted, handler.source),
                }
            }
        }
        missing.report(problems, |name| {
            (
                format!("query handlers read from a `{name}`, which is not a store of the dispatcher"),
                format!(
                    "`.store(..)`, `.views(..)` or `.views_of::<V>(..)` with a `{name}`, or include \
                     other modules"
                ),
            )
        });
        several_databases.report(problems, |name| {
            (
                format!(
                    "query handlers take `ReadTx<..>` of `{name}`, but the dispatcher has several \
                     stores of this type"
                ),
                format!(
                    "`.store(..)` if log and views are one `{name}`, or `Reader<..>` in place of \
                     `ReadTx<..>` to read from the view store rather than the log"
                ),
            )
        });
        several_readers.report(problems, |name| {
            (
                format!(
                    "query handlers take `Reader<..>` of `{name}`, but the dispatcher has several view \
                     stores of this type"
                ),
                format!(
                    "one view store of this type, and `Service<{name}>` in handlers that read from \
                     another"
                ),
            )
        });
    }

    /// The stores of this type that have transactions.
    fn transactional(&self, wanted: StoreType) -> Vec<ReaderStore> {
        let log = self
            .log
            .capabilities()
            .transactions
            .filter(|it| it.store_type() == wanted.id)
            .map(|_| ReaderStore::Log(self.log.clone()));
        // A store that is the log and a view store counts once.
        let views: Vec<_> = self
            .views
            .all()
            .into_iter()
            .filter(|views| !self.is_log(views) || log.is_none())
            .filter(|views| {
                let transactions = views.view_capabilities().transactions;
                transactions.is_some_and(|it| it.store_type() == wanted.id)
            })
            .cloned()
            .map(ReaderStore::Views)
            .collect();
        log.into_iter().chain(views).collect()
    }

    /// The view stores of this type that have a reader.
    fn with_reader(&self, wanted: StoreType) -> Vec<ReaderStore> {
        self.views
            .all()
            .into_iter()
            .cloned()
            .map(ReaderStore::Views)
            .filter(|store| {
                let readers = store.readers();
                readers.is_some_and(|it| it.store_type() == wanted.id)
            })
            .collect()
    }

    /// The log as a view store, if it is one.
    pub(crate) fn views_beside_log(&self) -> Option<&Arc<dyn ViewStore>> {
        self.views.all().into_iter().find(|it| self.is_log(it))
    }

    fn is_log(&self, views: &Arc<dyn ViewStore>) -> bool {
        addr_eq(Arc::as_ptr(&self.log), Arc::as_ptr(views))
    }
}

/// The places where handlers name stores that the dispatcher lacks, by the stores' names.
#[derive(Default)]
struct Others(BTreeMap<&'static str, BTreeSet<Source>>);

impl Others {
    fn add(&mut self, wanted: StoreType, source: Source) {
        self.0.entry(wanted.name).or_default().insert(source);
    }

    /// Adds the transactions among these inputs that are not of this store.
    fn add_transactions(&mut self, source: Source, inputs: &[Input], store: Option<TypeId>) {
        for input in inputs {
            if let InputKind::Transaction(wanted) = input.kind
                && store != Some(wanted.id)
            {
                self.add(wanted, source);
            }
        }
    }

    /// Adds the `Writes` among these inputs that are not of this store.
    fn add_writes(&mut self, source: Source, inputs: &[Input], store: Option<TypeId>) {
        for input in inputs {
            if let InputKind::Writes(wanted) = input.kind
                && store != Some(wanted.id)
            {
                self.add(wanted, source);
            }
        }
    }

    /// Reports each store, with the problem and the fix that `describe` returns for its name.
    fn report(self, problems: &mut Problems, describe: impl Fn(&str) -> (String, String)) {
        for (name, sources) in self.0 {
            let (what, write) = describe(name);
            problems.add(what, sources, write);
        }
    }
}
