use crate::handler::{Fold, InputKind, ModelType, Setup};
use crate::registry::{ProjectionEntry, UpcasterEntry};
use crate::store::ModelSchema;
use crate::upcast::TagNames;

/// A projection with its folds.
pub(crate) struct PlannedProjection {
    pub(crate) entry: &'static ProjectionEntry,
    pub(crate) folds: Vec<Fold>,
    pub(crate) setup: Option<Setup>,
    /// The name in the store of the tag by which its events are divided.
    pub(crate) stored_partition: Option<&'static str>,
    /// The upcasters of its events.
    pub(super) upcasters: Vec<&'static UpcasterEntry>,
}

impl PlannedProjection {
    /// The projection with this entry.
    pub(crate) fn new(entry: &'static ProjectionEntry) -> Self {
        Self {
            entry,
            folds: (entry.folds)(),
            setup: (entry.setup)(),
            stored_partition: entry.partition,
            upcasters: Vec::new(),
        }
    }

    /// Notes in which form it gets its events.
    pub(crate) fn read_by(&mut self, tags: &TagNames, upcasters: &[&'static UpcasterEntry]) {
        let partition = self.entry.partition;
        self.stored_partition = partition.map(|name| tags.stored_name(name));
        let upcasters = upcasters.iter().copied();
        let own = upcasters.filter(|it| self.folds.iter().any(|fold| fold.event == it.event));
        self.upcasters = own.collect();
    }

    /// The read models that the folds write, each once.
    pub(crate) fn models(&self) -> Vec<ModelType> {
        let mut models: Vec<ModelType> = Vec::new();
        for input in self.folds.iter().flat_map(|fold| &fold.inputs) {
            if let InputKind::Views(model) = input.kind
                && !models.iter().any(|known| known.id == model.id)
            {
                models.push(model);
            }
        }
        models
    }

    pub(super) fn schema(&self, model: ModelType) -> ModelSchema {
        model.schema(self.entry.stored_name(), self.entry.version)
    }
}
