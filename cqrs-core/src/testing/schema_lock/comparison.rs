use std::collections::BTreeMap;

use super::changes::{changed_fields, defaults};
use super::contract::Contract;
use super::finding::{Finding, Severity};
use super::judgement::mismatches;
use super::lock::{Lock, LockedEvent, LockedModel, LockedProjection, LockedType};
use super::mismatch::{Mismatch, What};
use super::program::Program;
use super::subject::{Direction, StoredKind, StoredType, changed_default};
use crate::message::Storage;
use crate::registry::EventEntry;
use crate::source::Source;
use crate::wiring::{PlannedProjection, Problem};

/// The lock beside the program.
pub(super) struct LockComparison<'p> {
    program: &'p Program,
    /// What there is to say.
    pub(super) findings: Vec<Finding>,
    /// The lock of this program. It has nothing that does not fit the program.
    pub(super) lock: Lock,
}

impl<'p> LockComparison<'p> {
    pub(super) fn new(locked: Lock, program: &'p Program) -> Self {
        let mut comparison = Self {
            program,
            findings: Vec::new(),
            lock: Lock::default(),
        };
        comparison.compare(locked);
        comparison
    }

    fn compare(&mut self, mut locked: Lock) {
        for event in &self.program.events {
            if !self.lock.events.contains_key(event.name) {
                self.event(event, &mut locked);
            }
        }
        for (name, gone) in std::mem::take(&mut locked.events) {
            self.gone(name, gone);
        }
        self.lock.retired.append(&mut locked.retired);
        for process in &self.program.processes {
            let subject = StoredType {
                kind: StoredKind::Process(process.name),
                source: process.source,
                read: Some(&process.check),
            };
            let old = locked.process_managers.remove(process.stored_name());
            if let Some(next) = self.stored(&subject, process.schemas, old) {
                let name = process.stored_name().to_owned();
                self.lock.process_managers.insert(name, next);
            }
        }
        let stored = self.program.aggregates.iter();
        for entry in stored.filter(|it| it.aggregate.storage != Storage::Events) {
            let name = entry.aggregate.name;
            let subject = StoredType {
                kind: StoredKind::Aggregate(name),
                source: entry.source,
                read: None,
            };
            let old = locked.aggregates.remove(entry.stored_name());
            if let Some(next) = self.stored(&subject, entry.schemas, old) {
                let name = entry.stored_name().to_owned();
                self.lock.aggregates.insert(name, next);
            }
        }
        for projection in &self.program.projections {
            let old = locked.projections.remove(projection.entry.stored_name());
            self.projection(projection, old);
        }
        for (kind, names) in [
            (
                "aggregate with a stored state",
                locked.aggregates.keys().collect::<Vec<_>>(),
            ),
            ("projection", locked.projections.keys().collect()),
        ] {
            for name in names {
                self.change(format!("there is no {kind} `{name}` any more"));
            }
        }
        for name in locked.process_managers.keys() {
            self.add(
                Severity::Doubt,
                format!(
                    "there is no process manager `{name}` any more: nothing handles its instances, their commands \
                     and deadlines, and one of another name begins with the first event again"
                ),
                None,
                format!(
                    "`was = [\"{name}\"]` in the `#[process_manager(..)]` that has another name now, or nothing if it \
                     is given up"
                ),
            );
        }
    }

    fn change(&mut self, what: String) {
        self.findings.push(Finding::change(what));
    }

    fn add(
        &mut self,
        severity: Severity,
        what: String,
        at: impl Into<Option<Source>>,
        write: String,
    ) {
        let at = at.into().into_iter().collect();
        let problem = Problem { what, at, write };
        self.findings.push(Finding::new(severity, problem));
    }

    fn event(&mut self, event: &'static EventEntry, locked: &mut Lock) {
        let name = event.name;
        let mut known = locked.events.remove(name);
        if let Some(back) = locked.retired.remove(name) {
            self.change(format!("event `{name}` is read again"));
            known = Some(back);
        }
        let is_new = known.is_none();
        let mut known = known.unwrap_or_default();
        for earlier in event.was {
            let of_name = locked.events.remove(*earlier);
            let renamed = of_name.or_else(|| locked.retired.remove(*earlier));
            if !known.was.contains(*earlier) && (renamed.is_some() || !is_new) {
                self.change(format!(
                    "event `{earlier}` has the name `{name}` now: processes of the previous program do not see what is \
                     recorded under it"
                ));
            }
            if let Some(renamed) = renamed {
                take_over(&mut known, renamed);
            }
            known.was.insert((*earlier).to_owned());
        }
        for dropped in known
            .was
            .iter()
            .filter(|it| !event.was.contains(&it.as_str()))
        {
            self.findings.push(Finding::new(
                Severity::Stored,
                Problem {
                    what: format!(
                        "event `{name}` has no `was = [\"{dropped}\"]` any more: events that were recorded under \
                         that name are not read"
                    ),
                    at: vec![event.source],
                    write: format!("`was = [\"{dropped}\"]` in its `#[event(..)]`"),
                },
            ));
        }
        let Some(contract) = Contract::of(event.schemas) else {
            self.without_schema(&format!("event `{name}`"), event.source);
            self.lock.events.insert(name.to_owned(), known);
            return;
        };
        let is_empty = known.versions.is_empty();
        let versions = self.versions(event, known.versions, contract);
        if is_empty {
            self.change(format!("event `{name}` is new"));
        }
        let next = LockedEvent {
            was: event.was.iter().map(|it| (*it).to_owned()).collect(),
            versions,
        };
        self.lock.events.insert(name.to_owned(), next);
    }

