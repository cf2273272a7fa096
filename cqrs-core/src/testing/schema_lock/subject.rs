use super::finding::{Finding, Severity};
use super::mismatch::{Mismatch, What};
use crate::source::Source;
use crate::wiring::Problem;

/// A stored type whose schemas are compared.
pub(super) struct StoredType<'p> {
    pub(super) kind: StoredKind<'p>,
    pub(super) source: Source,
    /// Reads JSON with the present code, if there is a way.
    pub(super) read: Option<ReadsJson<'p>>,
}

/// Reads JSON as the type, to find out whether it can.
pub(super) type ReadsJson<'p> = &'p dyn Fn(&[u8]) -> Result<(), String>;

#[derive(Clone, Copy)]
pub(super) enum StoredKind<'p> {
    Event {
        name: &'p str,
        version: u32,
        /// The version of the present code.
        present: u32,
    },
    Process(&'p str),
    Aggregate(&'p str),
    View {
        model: &'p str,
        projection: &'p str,
        version: u32,
    },
}

/// Who writes and who reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// What is stored, by the present code.
    Backward,
    /// What the present code writes, by the previous program.
    Forward,
}

impl StoredType<'_> {
    /// The type for a report.
    pub(super) fn shown(&self) -> String {
        match self.kind {
            StoredKind::Event { name, version, .. } => {
                format!("event `{name}` (version {version})")
            }
            StoredKind::Process(name) => format!("the state of process manager `{name}`"),
            StoredKind::Aggregate(name) => format!("the stored state of aggregate `{name}`"),
            StoredKind::View {
                model,
                projection,
                version,
            } => format!("read model `{model}` of projection `{projection}` (version {version})"),
        }
    }

    /// Whether the present code reads the values in which a mismatch shows. Otherwise its reason not to.
    pub(super) fn refutes(&self, mismatch: &Mismatch) -> Result<(), Option<String>> {
        let read = self.read.ok_or(None)?;
        if mismatch.witnesses.is_empty() || matches!(mismatch.what, What::Unclear(_)) {
            return Err(None);
        }
        for witness in &mismatch.witnesses {
            read(witness.to_string().as_bytes()).map_err(Some)?;
        }
        Ok(())
    }

    /// A mismatch as a report has it.
    pub(super) fn finding(
        &self,
        direction: Direction,
        mismatch: &Mismatch,
        reason: Option<&str>,
    ) -> Finding {
        let severity = match (&mismatch.what, direction, self.kind) {
            // A stored state that does not fit is folded again.
            (_, _, StoredKind::Aggregate(_)) => Severity::Change,
            (What::Unclear(_), ..) => Severity::Doubt,
            (_, Direction::Backward, _) => Severity::Stored,
            (_, Direction::Forward, _) => Severity::Running,
        };
        let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
        let what = format!(
            "{}: {}: {}{reason}",
            self.shown(),
            change(direction, mismatch),
            self.consequence(direction, mismatch),
        );
        let problem = Problem {
            what,
            at: vec![self.source],
            write: self.advice(direction, mismatch),
        };
        Finding::new(severity, problem)
    }

    /// What the other data would do.
    fn consequence(&self, direction: Direction, mismatch: &Mismatch) -> String {
        let (stored, reader) = match (self.kind, direction) {
            (StoredKind::Aggregate(_), _) => {
                return "states that do not fit are folded from their events again".to_owned();
            }
            (StoredKind::Event { .. }, Direction::Backward) => {
                ("events that were recorded before", "it")
            }
            (StoredKind::Event { .. }, Direction::Forward) => ("events that it records", "it"),
            (StoredKind::Process(_), Direction::Backward) => {
                ("instances that were stored before", "it")
            }
            (StoredKind::Process(_), Direction::Forward) => ("instances that it stores", "it"),
            (StoredKind::View { .. }, Direction::Backward) => {
                ("views that were written before", "it")
            }
            (StoredKind::View { .. }, Direction::Forward) => ("views that it writes", "it"),
        };
        let who = match direction {
            Direction::Backward => "could not be decoded".to_owned(),
            Direction::Forward => format!(
                "could not be decoded by processes of the previous program, while {reader} still runs"
            ),
        };
        match &mismatch.what {
            What::Missing {
                is_optional: false, ..
            } => format!("{stored} have none, and {who}"),
            What::Missing {
                is_optional: true, ..
            } => {
                format!("{stored} may have none, and {who}")
            }
            What::Refused | What::Variant(_) => format!("{stored} may have it, and {who}"),
            What::Kind { .. } => format!("{stored} may have others, and {who}"),
            What::Digits { .. } => format!("{stored} may have more digits, which would be lost"),
            What::Unclear(_) => format!("whether {stored} fit cannot be judged"),
        }
    }

    fn advice(&self, direction: Direction, mismatch: &Mismatch) -> String {
        if let What::Unclear(_) = mismatch.what {
            return "nothing, if they fit: accept it".to_owned();
        }
        let in_place = in_place(direction, mismatch);
        let or = |other: String| match &in_place {
            Some(in_place) => format!("{in_place}, or {other}"),
            None => other,
        };
        match (self.kind, direction) {
            (StoredKind::Event { name, version, present }, Direction::Backward) => {
                if version < present {
                    return or(format!("`#[upcast(event = \"{name}\", from = {version})]`"));
                }
                or(format!(
                    "`version = {}` and `#[upcast(event = \"{name}\", from = {version})]`",
                    version + 1
                ))
            }
            (StoredKind::Event { name, version, .. }, Direction::Forward) => or(format!(
                "`version = {}` and `#[upcast(event = \"{name}\", from = {version})]`: processes of the previous \
                 program leave such events to others. If none of them runs any more, accept it",
                version + 1
            )),
            (StoredKind::Process(_), Direction::Backward) => or(
                "nothing, if the `impl` block has changed, too: then each instance is folded from its events \
                 again, so accept it"
                    .to_owned(),
            ),
            (StoredKind::Process(_), Direction::Forward) => {
                or("nothing, if no process of the previous program runs any more: accept it".to_owned())
            }
            (StoredKind::Aggregate(_), _) => String::new(),
            (StoredKind::View { version, .. }, _) => {
                format!("`version = {}` in the attribute of the projection", version + 1)
            }
        }
    }
}

