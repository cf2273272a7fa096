use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A type with `Serialize` and `Deserialize`. A bound on serde's own traits would be reported twice,
/// and again wherever the type is used; this one is reported once, with the fix.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written as JSON and read back",
    label = "has no `Serialize`, or no `Deserialize`",
    note = "add `#[derive(Serialize, Deserialize)]` to `{Self}`"
)]
pub trait Json: Sized {
    /// `Serialize::serialize`.
    ///
    /// # Errors
    /// The serializer's, and the type's own.
    fn write_json<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// `Deserialize::deserialize`.
    ///
    /// # Errors
    /// The deserializer's, and the type's own.
    fn read_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Json for T {
    #[inline]
    fn write_json<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }

    #[inline]
    fn read_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

/// A [`Json`] value as serde's functions take it.
pub(super) struct Typed<T>(pub(super) T);

impl<T: Json> Serialize for Typed<&T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write_json(serializer)
    }
}

impl<'de, T: Json> Deserialize<'de> for Typed<T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read_json(deserializer).map(Self)
    }
}
