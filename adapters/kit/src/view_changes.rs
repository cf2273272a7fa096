//! The changes of a batch, by the tables that they change.

use std::sync::Arc;

use cqrs_core::store::{ModelSchema, SortKey, ViewChange};

use crate::ViewError;
use crate::view_table::{Dialect, ViewTable};

/// A view as JSON and its sort keys; `None` deletes it.
pub type View = Option<(Vec<u8>, Vec<SortKey>)>;

/// The changes to one read model.
#[derive(Debug)]
pub struct ModelChanges<D> {
    /// The table of the model.
    pub table: ViewTable<D>,
    /// The views by key, in the order of the keys. So neighbors are written one after the other,
    /// and transactions that lock the same rows lock them in the same order, which prevents
    /// deadlocks.
    pub views: Vec<(String, View)>,
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
    for ViewChange {
        model, key, view, ..
    } in changes
    {
        check_sort_keys(&model, &key, &view)?;
        let known = models.iter_mut().find(|known| known.model == model);
        if let Some(known) = known {
            known.views.push((key, view));
        } else {
            models.push(ModelChanges {
                table: ViewTable::new(dialect, &model)?,
                views: vec![(key, view)],
                model,
            });
        }
    }
    for model in &mut models {
        model.views.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    }
    Ok(models)
}

fn check_sort_keys(model: &ModelSchema, key: &str, view: &View) -> Result<(), ViewError> {
    let indexes = model.indexes.len();
    match view {
        Some((_, sort_keys)) if sort_keys.len() != indexes => Err(ViewError::SortKeys {
            model: model.table.clone(),
            key: key.to_owned(),
            sort_keys: sort_keys.len(),
            indexes,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use cqrs_core::Position;

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
            let keys = model.views.iter().map(|(key, _)| key.as_str());
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
