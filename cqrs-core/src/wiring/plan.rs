use std::any::TypeId;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::{PlannedProcess, PlannedProjection, Problems, Scope};
use crate::handler::InputKind;
use crate::registry::{
    AggregateEntry, CommandHandlerEntry, EventEntry, HandlerSummary, MessageEntry, MessageKind,
    ProjectionEntry, QueryHandlerEntry, ReactionEntry, Registered, Registry, UpcasterEntry,
};
use crate::source::Source;
use crate::store::ModelSchema;

/// The entries in a dispatcher's scope, checked.
pub(crate) struct Plan {
    pub(crate) registry: &'static Registry,
    pub(crate) messages: Vec<&'static MessageEntry>,
    pub(crate) events: Vec<&'static EventEntry>,
    pub(crate) aggregates: Vec<&'static AggregateEntry>,
    pub(crate) command_handlers: Vec<&'static CommandHandlerEntry>,
    pub(crate) query_handlers: Vec<&'static QueryHandlerEntry>,
    pub(crate) projections: Vec<PlannedProjection>,
    pub(crate) reactions: Vec<&'static ReactionEntry>,
    pub(crate) processes: Vec<PlannedProcess>,
    /// Those in scope, and those of the events of other modules that something in scope reads.
    pub(crate) upcasters: Vec<&'static UpcasterEntry>,
}

/// The read models by their type.
pub(crate) type Models = HashMap<TypeId, PlannedModel>;

/// A read model and its projection.
pub(crate) struct PlannedModel {
    /// The place of the projection in [`Plan::projections`].
    pub(crate) projection: usize,
    pub(crate) schema: Arc<ModelSchema>,
}

impl Plan {
    /// A plan with all aggregates and nothing else, for a test to add to.
    pub(crate) fn of_aggregates(registry: &'static Registry) -> Self {
        Self {
            registry,
            messages: Vec::new(),
            events: Vec::new(),
            aggregates: registry.aggregates.clone(),
            command_handlers: Vec::new(),
            query_handlers: Vec::new(),
            projections: Vec::new(),
            reactions: Vec::new(),
            processes: Vec::new(),
            upcasters: Vec::new(),
        }
    }

    /// Selects the entries in scope, and checks everything that does not depend on the builder.
    pub(crate) fn new(registry: &'static Registry, scope: &Scope, problems: &mut Problems) -> Self {
        let projections = within(&registry.projections, scope);
        let mut plan = Self {
            registry,
            messages: within(&registry.messages, scope),
            events: within(&registry.events, scope),
            aggregates: within(&registry.aggregates, scope),
            command_handlers: within(&registry.command_handlers, scope),
            query_handlers: within(&registry.query_handlers, scope),
            projections: projections
                .into_iter()
                .map(PlannedProjection::new)
                .collect(),
            reactions: within(&registry.reactions, scope),
            processes: within(&registry.processes, scope)
                .into_iter()
                .map(PlannedProcess::new)
                .collect(),
            upcasters: within(&registry.upcasters, scope),
        };
        let of_others = plan.upcasters_of_others();
        plan.upcasters.extend(of_others);
        let conversions = plan.conversions();
        for projection in &mut plan.projections {
            projection.read_by(&conversions.tags, &plan.upcasters);
        }
        plan.check_modules(scope, problems);
        plan.check_names(problems);
        plan.check_handlers(problems);
        plan.check_sent_commands(problems);
        plan.check_events(problems);
        plan.check_earlier_events(problems);
        plan.check_earlier_names(problems);
        plan.check_partitions(problems);
        plan.check_read_models(problems);
        plan.check_inputs(problems);
        plan.check_rows(problems);
        plan.check_processes(problems);
        plan
    }

    /// The handlers of commands, then those of queries.
    pub(crate) fn handlers(&self) -> impl Iterator<Item = HandlerSummary> {
        let commands = self
            .command_handlers
            .iter()
            .map(|it| it.summary(MessageKind::Command));
        let queries = self
            .query_handlers
            .iter()
            .map(|it| it.summary(MessageKind::Query));
        commands.chain(queries)
    }

