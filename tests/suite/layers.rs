//! The order of the modules, as ARCHITECTURE.md has it: upper modules name lower ones, never the
//! other way round.

mod imports;

use std::collections::BTreeSet;

use imports::Crate;

/// The modules of `cqrs-core`, from the ground up. Those in one line do not know each other.
const FLOORS: [&[&str]; 21] = [
    &["ids", "key", "source", "report", "running", "scratch"],
    &["clock"],
    &["store"],
    &["error"],
    &["panic"],
    &["json"],
    &["auth"],
    &["message"],
    &["views"],
    &["handler"],
    &["module"],
    &["registry"],
    &["upcast"],
    &["wiring"],
    &["trace_context"],
    &["model", "trace"],
    &["subscription", "decision"],
    &["dispatcher"],
    &["testing"],
    // What users, the kit and expansions name, gathered from all of the others.
    &["app", "domain", "prelude", "__kit", "__private"],
    &[""],
];

#[test]
fn nothing_in_the_core_names_what_is_above_it() {
    let core = Crate::read("cqrs-core");
    let floor = |module: &str| {
        let floor = FLOORS.iter().position(|floor| floor.contains(&module));
        floor.unwrap_or_else(|| panic!("`{module}` is on no floor"))
    };
    let upward: BTreeSet<_> = core
        .imports()
        .filter(|import| {
            let (from, to) = (import.from.top(), import.to.top());
            from != to && floor(to) >= floor(from)
        })
        .map(|import| import.to_string())
        .collect();
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn architecture_shows_the_floors() {
    let architecture = include_str!("../../ARCHITECTURE.md");
    let named = FLOORS.iter().filter(|floor| !floor[0].is_empty());
    let shown: Vec<_> = named.map(|floor| floor.join(", ")).collect();
    let shown = shown.join("\n");
    assert!(architecture.contains(&shown), "it does not have\n{shown}");
}

#[test]
fn no_modules_of_an_adapter_name_each_other_in_a_circle() {
    let adapters = [
        "adapters/cli",
        "adapters/http",
        "adapters/map",
        "adapters/openapi",
        "adapters/ops",
        "adapters/postgres",
        "adapters/sqlite",
        "adapters/umadb",
    ];
    let circles = adapters.map(|adapter| Crate::read(adapter).circles());
    assert!(circles.iter().all(BTreeSet::is_empty), "{circles:#?}");
}
