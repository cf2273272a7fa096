//! The schemas of everything that is stored, in a file beside the code: a change that stored data does not
//! fit fails a test.

mod changes;
mod comparison;
mod contract;
mod finding;
mod golden;
mod judgement;
mod lock;
mod mismatch;
mod patterns;
mod program;
mod sample;
mod shape;
mod subject;
#[cfg(test)]
mod tests;

use std::env;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::module::Module;
use crate::wiring::Scope;
use comparison::LockComparison;
use finding::{Finding, Severity};
use golden::Golden;
use lock::Lock;
use program::Program;

/// The name of the file.
const FILE: &str = "schema.lock.json";

/// The variable that accepts changes.
const ACCEPT: &str = "CQRS_ACCEPT_SCHEMAS";

/// The changes that the variable accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Acceptance {
    None,
    Compatible,
    Downtime,
    Incompatible,
}

/// Checks the schemas of everything that the program stores against `schema.lock.json`, beside the
/// `Cargo.toml` of the crate: events, the states of process managers, stored states of aggregates, and read
/// models with their indexes. A change fails the test. If data that are stored already fit, it is accepted
/// with
///
/// ```sh
/// CQRS_ACCEPT_SCHEMAS=1 cargo test
/// ```
///
/// which writes the file, for a review to see. Otherwise the failure says what the data would do, and what to
/// write. For each version of an event, `golden` has payloads, which are decoded, converted by upcasters, and
/// recorded again.
///
/// `verify_schemas!()` checks all modules of the test's binary, `verify_schemas!(my_domain::module())` those
/// that are named. See [`verify_schemas_in`] for another folder, and the guide about the schema lock.
///
/// ```no_run
/// # mod my_domain { cqrs_core::module!(); }
/// #[test]
/// fn what_is_stored_still_fits() {
///     cqrs_core::testing::verify_schemas!(my_domain::module());
/// }
/// ```
///
/// # Panics
/// With the report, if something does not fit, or the file does not have it yet.
#[doc(hidden)]
#[macro_export]
macro_rules! __verify_schemas {
    ($($module:expr),* $(,)?) => {
        $crate::testing::verify_schemas_in(::core::env!("CARGO_MANIFEST_DIR"), [$($module),*])
    };
}

#[doc(inline)]
pub use crate::__verify_schemas as verify_schemas;

/// Checks the schemas of these modules, of all without any, against the file in this folder. See
/// [`verify_schemas!`]. Each set of modules has a folder of its own.
///
/// # Panics
/// With the report, if something does not fit, or the file does not have it yet.
#[track_caller]
pub fn verify_schemas_in(directory: impl AsRef<Path>, modules: impl IntoIterator<Item = Module>) {
    let mut scope = Scope::default();
    modules.into_iter().for_each(|module| scope.add(module));
    let checked =
        Acceptance::from_env().and_then(|acceptance| check(directory.as_ref(), &scope, acceptance));
    if let Err(report) = checked {
        panic!("{report}");
    }
}

fn check(directory: &Path, scope: &Scope, acceptance: Acceptance) -> Result<(), String> {
    // Tests of one process may check the same file, and only one of them may write it.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let file = directory.join(FILE);
    let program = Program::new(scope);
    let known = Lock::load(&file)?;
    let is_missing = known.is_none();
    let known = known.unwrap_or_default();
    let LockComparison {
        lock, mut findings, ..
    } = LockComparison::new(known.clone(), &program);
    let golden = Golden::new(directory, &lock, &known, &program);
    let changes = golden.check(&program, &mut findings)?;
    if findings.is_empty() && (is_missing || known != lock) {
        findings.push(Finding::change(format!("`{FILE}` is new, or was edited")));
    }
    let Some(worst) = findings.iter().map(|it| it.severity).max() else {
        return Ok(());
    };
    let is_first = is_missing && worst == Severity::Change && env::var_os("CI").is_none();
    if is_first || acceptance.covers(worst) {
        lock::write(&file, &lock.text())?;
        changes.iter().try_for_each(golden::FileChange::carry_out)?;
    }
    if acceptance.covers(worst) {
        return Ok(());
    }
    if is_first {
        return Err(format!(
            "`{}` was missing and is written, with payloads in the folder beside it: commit them, and run the \
             test again",
            file.display()
        ));
    }
    Err(report(&findings, worst, is_missing))
}

impl Acceptance {
    fn from_env() -> Result<Self, String> {
        let Some(value) = env::var_os(ACCEPT) else {
            return Ok(Self::None);
        };
        match value.to_str() {
            Some("" | "0") => Ok(Self::None),
            Some("1" | "compatible") => Ok(Self::Compatible),
            Some("downtime") => Ok(Self::Downtime),
            Some("incompatible") => Ok(Self::Incompatible),
            _ => Err(format!(
                "`{ACCEPT}` is `{}`: it is `1`, `downtime` or `incompatible`",
                value.display()
            )),
        }
    }

    fn covers(self, worst: Severity) -> bool {
        match self {
            Self::None => false,
            Self::Compatible => worst <= Severity::Doubt,
            Self::Downtime => worst <= Severity::Running,
            Self::Incompatible => worst <= Severity::Stored,
        }
    }
}

/// The text of all findings, and how to accept them.
fn report(findings: &[Finding], worst: Severity, is_missing: bool) -> String {
    let (changes, problems): (Vec<&Finding>, Vec<_>) = findings
        .iter()
        .partition(|it| it.severity == Severity::Change);
    let heading = match problems.len() {
        0 if is_missing => format!("`{FILE}` is missing"),
        0 => format!("`{FILE}` is out of date: what is stored still fits"),
        1 => format!("1 change of what is stored does not fit `{FILE}`"),
        count => format!("{count} changes of what is stored do not fit `{FILE}`"),
    };
    let mut parts = vec![heading];
    parts.extend(problems.iter().map(|it| format!("\n\n{}", it.problem)));
    if !changes.is_empty() {
        parts.push(match problems.len() {
            0 => "\n".to_owned(),
            _ => "\n\nOther changes, which fit:".to_owned(),
        });
    }
    let fitting = changes.iter();
    parts.extend(fitting.map(|it| format!("\n  {}", it.problem.what)));
    parts.push(format!("\n\n{}", how_to_accept(worst)));
    parts.concat()
}

fn how_to_accept(worst: Severity) -> String {
    let (if_so, value) = match worst {
        Severity::Change => ("To accept this", "1"),
        Severity::Doubt => ("To accept this, if you have made sure that it fits", "1"),
        Severity::Running => (
            "To accept this, if all processes of the previous program end before the first of this one starts",
            "downtime",
        ),
        Severity::Stored => (
            "To accept this, if nothing that does not fit was ever stored, or it is folded again",
            "incompatible",
        ),
        Severity::Wrong => return "This cannot be accepted.".to_owned(),
    };
    format!("{if_so}: {ACCEPT}={value} cargo test")
}