    /// The read models.
    pub(crate) fn models(&self) -> Models {
        let mut models = HashMap::new();
        for (place, projection) in self.projections.iter().enumerate() {
            for model in projection.models() {
                let planned = PlannedModel {
                    projection: place,
                    schema: Arc::new(projection.schema(model)),
                };
                models.insert(model.id, planned);
            }
        }
        models
    }

    fn check_modules(&self, scope: &Scope, problems: &mut Problems) {
        let sources = self.registry.sources();
        if sources.is_empty() {
            problems.add(
                "nothing is registered in this process: no crate with messages is linked",
                None,
                "`.module(the_crate::module())` on the builder, or `use the_crate as _;`",
            );
        }
        for module in scope.modules() {
            if !sources.iter().any(|source| source.is_within(module.path())) {
                problems.add(
                    format!("module `{}` registers nothing", module.path()),
                    None,
                    "messages and handlers in it, or below it; `cqrs_core::module!()` belongs at \
                     the top of the crate or module that has them",
                );
            }
        }
    }

    fn check_names(&self, problems: &mut Problems) {
        for (kind, word) in [
            (MessageKind::Command, "commands"),
            (MessageKind::Query, "queries"),
        ] {
            let messages = self.messages.iter().filter(|it| it.kind == kind);
            let write = "another `name = \"..\"` in the attribute of one of them";
            doubled(
                messages.map(|it| (it.name, it.source)),
                word,
                write,
                problems,
            );
        }
        let events = self.events.iter().map(|it| (it.name, it.source));
        let write = "another `name` in the `#[event(..)]` of one of them";
        doubled(events, "events", write, problems);
        for event in &self.events {
            for retired in self
                .events
                .iter()
                .filter(|it| event.retired.contains(&it.name))
            {
                problems.add(
                    format!("the event `{}` is retired, but registered", retired.name),
                    [event.source, retired.source],
                    "`retired` without it, or remove the event",
                );
            }
        }
        let aggregates = self
            .aggregates
            .iter()
            .map(|it| (it.aggregate.name, it.source));
        let write = "`name = \"..\"` in the `#[aggregate(..)]` of one of them, and `#[id(\"..\")]` \
             on its fields";
        doubled(aggregates, "aggregates", write, problems);
        let projections = self
            .projections
            .iter()
            .map(|it| (it.entry.name, it.entry.source));
        let write = "another `name` in the `#[projection(..)]` of one of them";
        doubled(projections, "projections", write, problems);
        let reactions = self.reactions.iter().map(|it| (it.name, it.source));
        let write = "`name = \"..\"` in the `#[event_handler]` of one of them";
        doubled(reactions, "event handlers", write, problems);
        let processes = self.processes.iter();
        let write = "another `name` in the `#[process_manager(..)]` of one of them";
        doubled(
            processes.map(|it| (it.entry.name, it.entry.source)),
            "process managers",
            write,
            problems,
        );
    }

    fn check_handlers(&self, problems: &mut Problems) {
        let mut handlers: BTreeMap<(MessageKind, &str), Vec<Source>> = BTreeMap::new();
        for handler in self.handlers() {
            let message = (handler.kind, handler.message);
            handlers.entry(message).or_default().push(handler.source);
        }
        for message in &self.messages {
            let word = message.kind.word();
            let name = message.name;
            let write = "one handler for it: remove the others, or include the module of only one";
            match handlers.get(&(message.kind, name)).map(Vec::as_slice) {
                None | Some([]) => problems.add(
                    format!("{word} `{name}` has no handler"),
                    [message.source],
                    self.handler_to_write(message.kind, name),
                ),
                Some([_]) => {}
                Some(several) => {
                    let what = format!("{word} `{name}` has {} handlers", several.len());
                    problems.add(what, several.to_vec(), write);
                }
            }
        }
        // Handlers in scope whose messages are declared in a module out of scope.
        for ((kind, name), sources) in handlers {
            let is_declared = self
                .messages
                .iter()
                .any(|it| it.kind == kind && it.name == name);
            if sources.len() > 1 && !is_declared {
                let what = format!("{} `{name}` has {} handlers", kind.word(), sources.len());
                problems.add(what, sources, "one handler for it: remove the others");
            }
        }
    }

