//! The dependencies that the framework adds to a user's build.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The crates in a build of a package, itself included: name and version.
fn crates(package: &str) -> BTreeSet<(String, String)> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal,build"])
        .args(["--prefix", "none", "--format", "{p}", "--package", package])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    // A line is `name v1.2.3 (proc-macro) (*)`.
    String::from_utf8(tree.stdout)
        .expect("is text")
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        })
        .collect()
}

#[test]
fn the_core_brings_at_most_40_crates_and_sqlite_60() {
    let core = crates("wired-cqrs").len();
    let sqlite = crates("wired-cqrs-sqlite").len();
    assert!((10..=40).contains(&core), "{core}");
    assert!((core..=60).contains(&sqlite), "{sqlite}");
    let readme = include_str!("../../README.md");
    let figures = format!("{core} crates, and {sqlite} with SQLite");
    assert!(readme.contains(&figures), "the README lacks \"{figures}\"");
}

#[test]
fn no_crate_comes_in_two_versions_with_the_core_and_sqlite() {
    let mut versions = BTreeMap::<_, Vec<_>>::new();
    for (name, version) in crates("wired-cqrs-sqlite") {
        versions.entry(name).or_default().push(version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    assert!(versions.is_empty(), "{versions:?}");
}
