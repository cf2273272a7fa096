//! What the framework weighs in a user's build.

use std::collections::BTreeSet;
use std::process::Command;

/// The crates that a package brings into a build, itself included.
fn crates(package: &str) -> usize {
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
    let lines = String::from_utf8(tree.stdout).expect("is text");
    // `name v1.2.3 (proc-macro) (*)`: the name and the version say which crate it is.
    let crates = lines.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?, words.next()?))
    });
    crates.collect::<BTreeSet<_>>().len()
}

#[test]
fn the_core_brings_at_most_40_crates_and_sqlite_60() {
    let (core, sqlite) = (crates("wired-cqrs"), crates("wired-cqrs-sqlite"));
    assert!((10..=40).contains(&core), "{core}");
    assert!((core..=60).contains(&sqlite), "{sqlite}");
    let readme = include_str!("../../README.md");
    let said = format!("{core} crates, and with SQLite {sqlite}");
    assert!(readme.contains(&said), "the README does not say {said}");
}
