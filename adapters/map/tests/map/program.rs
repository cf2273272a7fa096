//! Programs of the machine that look at the map.

use std::path::PathBuf;

/// The program in `PATH` under one of these names. Without it, the test says that it is not run.
///
/// # Panics
///
/// Under `CQRS_REQUIRE_SERVICES=1`, instead of `None`.
pub fn find(names: &[&str], test: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|directory| names.iter().map(move |name| directory.join(name)))
        .find(|file| file.is_file());
    if found.is_none() {
        let name = names[0];
        let required = std::env::var_os("CQRS_REQUIRE_SERVICES").is_some_and(|it| it == "1");
        assert!(
            !required,
            "{test} cannot be tested, and CQRS_REQUIRE_SERVICES is 1: there is no {name}"
        );
        eprintln!("{test} is not tested: there is no {name}");
    }
    found
}
