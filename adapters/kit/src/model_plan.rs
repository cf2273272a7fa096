//! Steps that give a read model its table.

use cqrs_core::store::ModelSchema;

use crate::ViewError;
use crate::view_table::{Dialect, ViewTable};

/// The table that a read model needs. A store records the names of the indexes as a JSON array: they
/// are the columns `i0`, `i1` and so on, so rows that were written for other indexes would look like
/// rows for these.
#[derive(Clone, Debug)]
pub struct ModelPlan<D> {
    /// The table.
    pub table: ViewTable<D>,
    /// The names of the indexes as a JSON array.
    pub indexes: String,
}

/// Step that gives a read model its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelStep {
    /// Nothing: the table is as needed.
    Keep,
    /// Create the table, and record the indexes.
    Create,
    /// The table was created for other indexes. If it has a row, fail with
    /// [`ModelPlan::other_indexes`]; otherwise drop it, create it, and record the indexes.
    Replace,
}

impl<D: Dialect> ModelPlan<D> {
    /// The plan for this model.
    ///
    /// # Errors
    /// [`ViewError::Name`] and [`ViewError::Indexes`].
    pub fn new(dialect: &D, model: &ModelSchema) -> Result<Self, ViewError> {
        let indexes =
            serde_json::to_string(&model.indexes).map_err(|error| ViewError::Indexes {
                model: model.table.clone(),
                reason: error.to_string(),
            })?;
        Ok(Self {
            table: ViewTable::new(dialect, model)?,
            indexes,
        })
    }

    /// Step for the model, given its recorded indexes.
    pub fn step(&self, recorded: Option<&str>) -> ModelStep {
        match recorded {
            None => ModelStep::Create,
            Some(recorded) if recorded == self.indexes => ModelStep::Keep,
            Some(_) => ModelStep::Replace,
        }
    }

    /// The error for a table with rows for the `recorded` indexes.
    pub fn other_indexes(&self, recorded: &str) -> ViewError {
        ViewError::OtherIndexes {
            model: self.table.model().to_owned(),
            stored: recorded.to_owned(),
            indexes: self.indexes.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Plain;

    #[test]
    fn a_table_is_replaced_only_if_its_indexes_differ() {
        let model = ModelSchema {
            table: "cards".to_owned(),
            indexes: vec!["price", "name"],
        };
        let plan = ModelPlan::new(&Plain, &model).unwrap();
        assert_eq!(plan.step(None), ModelStep::Create);
        assert_eq!(plan.step(Some(r#"["price","name"]"#)), ModelStep::Keep);
        assert_eq!(plan.step(Some(r#"["name","price"]"#)), ModelStep::Replace);
        let error = plan.other_indexes(r#"["name"]"#).to_string();
        assert!(error.contains("raise its projection's version"), "{error}");
    }
}
