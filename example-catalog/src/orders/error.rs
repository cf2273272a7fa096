use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OrderId, Stage};
use crate::CatalogError;

/// Reasons for which an order rejects a command. They are recorded where a process manager takes them, so they
/// are JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, JsonSchema)]
pub enum OrderError {
    /// The id is taken.
    #[error("order {0} was placed before")]
    AlreadyPlaced(OrderId),
    /// The order is not in the stage for it.
    #[error("order {order_id} is {stage}")]
    NotPossible {
        /// The order.
        order_id: OrderId,
        /// Its stage.
        stage: Stage,
    },
    /// The catalog rejects it.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}
