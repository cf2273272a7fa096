use serde::{Deserialize, Serialize};

use super::HandlerCell;
use crate::error::Invalid;

/// A question. Derive it; `#[query(returns = ..)]` gives the type of the answer, `permission` what
/// the actor must hold, `name` the wire name (none: the type's name).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a query",
    label = "this type does not derive `Query`",
    note = "a query handler's first parameter is its query: \
            add `#[derive(Query, Clone, Serialize, Deserialize)]` and `#[query(returns = ..)]` to \
            `{Self}`"
)]
pub trait Query: Serialize + for<'de> Deserialize<'de> + Send + Sync + 'static {
    /// The answer.
    type Output: Serialize + Send + 'static;
    /// The wire name.
    const NAME: &'static str;
    /// What the actor must hold to ask it.
    const PERMISSION: Option<&'static str>;

    /// What [`Validate`](super::Validate) says, if the type implements it.
    fn check(&self) -> Result<(), Invalid>;

    /// A handler as a pointer.
    #[doc(hidden)]
    type Handler: Copy + Send + Sync + 'static;

    /// Where the dispatcher finds the handler.
    #[doc(hidden)]
    fn cell() -> &'static HandlerCell<Self::Handler>;
}
