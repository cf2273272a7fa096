/// Why a read model cannot be stored as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The model's name would have to be escaped in SQL.
    #[error(
        "a read model cannot be named `{model}`: use lower-case ASCII letters, digits and underscores"
    )]
    Name {
        /// The name.
        model: String,
    },
    /// A view does not have one sort key per index of its model.
    #[error(
        "view `{key}` of `{model}` has {sort_keys} sort keys, its read model has {indexes} indexes"
    )]
    SortKeys {
        /// The read model.
        model: String,
        /// The key of the view.
        key: String,
        /// Number of its sort keys.
        sort_keys: usize,
        /// Number of indexes of its model.
        indexes: usize,
    },
    /// The names of the indexes have no JSON.
    #[error("the indexes of `{model}` cannot be written as JSON: {reason}")]
    Indexes {
        /// The read model.
        model: String,
        /// Error of the serializer.
        reason: String,
    },
    /// The table has rows, and was created with other indexes.
    #[error(
        "the read model `{model}` is stored with the indexes {stored}, but has {indexes} now: raise \
         its projection's version, so that it is rebuilt"
    )]
    OtherIndexes {
        /// The read model.
        model: String,
        /// The indexes of the table, a JSON array.
        stored: String,
        /// The indexes of the model, a JSON array.
        indexes: String,
    },
}