    /// Checks that each command that a reaction or a process manager returns has a handler. One whose message
    /// is in scope is reported in any case.
    fn check_sent_commands(&self, problems: &mut Problems) {
        let reactions = self.reactions.iter().map(|reaction| {
            let name = format!("event handler `{}`", reaction.name);
            (name, reaction.source, (reaction.sends)())
        });
        let processes = self.processes.iter().flat_map(|process| {
            let steps = process.steps.iter();
            steps.map(|step| {
                (
                    process.step_name(step),
                    process.source_of(step),
                    step.sends(),
                )
            })
        });
        for (sender, source, sends) in reactions.chain(processes) {
            for name in sends {
                let kind = MessageKind::Command;
                let mut declared = self.messages.iter();
                let mut handlers = self.command_handlers.iter();
                if declared.any(|it| (it.kind, it.name) == (kind, name))
                    || handlers.any(|it| it.message == name)
                {
                    continue;
                }
                problems.add(
                    format!("{sender} returns the command `{name}`, which has no handler"),
                    [source],
                    self.handler_to_write(kind, name),
                );
            }
        }
    }

    fn check_events(&self, problems: &mut Problems) {
        let known = |event: &str| self.registry.events.iter().any(|it| it.name == event);
        let mut unknown: BTreeMap<&str, Vec<Source>> = BTreeMap::new();
        for aggregate in &self.aggregates {
            for event in aggregate
                .aggregate
                .events
                .iter()
                .filter(|event| !known(event))
            {
                unknown.entry(event).or_default().push(aggregate.source);
            }
        }
        for projection in &self.projections {
            for fold in projection.folds.iter().filter(|fold| !known(fold.event)) {
                let source = Source {
                    line: fold.line,
                    ..projection.entry.source
                };
                unknown.entry(fold.event).or_default().push(source);
            }
        }
        for reaction in self.reactions.iter().filter(|it| !known(it.event)) {
            unknown
                .entry(reaction.event)
                .or_default()
                .push(reaction.source);
        }
        for process in &self.processes {
            for (step, event) in process.events().filter(|(_, event)| !known(event)) {
                unknown
                    .entry(event)
                    .or_default()
                    .push(process.source_of(step));
            }
        }
        for (event, sources) in unknown {
            let what = format!("nothing registers the event `{event}`");
            problems.add(
                what,
                sources,
                "`#[derive(Event)]` on its type, instead of an `impl`",
            );
        }
    }

    /// Checks that each event of a partitioned projection or reaction belongs to one shard.
    fn check_partitions(&self, problems: &mut Problems) {
        for PlannedProjection { entry, folds, .. } in &self.projections {
            for fold in folds {
                let source = Source {
                    line: fold.line,
                    ..entry.source
                };
                let name = format!("projection `{}`", entry.name);
                self.check_partition(entry.partition, fold.event, &name, source, problems);
            }
        }
        for entry in &self.reactions {
            let name = format!("event handler `{}`", entry.name);
            self.check_partition(entry.partition, entry.event, &name, entry.source, problems);
        }
    }

