use std::collections::BTreeMap;

use super::{Plan, Problems, Stores};
use crate::handler::StepKind;
use crate::message::EffectKind;
use crate::registry::{ProcessEntry, ProcessStep, RESERVED, SCHEDULED_COMMANDS};
use crate::source::Source;
use crate::store::CommitMode;

/// A process manager with its steps.
pub(crate) struct PlannedProcess {
    pub(crate) entry: &'static ProcessEntry,
    pub(crate) steps: Vec<ProcessStep>,
    /// The place that has it in the dispatcher: its own, or the builder's method for one of the framework.
    pub(super) source: Source,
    /// Its name in errors.
    title: String,
}

impl PlannedProcess {
    /// The process manager with this entry.
    pub(crate) fn new(entry: &'static ProcessEntry) -> Self {
        Self {
            entry,
            steps: (entry.steps)(),
            source: entry.source,
            title: format!("process manager `{}`", entry.name),
        }
    }

    /// A process manager of the framework, which this place asks for.
    pub(crate) fn of_framework(entry: &'static ProcessEntry, source: Source) -> Self {
        Self {
            source,
            title: format!("the process manager of `{}`", entry.name),
            ..Self::new(entry)
        }
    }

    /// The place of a step.
    pub(crate) fn source_of(&self, step: &ProcessStep) -> Source {
        Source {
            line: step.line,
            ..self.entry.source
        }
    }

    /// The name of a step in errors.
    pub(super) fn step_name(&self, step: &ProcessStep) -> String {
        format!("process manager `{}`, in `{}`,", self.entry.name, step.name)
    }

    /// The steps for events, with these.
    pub(crate) fn events(&self) -> impl Iterator<Item = (&ProcessStep, &'static str)> {
        let steps = self.steps.iter();
        steps.filter_map(|step| Some((step, step.event?)))
    }

    fn effects(&self) -> impl Iterator<Item = (&ProcessStep, EffectKind)> {
        let steps = self.steps.iter();
        steps.flat_map(|step| step.effects.iter().map(move |effect| (step, *effect)))
    }

    fn has_due(&self, event: &str) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step.kind, StepKind::Due) && step.event == Some(event))
    }

    fn check_starts(&self, problems: &mut Problems) {
        let mut steps = self.steps.iter();
        if !steps.any(|step| matches!(step.kind, StepKind::Start)) {
            problems.add(
                format!("process manager `{}` has no `#[start]`", self.entry.name),
                [self.entry.source],
                "`#[start]` on the method of the event that begins an instance",
            );
        }
    }

    fn check_doubled(&self, problems: &mut Problems) {
        let mut events: BTreeMap<&str, Vec<Source>> = BTreeMap::new();
        let mut rejected: BTreeMap<&str, Vec<Source>> = BTreeMap::new();
        for step in &self.steps {
            let source = self.source_of(step);
            match (step.kind, step.event) {
                (StepKind::Rejected { command, .. }, _) => {
                    rejected.entry(command).or_default().push(source);
                }
                (_, Some(event)) => events.entry(event).or_default().push(source),
                (_, None) => {}
            }
        }
        let name = self.entry.name;
        for (event, sources) in events.into_iter().filter(|(_, it)| it.len() > 1) {
            problems.add(
                format!(
                    "process manager `{name}` has {} steps for the event `{event}`",
                    sources.len()
                ),
                sources,
                "one method for it",
            );
        }
        for (command, sources) in rejected.into_iter().filter(|(_, it)| it.len() > 1) {
            let count = sources.len();
            problems.add(
                format!(
                    "process manager `{name}` has {count} `#[rejected]` for the command `{command}`"
                ),
                sources,
                "one method for it",
            );
        }
    }

    fn check_deadlines(&self, problems: &mut Problems) {
        let name = self.entry.name;
        for (step, effect) in self.effects() {
            let (word, event) = match effect {
                EffectKind::Deadline(event) => ("sets", event),
                EffectKind::Reschedule(event) => ("moves", event),
                EffectKind::Cancel(event) => ("cancels", event),
                EffectKind::Send(_) | EffectKind::End => continue,
            };
            if !self.has_due(event) {
                problems.add(
                    format!(
                        "process manager `{name}` {word} a deadline with the event `{event}`, and no \
                         step takes that"
                    ),
                    [self.source_of(step)],
                    "`#[due]` on a method that takes the event",
                );
            }
        }
        for step in &self.steps {
            let is_due = matches!(step.kind, StepKind::Due);
            let Some(event) = step.event.filter(|_| is_due) else {
                continue;
            };
            if !self
                .effects()
                .any(|(_, effect)| effect == EffectKind::Deadline(event))
            {
                problems.add(
                    format!(
                        "process manager `{name}` waits for the event `{event}` of a deadline, which no \
                         step sets"
                    ),
                    [self.source_of(step)],
                    "`Deadline<..>` of the event in the return type of a step, or `#[on]` in place of \
                     `#[due]`",
                );
            }
        }
    }

    fn check_rejected(&self, problems: &mut Problems) {
        for step in &self.steps {
            let StepKind::Rejected { command, .. } = step.kind else {
                continue;
            };
            if !self
                .effects()
                .any(|(_, effect)| effect == EffectKind::Send(command))
            {
                problems.add(
                    format!(
                        "process manager `{}` takes the rejection of the command `{command}`, which no \
                         step sends",
                        self.entry.name
                    ),
                    [self.source_of(step)],
                    "the command in the return type of a step, or remove the method",
                );
            }
        }
    }
}

