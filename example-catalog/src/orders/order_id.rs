use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use cqrs_core::prelude::*;
use cqrs_core::views::{Indexed, SortKey};

/// Identifies an order: a number.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct OrderId(pub u64);

impl FromStr for OrderId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Indexed for OrderId {
    fn sort_key(&self, key: &mut SortKey) {
        self.0.sort_key(key);
    }
}
