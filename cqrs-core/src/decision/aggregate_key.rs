use std::any::TypeId;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::LazyLock;

use hashbrown::DefaultHashBuilder;

use crate::handler::AggregateType;
use crate::store::Tags;

/// An aggregate: its type, since two types may have one name in different modules, and its tags.
///
/// The tags are hashed once, although each decision looks the aggregate up several times.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct AggregateKey {
    hash: u64,
    aggregate: TypeId,
    /// The tags that all of its events have: one tag, or several.
    pub(super) tags: Tags,
}

/// Seeded at random, since callers choose the ids of aggregates and must not choose their hashes.
static HASHER: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);

impl AggregateKey {
    pub(super) fn new(aggregate: &AggregateType, tags: Tags) -> Self {
        let aggregate = (aggregate.type_id)();
        Self {
            hash: HASHER.hash_one((aggregate, &tags)),
            aggregate,
            tags,
        }
    }
}

impl Hash for AggregateKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}