impl ProcessStep {
    /// The wire names of the commands that the step may send.
    pub(crate) fn sends(&self) -> Vec<&'static str> {
        let effects = self.effects.iter();
        let sent = effects.filter_map(|effect| match effect {
            EffectKind::Send(command) => Some(*command),
            _ => None,
        });
        sent.collect()
    }
}

impl Plan {
    /// Checks that the steps of each process manager fit together, and that its events find its instances.
    pub(super) fn check_processes(&self, problems: &mut Problems) {
        for process in &self.processes {
            process.check_starts(problems);
            process.check_doubled(problems);
            process.check_deadlines(problems);
            process.check_rejected(problems);
            for (step, event) in process.events() {
                self.check_correlation(process, step, event, problems);
            }
        }
        let mut processes = self.processes.iter().map(|process| process.entry);
        if let Some(entry) = processes.find(|entry| entry.stored_name() == SCHEDULED_COMMANDS) {
            problems.add(
                format!(
                    "process manager `{}` has the name of one of the framework",
                    entry.name
                ),
                [entry.source],
                "another `name` in its `#[process_manager(..)]`",
            );
        }
        for event in self.events.iter().filter(|it| it.names().any(is_reserved)) {
            problems.add(
                format!(
                    "the event `{}` has a name that belongs to process managers",
                    event.name
                ),
                [event.source],
                format!(
                    "another `name` in its `#[event(..)]`, that does not begin with `{RESERVED}`"
                ),
            );
        }
    }

    fn check_correlation(
        &self,
        process: &PlannedProcess,
        step: &ProcessStep,
        event: &str,
        problems: &mut Problems,
    ) {
        let ProcessEntry { name, key, .. } = *process.entry;
        let known = self.events.iter().chain(&self.registry.events);
        let Some(event) = known.copied().find(|it| it.name == event) else {
            return;
        };
        let sources = [process.source_of(step), event.source];
        if !event.concerns.contains(&key) {
            problems.add(
                format!(
                    "process manager `{name}` finds its instances by `{key}`, but its event `{}` has \
                     no id of that",
                    event.name
                ),
                sources,
                format!("`#[id(\"{key}\")]` on a field of the event"),
            );
        } else if matches!(step.kind, StepKind::Due) && event.repeated.contains(&key) {
            problems.add(
                format!(
                    "process manager `{name}` waits for the event `{}` of a deadline, which may have \
                     several ids of `{key}`, and a deadline belongs to one instance",
                    event.name
                ),
                sources,
                format!("an event with one `#[id(\"{key}\")]`"),
            );
        }
    }
}

impl Stores {
    /// Checks that instances can be kept.
    pub(super) fn check_processes(&self, plan: &Plan, problems: &mut Problems) {
        let Some(views) = &self.views.main else {
            return;
        };
        let capabilities = views.view_capabilities();
        let lack = if capabilities.shards.is_none() {
            "has no shards"
        } else if capabilities.commits != CommitMode::Atomic {
            "does not write all changes of a batch or none"
        } else {
            return;
        };
        for process in &plan.processes {
            problems.add(
                format!(
                    "{} keeps its instances in a view store that {lack}",
                    process.title
                ),
                [process.source],
                "`.views(..)` or `.store(..)` on the builder with another store",
            );
        }
    }
}

fn is_reserved(name: &str) -> bool {
    name.starts_with(RESERVED)
}