    /// The versions of an event, each beside what the program reads.
    fn versions(
        &mut self,
        event: &'static EventEntry,
        known: BTreeMap<u32, LockedType>,
        contract: Contract,
    ) -> BTreeMap<u32, LockedType> {
        let (name, present) = (event.name, event.version);
        let mut next = BTreeMap::new();
        let is_new = !known.is_empty() && !known.contains_key(&present);
        for (version, old) in known {
            if version > present {
                self.add(
                    Severity::Stored,
                    format!("event `{name}` has version {present}, and the lock has {version}"),
                    event.source,
                    format!("`version = {version}` in its `#[event(..)]`"),
                );
                continue;
            }
            let read = |json: &[u8]| {
                let again = self.program.record_again(event, (name, version), json);
                again.map(drop)
            };
            let subject = StoredType {
                kind: StoredKind::Event {
                    name,
                    version,
                    present,
                },
                source: event.source,
                read: Some(&read),
            };
            let mut findings = Vec::new();
            if version == present {
                next.insert(
                    version,
                    evolved(&subject, old, contract.clone(), &mut findings),
                );
            } else if self.program.converts(event) || fits(&subject, &old, &contract, &mut findings)
            {
                next.insert(version, old);
            }
            self.findings.append(&mut findings);
        }
        if is_new {
            self.change(format!("event `{name}` has version {present}"));
        }
        next.entry(present)
            .or_insert_with(|| LockedType::new(contract, Vec::new()));
        next
    }

    /// An event of the lock that the program does not have.
    fn gone(&mut self, name: String, gone: LockedEvent) {
        let mut events = self.program.events.iter();
        if let Some(event) = events.find(|it| it.retired.contains(&name.as_str())) {
            self.change(format!("event `{name}` is retired by `{}`", event.name));
            self.lock.retired.insert(name, gone);
            return;
        }
        self.add(
            Severity::Stored,
            format!("there is no event `{name}` any more: events that were recorded are not read"),
            None,
            format!(
                "`was = [\"{name}\"]` in the `#[event(..)]` that it has another name in, or `retired = \
                 [\"{name}\"]` in that which has replaced it and nothing needs it any more"
            ),
        );
    }

    /// A stored type that has no versions.
    fn stored(
        &mut self,
        subject: &StoredType<'_>,
        schemas: fn() -> Option<crate::message::Schemas>,
        old: Option<LockedType>,
    ) -> Option<LockedType> {
        let Some(contract) = Contract::of(schemas) else {
            self.without_schema(&subject.shown(), subject.source);
            return old;
        };
        let Some(old) = old else {
            self.change(format!("{} is new", subject.shown()));
            return Some(LockedType::new(contract, Vec::new()));
        };
        Some(evolved(subject, old, contract, &mut self.findings))
    }

    fn without_schema(&mut self, shown: &str, source: Source) {
        self.add(
            Severity::Wrong,
            format!("{shown} has no JSON schema"),
            source,
            "`#[derive(JsonSchema)]` on the type, and on those of its fields".to_owned(),
        );
    }

    fn projection(&mut self, projection: &PlannedProjection, old: Option<LockedProjection>) {
        let (name, version) = (projection.entry.name, projection.entry.version);
        let source = projection.entry.source;
        let old = match old {
            Some(old) if old.version == version => Some(old),
            Some(_) => {
                self.change(format!("projection `{name}` has version {version}"));
                None
            }
            None => {
                self.change(format!("projection `{name}` is new"));
                None
            }
        };
        let is_new = old.is_none();
        let mut known = old.map(|it| it.read_models).unwrap_or_default();
        let mut read_models = BTreeMap::new();
        for model in projection.models() {
            let types = model.index_types.iter().map(|it| (*it).to_owned());
            let indexes = model
                .indexes
                .iter()
                .map(|it| (*it).to_owned())
                .zip(types)
                .collect();
            let contract = Contract::of(model.schemas);
            let subject = StoredType {
                kind: StoredKind::View {
                    model: model.name,
                    projection: name,
                    version,
                },
                source,
                read: None,
            };
            let views = match known.remove(model.name) {
                None => {
                    if !is_new {
                        self.of_version(&subject.shown(), "is new", version, source);
                    }
                    contract.map(|contract| LockedType::new(contract, Vec::new()))
                }
                Some(old) => {
                    if old.indexes != indexes {
                        self.of_version(&subject.shown(), "has other indexes", version, source);
                    }
                    match (old.views, contract) {
                        (Some(old), Some(contract)) => {
                            Some(evolved(&subject, old, contract, &mut self.findings))
                        }
                        (old, contract) => {
                            if old.is_some() != contract.is_some() {
                                let has = if contract.is_some() { "a" } else { "no" };
                                self.change(format!("{} has {has} JSON schema", subject.shown()));
                            }
                            contract.map(|contract| LockedType::new(contract, Vec::new()))
                        }
                    }
                }
            };
            read_models.insert(model.name.to_owned(), LockedModel { indexes, views });
        }
        for model in known.keys() {
            self.of_version(&format!("read model `{model}`"), "is gone", version, source);
        }
        let next = LockedProjection {
            version,
            read_models,
        };
        let name = projection.entry.stored_name().to_owned();
        self.lock.projections.insert(name, next);
    }

