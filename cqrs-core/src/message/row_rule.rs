use std::any::TypeId;
use std::fmt;
use std::ops::RangeBounds;
use std::sync::Arc;

use crate::auth::Actor;
use crate::store::{IndexRange, SortKey};

/// What an actor may see of a read model, as a query's `rows` says.
#[derive(Clone)]
pub struct RowRule {
    pub(crate) model: TypeId,
    /// The name of the read model.
    pub(crate) name: &'static str,
    pub(crate) limits: Arc<dyn Fn(&Actor) -> RowLimits + Send + Sync>,
}

/// The views of a read model that can be seen.
#[derive(Clone, Debug, Default)]
pub(crate) enum RowLimits {
    #[default]
    All,
    None,
    /// Those that are within each of these.
    Within(Vec<IndexRange>),
}

impl RowLimits {
    /// Those that are within both.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, _) | (_, Self::None) => Self::None,
            (Self::All, limits) | (limits, Self::All) => limits,
            (Self::Within(mut ranges), Self::Within(others)) => {
                ranges.extend(others);
                Self::Within(ranges)
            }
        }
    }

    /// Whether a view with these sort keys can be seen.
    pub(crate) fn include(&self, sort_keys: impl FnOnce() -> Vec<SortKey>) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Within(ranges) => {
                let sort_keys = sort_keys();
                ranges.iter().all(|range| {
                    let bounds = (range.from.as_ref(), range.to.as_ref());
                    let sort_key = sort_keys.get(range.index);
                    sort_key.is_some_and(|sort_key| bounds.contains(sort_key))
                })
            }
        }
    }
}

impl fmt::Debug for RowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rows<{}>", self.name)
    }
}
