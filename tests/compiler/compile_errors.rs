//! What every compile error has in common: it is in the user's words, points at the user's code
//! and says what to write.

use std::fs;
use std::path::{Path, PathBuf};

/// The expected outputs of the cases in `ui/fail`, by macro.
fn cases() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/fail");
    let mut cases = Vec::new();
    for group in fs::read_dir(folder).expect("the folder is there") {
        for file in fs::read_dir(group.expect("can be read").path()).expect("a folder") {
            let path = file.expect("can be read").path();
            if path.extension().is_some_and(|it| it == "stderr") {
                let text = fs::read_to_string(&path).expect("is text");
                cases.push((path, text));
            }
        }
    }
    cases
}

/// Panics with the cases that do not hold.
fn all(what: &str, holds: impl Fn(&Path, &str) -> bool) {
    let cases = cases();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let wrong: Vec<_> = cases
        .iter()
        .filter(|(path, text)| !holds(path, text))
        .collect();
    let names: Vec<_> = wrong
        .iter()
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(names.is_empty(), "{what}: {names:#?}");
}

#[test]
fn none_names_what_is_private() {
    all("names what is private", |_, text| {
        let mut lines = text.lines().filter(|line| !is_of_rustc(line));
        !lines.any(|line| line.contains("__private") || line.contains("__cqrs"))
    });
}

/// Whether the compiler adds this line by itself, which names traits by the path that leads to them.
fn is_of_rustc(line: &str) -> bool {
    let line = line.trim_start().trim_start_matches("= ");
    let starts = [
        "note: required by a bound in ",
        "note: required for ",
        "note: `cqrs_core::",
        "help: the trait ",
        "help: the following other types implement trait ",
    ];
    starts.iter().any(|start| line.starts_with(start))
}

#[test]
fn each_points_at_the_users_own_file() {
    all("points elsewhere", |path, text| {
        let file = path.with_extension("rs");
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let first = text
            .lines()
            .find(|line| line.trim_start().starts_with("--> "));
        first.is_some_and(|line| line.contains(name))
    });
}

/// The words of the standard library and of serde are the user's own: `Clone`, `Serialize`.
#[test]
fn each_begins_in_the_users_words() {
    all("begins with a trait of ours", |_, text| {
        let first = text.lines().next().unwrap_or_default();
        first.starts_with("error")
            && !(first.contains("the trait bound") && first.contains("cqrs_core"))
    });
}

#[test]
fn each_says_what_to_write() {
    // Traits say it in a note; macros in the first line, after the colon.
    all("does not say what to write", |_, text| {
        let first = text.lines().next().unwrap_or_default();
        let after_colon = first.splitn(3, ": ").nth(2).is_some();
        text.contains("= note:") || text.contains("help:") || after_colon || first.contains('`')
    });
}