    fn check_partition(
        &self,
        partition: Option<&str>,
        event: &str,
        name: &str,
        source: Source,
        problems: &mut Problems,
    ) {
        let known = self.events.iter().chain(&self.registry.events);
        let registered = known.copied().find(|it| it.name == event);
        let (Some(partition), Some(event)) = (partition, registered) else {
            return;
        };
        if !event.concerns.contains(&partition) {
            problems.add(
                format!(
                    "{name} is partitioned by `{partition}`, but its event `{}` has no id of it",
                    event.name
                ),
                [source, event.source],
                format!("`#[id(\"{partition}\")]` on a field of the event, or another `partition`"),
            );
        } else if event.repeated.contains(&partition) {
            problems.add(
                format!(
                    "{name} is partitioned by `{partition}`, but its event `{}` may have several \
                     ids of it, and belongs to one shard",
                    event.name
                ),
                [source, event.source],
                "another `partition`, or none",
            );
        }
    }

    fn check_read_models(&self, problems: &mut Problems) {
        let mut kept: HashMap<TypeId, Source> = HashMap::new();
        for projection in &self.projections {
            let source = projection.entry.source;
            let mut tables: HashSet<String> = HashSet::new();
            for model in projection.models() {
                if let Some(other) = kept.insert(model.id, source) {
                    problems.add(
                        format!(
                            "read model `{}` is kept by more than one projection",
                            model.name
                        ),
                        [other, source],
                        "one projection for it: a read model has one checkpoint",
                    );
                }
                if !tables.insert(projection.schema(model).table) {
                    problems.add(
                        format!(
                            "two read models of one projection are named `{}`",
                            model.name
                        ),
                        [source],
                        "`#[read_model(name = \"..\")]` on one of them",
                    );
                }
            }
        }
        for handler in &self.query_handlers {
            for input in (handler.inputs)() {
                if let InputKind::Views(model) = input.kind
                    && !kept.contains_key(&model.id)
                {
                    problems.add(
                        format!("no projection keeps the read model `{}`", model.name),
                        [handler.source],
                        match self.keeper_elsewhere(model.id) {
                            Some(ProjectionEntry { name, source, .. }) => format!(
                                "`.module(..)` on the builder for `{}`, whose projection `{name}` \
                                 keeps it ({source})",
                                source.module
                            ),
                            None => "a `#[projection]` with an `#[on]` method that takes `&mut \
                                     Views<..>` of it, or `.module(..)` on the builder for the \
                                     crate that has it"
                                .to_owned(),
                        },
                    );
                }
            }
        }
    }
}

impl Plan {
    /// What to write for a message without a handler.
    fn handler_to_write(&self, kind: MessageKind, message: &str) -> String {
        let word = kind.word();
        match self.registry.handler_of(kind, message) {
            Some(HandlerSummary { name, source, .. }) => format!(
                "`.module(..)` on the builder for `{}`, whose `{name}` handles it ({source})",
                source.module
            ),
            None => format!(
                "`#[{word}_handler] fn {}({word}: {message}, ..)`, or `.module(..)` on the builder for \
                 the crate that has it",
                snake(message)
            ),
        }
    }

    /// The projection that keeps a read model, in scope or not.
    fn keeper_elsewhere(&self, model: TypeId) -> Option<&'static ProjectionEntry> {
        let mut projections = self.registry.projections.iter().copied();
        projections.find(|entry| {
            let folds = (entry.folds)();
            let mut inputs = folds.iter().flat_map(|fold| &fold.inputs);
            inputs.any(|input| matches!(input.kind, InputKind::Views(kept) if kept.id == model))
        })
    }
}

fn within<T: Registered>(entries: &[&'static T], scope: &Scope) -> Vec<&'static T> {
    let entries = entries.iter().copied();
    entries.filter(|it| scope.includes(it.source())).collect()
}

fn doubled<'a>(
    names: impl Iterator<Item = (&'a str, Source)>,
    word: &str,
    write: &str,
    problems: &mut Problems,
) {
    let mut sources: BTreeMap<&str, Vec<Source>> = BTreeMap::new();
    for (name, source) in names {
        sources.entry(name).or_default().push(source);
    }
    for (name, sources) in sources {
        if sources.len() > 1 {
            let what = format!("{} {word} are named `{name}`", sources.len());
            problems.add(what, sources, write);
        }
    }
}

/// The name of a function for a type: `create_product` for `CreateProduct`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}
