use serde::Serialize;

use super::{HandlerCell, RowRule};
use crate::error::Invalid;
use crate::json::Json;

/// A question that changes nothing. Derive it: `#[query(returns = ..)]` sets the type of the
/// answer, `permission` the permission that the actor needs, `rows` the functions that say which
/// [rows](crate::views::Rows) the actor sees, and `name` the wire name, which defaults to the type's name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a query",
    label = "this type does not derive `Query`",
    note = "a query handler's first parameter is its query: \
            add `#[derive(Query, Clone, Serialize, Deserialize)]` and `#[query(returns = ..)]` to \
            `{Self}`"
)]
pub trait Query: Json + Send + Sync + 'static {
    /// The answer.
    type Output: Serialize + Send + 'static;
    /// The wire name.
    const NAME: &'static str;
    /// The permission that an actor needs to ask the query.
    const PERMISSION: Option<&'static str>;

    /// What an actor may see of the read models, if that depends on it: a rule for each.
    #[doc(hidden)]
    const ROWS: Option<fn() -> Vec<RowRule>> = None;

    /// Runs [`Validate`](super::Validate), if the type implements it.
    fn check(&self) -> Result<(), Invalid>;

    /// The type of a handler's pointer.
    #[doc(hidden)]
    type Handler: Copy + Send + Sync + 'static;

    /// The cell in which the dispatcher finds the handler.
    #[doc(hidden)]
    fn cell() -> &'static HandlerCell<Self::Handler>;
}
