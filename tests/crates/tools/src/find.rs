use std::io::Write;
use std::path::{Path, PathBuf};

/// The program in `PATH` under one of these names. Without it, the test says that it is not run.
///
/// # Panics
///
/// Under `CQRS_REQUIRE_SERVICES=1`, instead of `None`.
pub fn program(names: &[&str], test: &str) -> Option<PathBuf> {
    in_path(names).or_else(|| without(test, &format!("there is no {}", names[0])))
}

/// The first program in `PATH` under one of these names.
pub fn in_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .flat_map(|directory| names.iter().map(move |name| directory.join(name)))
        .find(|file| file.is_file())
}

/// The file at `path` in the directory of tools: that of the variable `CQRS_API_TOOLS`, or `.tools/api` of the workspace.
/// Without it, the test says that it is not run, for want of `name`.
///
/// # Panics
///
/// Under `CQRS_REQUIRE_SERVICES=1`, instead of `None`.
pub fn tool(path: &str, name: &str, test: &str) -> Option<PathBuf> {
    let tools = std::env::var_os("CQRS_API_TOOLS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../.tools/api"),
        PathBuf::from,
    );
    let file = tools.join(path);
    if file.exists() {
        return Some(file);
    }
    without(test, &format!("there is no {name}"))
}

/// Names a test that is not run. Not with `eprintln!`, which is not seen when the test passes.
///
/// # Panics
///
/// Under `CQRS_REQUIRE_SERVICES=1`.
pub fn without<T>(test: &str, why: &str) -> Option<T> {
    let required = std::env::var_os("CQRS_REQUIRE_SERVICES").is_some_and(|it| it == "1");
    assert!(
        !required,
        "{test} cannot be tested, and CQRS_REQUIRE_SERVICES is 1: {why}"
    );
    // A closed terminal is no error.
    let _ = writeln!(std::io::stderr(), "{test} was not tested: {why}");
    None
}
