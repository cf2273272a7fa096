use cqrs_core::app::{BuildError, Builder, Model};
use serde_json::json;

use crate::error::CliError;
use crate::out::{GOOD, print_json, print_line};

/// Checks the wiring of a dispatcher, and prints all its problems.
pub(crate) fn run(builder: &Builder, as_json: bool) -> Result<(), CliError> {
    let model = builder.model();
    match builder.verify() {
        Ok(()) if as_json => {
            print_json(&json!({"ok": true, "nodes": model.nodes.len()}))?;
            Ok(())
        }
        Ok(()) => {
            print_line(format_args!("{GOOD}ok{GOOD:#}: {}", counts(&model)))?;
            Ok(())
        }
        Err(BuildError::Wiring(problems)) if as_json => {
            let problems: Vec<_> = problems
                .iter()
                .map(|it| json!({"problem": it.what, "at": it.at, "write": it.write}))
                .collect();
            print_json(&json!({"ok": false, "problems": problems}))?;
            Err(CliError::Silent(1))
        }
        Err(error @ BuildError::Wiring(_)) => Err(CliError::Refused(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// The number of items of each kind, in the order of the model.
fn counts(model: &Model) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for node in &model.nodes {
        let kind = node.id.kind.words();
        match counts.last_mut() {
            Some((last, count)) if *last == kind => *count += 1,
            _ => counts.push((kind, 1)),
        }
    }
    let words: Vec<_> = counts
        .iter()
        .map(|(kind, count)| match (*count, kind.strip_suffix('y')) {
            (1, _) => format!("1 {kind}"),
            (count, Some(stem)) => format!("{count} {stem}ies"),
            (count, None) => format!("{count} {kind}s"),
        })
        .collect();
    words.join(", ")
}
