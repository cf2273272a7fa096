//! Programs that check documents, as scripts/setup installs them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use cqrs_openapi::Document;
use tempfile::TempDir;
use test_tools::tool;

/// What the checks in Python print about a document, or `None` if they are not installed.
pub fn check(document: &Document, test: &str) -> Option<String> {
    let python = tool("python/bin/python", "openapi-spec-validator", test)?;
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
