//! Checks of handlers that take a transaction of the store.

use super::plan::PlannedProjection;
use super::{Plan, Problems};
use crate::handler::{Input, InputKind};
use crate::source::Source;

impl Plan {
    /// Checks that each handler takes at most one transaction, and that no fold takes a transaction
    /// and read models.
    pub(super) fn check_inputs(&self, problems: &mut Problems) {
        let mut twice: Vec<_> = self
            .command_handlers
            .iter()
            .filter(|it| transactions(&(it.inputs)()) > 1)
            .map(|it| it.source)
            .collect();
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

fn takes_views(inputs: &[Input]) -> bool {
    inputs
        .iter()
        .any(|input| matches!(input.kind, InputKind::Views(_)))
}