/// What has changed.
fn change(direction: Direction, Mismatch { path, what, .. }: &Mismatch) -> String {
    let field = if path.is_empty() {
        "it".to_owned()
    } else {
        format!("`{path}`")
    };
    match (what, direction) {
        (
            What::Missing {
                is_optional: false, ..
            },
            Direction::Backward,
        ) => {
            format!("field {field} was added without a default")
        }
        (
            What::Missing {
                is_optional: true, ..
            },
            Direction::Backward,
        ) => {
            format!("field {field} was optional, and has to be there")
        }
        (
            What::Missing {
                is_optional: false, ..
            },
            Direction::Forward,
        ) => {
            format!("field {field} was removed, and had no default")
        }
        (
            What::Missing {
                is_optional: true, ..
            },
            Direction::Forward,
        ) => {
            format!("field {field} is optional now, and had no default")
        }
        (What::Refused, Direction::Backward) => {
            format!("field {field} was removed, and fields that are not known are refused")
        }
        (What::Refused, Direction::Forward) => {
            format!("field {field} was added, and fields that were not known are refused")
        }
        (What::Variant(name), Direction::Backward) => format!("{field} has no `{name}` any more"),
        (What::Variant(name), Direction::Forward) => {
            format!("{field} may be `{name}`, which is new")
        }
        (What::Kind { written, read } | What::Digits { written, read }, Direction::Backward) => {
            format!("{field} was {written}, and is {read}")
        }
        (What::Kind { written, read } | What::Digits { written, read }, Direction::Forward) => {
            format!("{field} is {written}, and was {read}")
        }
        (What::Unclear(what), _) => format!("{field} has {what}"),
    }
}

/// What to write at the field itself.
fn in_place(direction: Direction, Mismatch { path, what, .. }: &Mismatch) -> Option<String> {
    Some(match (what, direction) {
        (What::Missing { dropped, .. }, Direction::Backward) => match dropped.as_slice() {
            [] => "`#[serde(default)]` on it".to_owned(),
            names => format!(
                "`#[serde(default)]` on it, `#[serde(rename = \"{}\")]` if only its name in the code has \
                 changed",
                names[0]
            ),
        },
        (What::Missing { dropped, .. }, Direction::Forward) => {
            let again =
                "the field again, with `#[serde(default)]`, until all processes run that program";
            match (dropped.as_slice(), path.rsplit('.').next()) {
                ([new], Some(field)) => format!(
                    "`#[serde(rename = \"{field}\")]` on `{new}` if only its name in the code has changed, {again}"
                ),
                _ => again.to_owned(),
            }
        }
        (What::Refused, Direction::Backward) => {
            "the type without `#[serde(deny_unknown_fields)]`".to_owned()
        }
        (What::Variant(name), Direction::Backward) => format!(
            "the variant again, or `#[serde(rename = \"{name}\")]` on the one that has another name in the code"
        ),
        _ => return None,
    })
}

/// A default of a field that has changed.
pub(super) fn changed_default(subject: &StoredType<'_>, path: &str, texts: [String; 2]) -> Finding {
    let [before, after] = texts;
    let problem = Problem {
        what: format!(
            "{}: the default of `{path}` was {before}, and is {after}: what was stored without the field means \
             something else now",
            subject.shown()
        ),
        at: vec![subject.source],
        write: format!("{before} as the default, or nothing, if that is meant: accept it"),
    };
    Finding::new(Severity::Doubt, problem)
}
