use crate::module::Module;
use crate::registry::{EventEntry, Registry};

/// Checks that every event of the module can still be decoded from payloads that were recorded in
/// the past, and that the decoded event can be recorded again. A payload is a wire name, a version
/// and the JSON. Each event needs one for every version from the oldest given to the current one.
///
/// `verify_schemas!` does this too, and makes up the payloads. It needs a JSON schema of
/// each event, this function does not.
///
/// Keep a payload of each version in a file and include it with `include_str!`. The files of old
/// versions never change, as the log never does.
///
/// ```
/// use cqrs_core::prelude::*;
/// use cqrs_core::testing::verify_payloads;
///
/// cqrs_core::module!();
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(name = "price-set", version = 2)]
/// pub struct PriceSet {
///     pub cents: u32,
///     #[serde(default)]
///     pub currency: Option<String>,
/// }
///
/// verify_payloads(module(), [
///     ("price-set", 1, r#"{"cents":995}"#),
///     ("price-set", 2, r#"{"cents":995,"currency":"EUR"}"#),
/// ]);
/// ```
///
/// # Panics
/// With all problems, by event, version and field.
#[track_caller]
pub fn verify_payloads<'a>(
    module: Module,
    payloads: impl IntoIterator<Item = (&'a str, u32, &'a str)>,
) {
    let payloads: Vec<_> = payloads.into_iter().collect();
    let events: Vec<_> = Registry::get()
        .events
        .iter()
        .filter(|event| event.source.is_within(module.path()))
        .collect();
    let mut problems = Vec::new();
    for (name, ..) in &payloads {
        if !events.iter().any(|event| event.name == *name) {
            let path = module.path();
            problems.push(format!("there is no event `{name}` in module `{path}`"));
        }
    }
    for event in events {
        let own: Vec<_> = payloads
            .iter()
            .filter(|(name, ..)| event.name == *name)
            .map(|(_, version, json)| (*version, *json))
            .collect();
        problems.extend(problems_of(event, &own));
    }
    problems.dedup();
    assert!(
        problems.is_empty(),
        "payloads that were recorded do not fit:\n  {}",
        problems.join("\n  ")
    );
}

fn problems_of(event: &EventEntry, payloads: &[(u32, &str)]) -> Vec<String> {
    let EventEntry { name, version, .. } = *event;
    let mut problems = Vec::new();
    let oldest = payloads.iter().map(|(version, _)| *version).min();
    for wanted in oldest.unwrap_or(version)..=version {
        if !payloads.iter().any(|(version, _)| *version == wanted) {
            problems.push(format!(
                "event `{name}` (version {wanted}) has no payload: give one as it is recorded"
            ));
        }
    }
    for (given, json) in payloads {
        let problem = if *given == 0 || *given > version {
            Some(format!("there is no such version, the newest is {version}"))
        } else {
            (event.check)(json.as_bytes()).err()
        };
        problems.extend(problem.map(|why| format!("event `{name}` (version {given}): {why}")));
    }
    problems
}
