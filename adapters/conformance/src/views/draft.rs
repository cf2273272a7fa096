use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{Epoch, Incarnation, ModelSchema, Shard, SortKey, ViewBatch, ViewChange};

/// The subscription of batches that name none.
pub(super) const SUBSCRIPTION: &str = "projection:test";

/// A read model of this name with these indexes.
pub(super) fn model(table: &str, indexes: &[&'static str]) -> Arc<ModelSchema> {
    Arc::new(ModelSchema {
        table: table.to_owned(),
        indexes: indexes.to_vec(),
    })
}

/// A read model with one index.
pub(super) fn cards() -> Arc<ModelSchema> {
    model("cards", &["rank"])
}

/// Writes a view of a model with one index, whose value is the body.
pub(super) fn put(model: &Arc<ModelSchema>, key: &str, body: &str) -> ViewChange {
    put_sorted(model, key, body.as_bytes(), vec![SortKey::of(body)])
}

/// Writes a view with these sort keys.
pub(super) fn put_sorted(
    model: &Arc<ModelSchema>,
    key: &str,
    body: &[u8],
    sort_keys: Vec<SortKey>,
) -> ViewChange {
    ViewChange {
        model: model.clone(),
        key: key.to_owned(),
        view: Some((body.to_vec(), sort_keys)),
        position: Position::START,
        is_new: false,
    }
}

/// Deletes a view.
pub(super) fn delete(model: &Arc<ModelSchema>, key: &str) -> ViewChange {
    ViewChange {
        model: model.clone(),
        key: key.to_owned(),
        view: None,
        position: Position::START,
        is_new: false,
    }
}

/// Says that the store has no view with this key.
pub(super) fn said_new(change: ViewChange) -> ViewChange {
    ViewChange {
        is_new: true,
        ..change
    }
}

/// Sets the position of the event that made a change.
pub(super) fn at(position: u64, change: ViewChange) -> ViewChange {
    ViewChange {
        position: Position::new(position),
        ..change
    }
}

/// A batch of [`SUBSCRIPTION`] that moves the checkpoint from one position to another. Changes
/// without a position get that of the last event.
pub(super) fn batch(from: Option<u64>, to: u64, mut changes: Vec<ViewChange>) -> ViewBatch {
    for change in &mut changes {
        if change.position == Position::START {
            change.position = Position::new(to);
        }
    }
    ViewBatch {
        shard: Shard::whole(SUBSCRIPTION),
        epoch: Epoch::UNCLAIMED,
        from: from.map(Position::new),
        to: Position::new(to).into(),
        incarnation: Incarnation::default(),
        changes,
        parked: Vec::new(),
    }
}
