//! The changes of a batch, by the tables that they change.

use std::sync::Arc;

use cqrs_core::store::{ModelSchema, ViewChange};

use crate::ViewError;
use crate::view_table::{Dialect, ViewTable};

/// The changes to one read model.
#[derive(Debug)]
pub struct ModelChanges<D> {
    /// The table of the model.
    pub table: ViewTable<D>,
    /// The changes, in the order of their keys. So neighbors are written one after the other, and
    /// transactions that lock the same rows lock them in the same order, which prevents deadlocks.
    pub changes: Vec<ViewChange>,
    model: Arc<ModelSchema>,
}

/// Groups the changes of a batch by read model, and checks that each view has one sort key per
/// index.
///
/// # Errors
/// [`ViewError::Name`] and [`ViewError::SortKeys`].
pub fn by_model<D: Dialect>(
    dialect: &D,
    changes: Vec<ViewChange>,
) -> Result<Vec<ModelChanges<D>>, ViewError> {
    let mut models: Vec<ModelChanges<D>> = Vec::new();
    for change in changes {
        check_sort_keys(&change)?;
        let known = models.iter_mut().find(|known| known.model == change.model);
        if let Some(known) = known {
            known.changes.push(change);
        } else {
            models.push(ModelChanges {
                table: ViewTable::new(dialect, &change.model)?,
                model: change.model.clone(),
                changes: vec![change],
            });
        }
    }
    for model in &mut models {
        model.changes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    }
    Ok(models)
}

fn check_sort_keys(change: &ViewChange) -> Result<(), ViewError> {
    let indexes = change.model.indexes.len();
    match &change.view {
        Some((_, sort_keys)) if sort_keys.len() != indexes => Err(ViewError::SortKeys {
            model: change.model.table.clone(),
            key: change.key.clone(),
            sort_keys: sort_keys.len(),
            indexes,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use cqrs_core::Position;
    use cqrs_core::store::SortKey;

    use super::*;
    use crate::testing::Plain;

    fn model(name: &str) -> Arc<ModelSchema> {
        Arc::new(ModelSchema {
            table: name.to_owned(),
            indexes: vec!["price"],
        })
    }

    fn change(model: &Arc<ModelSchema>, key: &str, sort_keys: usize) -> ViewChange {
        ViewChange {
            model: model.clone(),
            key: key.to_owned(),
            view: Some((b"{}".to_vec(), vec![SortKey::default(); sort_keys])),
            position: Position::START,
            is_new: false,
        }
    }

    #[test]
    fn changes_come_by_model_in_the_order_of_their_keys() {
        let (cards, orders) = (model("cards"), model("orders"));
        let changes = vec![
            change(&cards, "b", 1),
            change(&orders, "c", 1),
            ViewChange {
                view: None,
                ..change(&cards, "a", 1)
            },
        ];
        let models = by_model(&Plain, changes).unwrap();
        let keys = models.iter().map(|model| {
            let keys = model.changes.iter().map(|change| change.key.as_str());
            (model.table.model(), keys.collect::<Vec<_>>())
        });
        let keys: Vec<_> = keys.collect();
        assert_eq!(keys, [("cards", vec!["a", "b"]), ("orders", vec!["c"])]);
    }

    #[test]
    fn a_view_has_a_sort_key_per_index() {
        for sort_keys in [0, 2] {
            let changes = vec![change(&model("cards"), "a", sort_keys)];
            let error = by_model(&Plain, changes).unwrap_err();
            assert!(matches!(error, ViewError::SortKeys { .. }), "{error}");
        }
    }
}
