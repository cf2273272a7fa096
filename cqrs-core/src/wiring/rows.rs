//! Checks of the rules about rows.

use std::any::TypeId;
use std::collections::HashMap;

use super::{Plan, Problems};
use crate::handler::{Input, InputKind};
use crate::message::RowRule;
use crate::registry::QueryHandlerEntry;

impl Plan {
    /// Checks that a query with rules about rows has one for everything that its handler reads.
    pub(super) fn check_rows(&self, problems: &mut Problems) {
        for handler in &self.query_handlers {
            if let Some(rows) = handler.rows {
                check_inputs(handler, &rows(), problems);
                check_rules(handler, &rows(), problems);
            }
        }
    }
}

fn check_inputs(handler: &QueryHandlerEntry, rules: &[RowRule], problems: &mut Problems) {
    let query = handler.message;
    for Input { kind } in (handler.inputs)() {
        match kind {
            InputKind::Views(model) if !rules.iter().any(|rule| rule.model == model.id) => {
                problems.add(
                    format!(
                        "query `{query}` has `rows`, but none of the read model `{}`, which its handler reads",
                        model.name
                    ),
                    [handler.source],
                    "a function for it in `rows = [..]`, which may return `Rows::all()`",
                );
            }
            InputKind::Transaction(store) | InputKind::Reader(store) => problems.add(
                format!(
                    "query `{query}` has `rows`, but its handler reads `{}` by itself, where they do not hold",
                    store.name
                ),
                [handler.source],
                "`Read<..>` in place of it, or no `rows`, and `&Context` for a condition of your own",
            ),
            _ => {}
        }
    }
}

fn check_rules(handler: &QueryHandlerEntry, rules: &[RowRule], problems: &mut Problems) {
    let query = handler.message;
    let inputs = (handler.inputs)();
    let mut count: HashMap<TypeId, usize> = HashMap::new();
    for rule in rules {
        let count = count.entry(rule.model).or_default();
        *count += 1;
        let is_read = inputs
            .iter()
            .any(|it| matches!(it.kind, InputKind::Views(model) if model.id == rule.model));
        if !is_read {
            problems.add(
                format!(
                    "query `{query}` has `rows` of the read model `{}`, which its handler does not read",
                    rule.name
                ),
                [handler.source],
                "`Read<..>` of it in the handler, or remove its function from `rows`",
            );
        }
        if *count == 2 {
            problems.add(
                format!(
                    "query `{query}` has several `rows` of the read model `{}`",
                    rule.name
                ),
                [handler.source],
                "one function, which returns `rows.and(others)`",
            );
        }
    }
}
