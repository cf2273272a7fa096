use std::fmt;

use serde::de::value::MapDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Reads a whole message. A struct without fields is `{}`. Payloads recorded as `null` before the
/// struct had fields, or with fields that were since removed, are read as well.
pub(super) struct Root<D> {
    inner: D,
    origin: Origin,
}

/// Origin of a JSON text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Recorded in the log: `null` may date from a time when the type had no fields.
    Log,
    /// Sent by a caller: `null` for a type with fields is a mistake.
    Caller,
}

impl<D> Root<D> {
    /// Reads with a deserializer that is at its start.
    pub(super) fn new(inner: D, origin: Origin) -> Self {
        Self { inner, origin }
    }
}

macro_rules! forward {
    ($($method:ident($($arg:ident: $ty:ty),*))*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(
            self,
            $($arg: $ty,)*
            visitor: V,
        ) -> Result<V::Value, D::Error> {
            self.inner.$method($($arg,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Root<D> {
    type Error = D::Error;

    forward! {
        deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32()
        deserialize_i64() deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32()
        deserialize_u64() deserialize_u128() deserialize_f32() deserialize_f64() deserialize_char()
        deserialize_str() deserialize_string() deserialize_bytes() deserialize_byte_buf()
        deserialize_option() deserialize_unit() deserialize_seq() deserialize_identifier()
        deserialize_ignored_any()
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(UnitVisitor(visitor))
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        match self.origin {
            Origin::Caller if fields.is_empty() => self
                .inner
                .deserialize_any(MessageVisitor(ObjectVisitor(visitor))),
            Origin::Caller => self
                .inner
                .deserialize_struct(name, fields, MessageVisitor(visitor)),
            Origin::Log => self.inner.deserialize_any(ObjectVisitor(visitor)),
        }
    }

    /// A struct with a flattened field, which serde does not read from an array.
    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        match self.origin {
            Origin::Log => self.inner.deserialize_any(ObjectVisitor(visitor)),
            Origin::Caller => self.inner.deserialize_map(visitor),
        }
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// Visits a struct without fields.
struct UnitVisitor<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for UnitVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<V::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.0.visit_unit()
    }
}

/// Visits a struct sent by a caller. Arrays are refused: serde would match their items to fields by
/// order, so the meaning of such a message would change when a field is added.
struct MessageVisitor<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for MessageVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<V::Value, A::Error> {
        Err(A::Error::custom(
            "a message is a JSON object with its fields by name, `{..}`, not an array",
        ))
    }
}

/// Visits a struct with fields.
struct ObjectVisitor<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for ObjectVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        let none = std::iter::empty::<((), ())>();
        self.0.visit_map(MapDeserializer::new(none))
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(map)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(seq)
    }
}
