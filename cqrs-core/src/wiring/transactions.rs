//! Checks of handlers that take a transaction of the store, or record statements for it.

use super::planned_projection::PlannedProjection;
use super::{Plan, Problems};
use crate::handler::{Input, InputKind};
use crate::source::Source;

impl Plan {
    /// Checks that each handler takes at most one transaction or list of statements, and that no fold
    /// takes a transaction and read models.
    pub(super) fn check_inputs(&self, problems: &mut Problems) {
        let mut twice = Vec::new();
        let mut writes_twice = Vec::new();
        let mut both = Vec::new();
        for handler in &self.command_handlers {
            let inputs = (handler.inputs)();
            match (transactions(&inputs), lists_of_writes(&inputs)) {
                (2.., _) => twice.push(handler.source),
                (_, 2..) => writes_twice.push(handler.source),
                (1, 1) => both.push(handler.source),
                _ => {}
            }
        }
        let mut beside = Vec::new();
        for projection in &self.projections {
            for (source, inputs) in projection.methods() {
                let transactions = transactions(inputs);
                if transactions > 1 {
                    twice.push(source);
                } else if transactions == 1 && takes_views(inputs) {
                    beside.push(source);
                }
            }
        }
        if !twice.is_empty() {
            let what = "a handler takes `&mut Tx<..>` twice, but has one transaction";
            problems.add(what, twice, "one `&mut Tx<..>`");
        }
        if !writes_twice.is_empty() {
            let what = "a handler takes `&mut Writes<..>` twice, but has one list of statements";
            problems.add(what, writes_twice, "one `&mut Writes<..>`");
        }
        if !both.is_empty() {
            problems.add(
                "a handler takes both `&mut Tx<..>` and `&mut Writes<..>`",
                both,
                "one of them: with `&mut Tx<..>`, execute all statements in that transaction",
            );
        }
        if !beside.is_empty() {
            problems.add(
                "an `#[on]` method takes both `&mut Views<..>` and `&mut Tx<..>`",
                beside,
                "one of them: a fold runs again after a missing view is loaded, but its SQL must \
                 run only once",
            );
        }
    }
}

impl PlannedProjection {
    /// The inputs of each method, with the method's place.
    pub(super) fn methods(&self) -> impl Iterator<Item = (Source, &[Input])> {
        let source = |line| Source {
            line,
            ..self.entry.source
        };
        let folds = self
            .folds
            .iter()
            .map(move |fold| (source(fold.line), &fold.inputs[..]));
        let setup = self
            .setup
            .iter()
            .map(move |setup| (source(setup.line), &setup.inputs[..]));
        folds.chain(setup)
    }

    /// Whether the projection writes with SQL.
    pub(crate) fn takes_transaction(&self) -> bool {
        let mut methods = self.methods();
        methods.any(|(_, inputs)| inputs.iter().any(Input::is_transaction))
    }
}

fn transactions(inputs: &[Input]) -> usize {
    inputs.iter().filter(|input| input.is_transaction()).count()
}

fn lists_of_writes(inputs: &[Input]) -> usize {
    inputs.iter().filter(|input| input.is_writes()).count()
}

fn takes_views(inputs: &[Input]) -> bool {
    inputs
        .iter()
        .any(|input| matches!(input.kind, InputKind::Views(_)))
}
