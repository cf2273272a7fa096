/// A value as bytes with the same order, so that every store can sort and compare values of any
/// type.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SortKey(Vec<u8>);

impl SortKey {
    /// Maximum size of a sort key, and of the key of a view, in bytes. Every store can keep that
    /// much in an index. In the key of a view, U+0000 and U+0001 count twice; a number, a
    /// `Timestamp` or an `Option` as an index takes a few bytes more.
    pub const MAX_BYTES: usize = 1024;

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds bytes with the same order as the value.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

impl From<Vec<u8>> for SortKey {
    fn from(stored: Vec<u8>) -> Self {
        Self(stored)
    }
}