    fn of_version(&mut self, shown: &str, what: &str, version: u32, source: Source) {
        self.add(
            Severity::Stored,
            format!("{shown} {what}: views that were written before are found no more"),
            source,
            format!(
                "`version = {}` in the attribute of the projection",
                version + 1
            ),
        );
    }
}

/// Adds the versions of an event that has another name now.
fn take_over(event: &mut LockedEvent, renamed: LockedEvent) {
    event.was.extend(renamed.was);
    for (version, of_renamed) in renamed.versions {
        match event.versions.get_mut(&version) {
            None => {
                event.versions.insert(version, of_renamed);
            }
            Some(known) => {
                let all = of_renamed.earlier.into_iter().chain([of_renamed.written]);
                for schema in all.filter(|it| *it != known.written) {
                    if !known.earlier.contains(&schema) {
                        known.earlier.push(schema);
                    }
                }
            }
        }
    }
}

/// Whether an older version is decoded by the present code as it is.
fn fits(
    subject: &StoredType<'_>,
    old: &LockedType,
    contract: &Contract,
    findings: &mut Vec<Finding>,
) -> bool {
    let of_old = mismatches(&old.written, old.read());
    let mut fits = true;
    for written in old.earlier.iter().chain([&old.written]) {
        let found = mismatches(written, &contract.read);
        let new = found.into_iter().filter(|it| !is_known(it, &of_old));
        fits &= report(subject, Direction::Backward, new, findings);
    }
    fits
}

/// The type in the lock of the present code.
fn evolved(
    subject: &StoredType<'_>,
    old: LockedType,
    contract: Contract,
    findings: &mut Vec<Finding>,
) -> LockedType {
    let before = findings.len();
    let is_same = old.written == contract.written && *old.read() == contract.read;
    // What a type writes and cannot read itself is not a change.
    let of_old = mismatches(&old.written, old.read());
    let mut earlier = Vec::new();
    for written in &old.earlier {
        let found = mismatches(written, &contract.read);
        let definite = found
            .into_iter()
            .filter(|it| !matches!(it.what, What::Unclear(_)) && !is_known(it, &of_old));
        if report(subject, Direction::Backward, definite, findings) && *written != contract.written
        {
            earlier.push(written.clone());
        }
    }
    if is_same {
        return LockedType::new(contract, earlier);
    }
    let unread = mismatches(&old.written, &contract.read);
    let new = unread.into_iter().filter(|it| !is_known(it, &of_old));
    if report(subject, Direction::Backward, new, findings)
        && old.written != contract.written
        && !earlier.contains(&old.written)
    {
        earlier.push(old.written.clone());
    }
    if !matches!(subject.kind, StoredKind::Aggregate(_)) {
        let of_new = mismatches(&contract.written, &contract.read);
        let unread = mismatches(&contract.written, old.read());
        let new = unread.into_iter().filter(|it| !is_known(it, &of_new));
        report(subject, Direction::Forward, new, findings);
    }
    let new_defaults = defaults(&contract.read);
    for (path, before) in defaults(old.read()) {
        if let Some(after) = new_defaults.get(&path)
            && *after != before
        {
            let texts = [format!("`{before}`"), format!("`{after}`")];
            findings.push(changed_default(subject, &path, texts));
        }
    }
    if findings.len() == before {
        let fields = changed_fields(
            [&old.written, old.read()],
            [&contract.written, &contract.read],
        );
        findings.push(Finding::change(format!("{}: {fields}", subject.shown())));
    }
    LockedType::new(contract, earlier)
}

fn is_known(mismatch: &Mismatch, known: &[Mismatch]) -> bool {
    known
        .iter()
        .any(|it| (&it.path, &it.what) == (&mismatch.path, &mismatch.what))
}

/// Adds mismatches to the findings. Returns whether there are none.
fn report(
    subject: &StoredType<'_>,
    direction: Direction,
    mismatches: impl Iterator<Item = Mismatch>,
    findings: &mut Vec<Finding>,
) -> bool {
    let mut fits = true;
    for mismatch in mismatches {
        let reason = match direction {
            Direction::Forward => None,
            Direction::Backward => match subject.refutes(&mismatch) {
                Ok(()) => continue,
                Err(reason) => reason,
            },
        };
        fits = false;
        let finding = subject.finding(direction, &mismatch, reason.as_deref());
        // Several schemas of one version may have it.
        if !findings.iter().any(|it| it.problem == finding.problem) {
            findings.push(finding);
        }
    }
    fits
}
