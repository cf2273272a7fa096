use std::fmt;
use std::marker::PhantomData;

use super::SortKey;
use crate::json::Json;
use crate::message::{Field, Schemas};

/// A type whose values, the views, are kept by a projection and answer queries. Derive it: `#[key]`
/// marks the field that identifies a view, `#[index]` the fields to find and sort views by.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a read model",
    label = "this type does not derive `ReadModel`",
    note = "add `#[derive(ReadModel, Clone, Serialize, Deserialize)]` to `{Self}` and mark its \
            key with `#[key]`"
)]
pub trait ReadModel: Json + Clone + Send + Sync + 'static {
    /// The type of the `#[key]` field.
    type Key: fmt::Display; // its text is the key: implement `Display`, in place of a tuple for a struct of yours
    /// The read model's name, from the type's: `product_view`.
    const NAME: &'static str;
    /// The documentation comment.
    const DOCS: &'static str = "";
    /// The fields.
    #[doc(hidden)]
    const FIELDS: &'static [Field] = &[];
    /// The names of the `#[index]` fields.
    const INDEXES: &'static [&'static str];
    /// The types of the `#[index]` fields, as they are written.
    #[doc(hidden)]
    const INDEX_TYPES: &'static [&'static str] = &[];
    /// Hash of the fields. 0 if it is not known, so that a change is not noticed.
    const FINGERPRINT: u64 = 0;

    /// The JSON schemas of a view, if the type derives one.
    #[doc(hidden)]
    fn schemas() -> Option<Schemas> {
        None
    }

    /// The key of this view.
    fn key(&self) -> &Self::Key;

    /// A sort key per index.
    fn sort_keys(&self) -> Vec<SortKey>;
}

/// An `#[index]` of the read model `V`, of type `T`. The derive defines a constant for each.
pub struct Index<V, T: ?Sized> {
    pub(crate) place: usize,
    of: PhantomData<fn(&V) -> &T>,
}

impl<V, T: ?Sized> Index<V, T> {
    /// The index at this place of [`ReadModel::INDEXES`].
    #[doc(hidden)]
    pub const fn at(place: usize) -> Self {
        Self {
            place,
            of: PhantomData,
        }
    }
}

impl<V, T: ?Sized> Clone for Index<V, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V, T: ?Sized> Copy for Index<V, T> {}

impl<V: ReadModel, T: ?Sized> fmt::Debug for Index<V, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", V::NAME, V::INDEXES[self.place])
    }
}
