use std::any::TypeId;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use super::{Index, Indexed, ReadModel, SortKey};
use crate::auth::Actor;
use crate::message::{RowLimits, RowRule};
use crate::store::IndexRange;

/// The views of the read model `V` that an actor may see: the answer of a function that a query names,
/// `#[query(returns = .., rows = own_orders)]`.
///
/// ```
/// use cqrs_core::prelude::*;
/// use cqrs_core::views::Rows;
///
/// #[derive(ReadModel, Clone, Serialize, Deserialize)]
/// struct OrderView {
///     #[key]
///     id: u64,
///     #[index]
///     customer: String,
///     #[index]
///     cents: u64,
/// }
///
/// /// Each customer sees its own orders, and clerks see all.
/// fn own_orders(actor: &Actor) -> Rows<OrderView> {
///     if actor.holds("orders.read-all") {
///         return Rows::all();
///     }
///     Rows::eq(OrderView::CUSTOMER, &actor.name().to_owned())
/// }
/// ```
///
/// The store reads within these rows only: they hold for every search, count, page and cursor, and a view outside of them is
/// not found by its key.
#[must_use = "a query sees the rows that its function returns"]
pub struct Rows<V> {
    limits: RowLimits,
    of: PhantomData<fn() -> V>,
}

impl<V: ReadModel> Rows<V> {
    /// All views, as without a rule.
    pub fn all() -> Self {
        Self::of(RowLimits::All)
    }

    /// No view.
    pub fn none() -> Self {
        Self::of(RowLimits::None)
    }

    /// The views whose index has this value.
    pub fn eq<T: Indexed>(index: Index<V, T>, value: &T) -> Self {
        let range = equal(index, value);
        Self::of(RowLimits::Within(vec![range]))
    }

    /// The views whose index is within the range: `..=max`, `min..`, `a..b`.
    pub fn range<T: Indexed>(index: Index<V, T>, range: impl RangeBounds<T>) -> Self {
        let range = within(index, range);
        Self::of(RowLimits::Within(vec![range]))
    }

    /// The views that are in both.
    pub fn and(self, other: Self) -> Self {
        Self::of(self.limits.and(other.limits))
    }

    fn of(limits: RowLimits) -> Self {
        Self {
            limits,
            of: PhantomData,
        }
    }
}

/// A function that says which views of `V` an actor may see.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which rows an actor may see",
    label = "not a function of the actor that returns `Rows<..>`",
    note = "write `fn own_orders(actor: &Actor) -> Rows<OrderView>`, and \
            `#[query(returns = .., rows = own_orders)]`"
)]
pub trait SelectsRows<V>: Send + Sync + 'static {
    /// The views that this actor may see.
    fn rows(&self, actor: &Actor) -> Rows<V>;
}

#[diagnostic::do_not_recommend]
impl<V, F> SelectsRows<V> for F
where
    F: Fn(&Actor) -> Rows<V> + Send + Sync + 'static,
{
    fn rows(&self, actor: &Actor) -> Rows<V> {
        self(actor)
    }
}

impl RowRule {
    /// The rule of this function.
    pub fn of<V: ReadModel, F: SelectsRows<V>>(function: F) -> Self {
        Self {
            model: TypeId::of::<V>(),
            name: V::NAME,
            limits: Arc::new(move |actor| function.rows(actor).limits),
        }
    }
}

/// The range of an index with one value.
pub(super) fn equal<V, T: Indexed>(index: Index<V, T>, value: &T) -> IndexRange {
    let key = Bound::Included(SortKey::of(value));
    IndexRange {
        index: index.place,
        from: key.clone(),
        to: key,
    }
}

/// The range of an index between these values.
pub(super) fn within<V, T: Indexed>(index: Index<V, T>, range: impl RangeBounds<T>) -> IndexRange {
    let key = |bound: Bound<&T>| bound.map(SortKey::of);
    IndexRange {
        index: index.place,
        from: key(range.start_bound()),
        to: key(range.end_bound()),
    }
}
