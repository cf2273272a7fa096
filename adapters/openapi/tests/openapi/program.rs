//! Programs that check documents, as scripts/setup installs them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cqrs_openapi::Document;
use tempfile::TempDir;

/// The file at `path` in the directory of tools: that of the variable, or of the workspace. Without it, the test says that
/// it is not run.
///
/// # Panics
///
/// Under `CQRS_REQUIRE_SERVICES=1`, instead of `None`.
pub fn find(path: &str, name: &str, test: &str) -> Option<PathBuf> {
    let tools = std::env::var_os("CQRS_API_TOOLS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/api"),
        PathBuf::from,
    );
    let file = tools.join(path);
    if file.exists() {
        return Some(file);
    }
    let required = std::env::var_os("CQRS_REQUIRE_SERVICES").is_some_and(|it| it == "1");
    assert!(
        !required,
        "{test} cannot be tested, and CQRS_REQUIRE_SERVICES is 1: there is no {name}"
    );
    eprintln!("{test} is not tested: there is no {name}");
    None
}

/// What the checks in Python print about a document, or `None` if they are not installed.
pub fn check(document: &Document, test: &str) -> Option<String> {
    let python = find("python/bin/python", "openapi-spec-validator", test)?;
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("document.json");
    fs::write(&file, document.to_string()).expect("is written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi/check.py");
    let output = Command::new(python).arg(script).arg(&file).output();
    let output = output.expect("Python runs");
    let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    write!(printed, "{errors}").expect("is a text");
    assert!(output.status.success(), "{printed}");
    Some(printed)
}
