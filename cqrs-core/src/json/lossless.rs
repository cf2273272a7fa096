use std::cell::{Cell, RefCell};
use std::fmt::Display;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::path::Path;
use super::{Loss, Lost};

/// Findings while a value was written.
#[derive(Default)]
pub(super) struct Report {
    losses: RefCell<Vec<Loss>>,
    /// Path of the innermost value that could not be written.
    failed: RefCell<Option<String>>,
    is_unit: Cell<bool>,
}

impl Report {
    /// A serializer that writes with `inner` and reports its findings here.
    pub(super) fn serializer<S: Serializer>(&self, inner: S) -> Lossless<'_, S> {
        Lossless {
            inner,
            path: &Path::ROOT,
            is_some: false,
            report: self,
        }
    }

    /// Whether the whole value is a struct without fields.
    pub(super) fn is_unit(&self) -> bool {
        self.is_unit.get()
    }

    /// Places where JSON has `null` for a value that is not absent.
    pub(super) fn into_losses(self) -> Vec<Loss> {
        self.losses.into_inner()
    }

    /// Path of the innermost value that could not be written. `None` for the whole value.
    pub(super) fn into_failed(self) -> Option<String> {
        self.failed.into_inner()
    }

    #[cold]
    fn lose(&self, path: &Path<'_>, value: Lost) {
        let field = path.text();
        self.losses.borrow_mut().push(Loss { field, value });
    }

    #[cold]
    fn fail(&self, path: &Path<'_>) {
        let mut failed = self.failed.borrow_mut();
        if failed.is_none() {
            *failed = path.text();
        }
    }
}

/// Writes with another serializer, and reports the values that JSON represents as `null`. Without
/// anything to report, it allocates nothing.
pub(super) struct Lossless<'a, S> {
    inner: S,
    path: &'a Path<'a>,
    /// Whether the value is in a `Some`, so that it must not be written as `null`.
    is_some: bool,
    report: &'a Report,
}

/// A value for the inner serializer. Wraps the serializer that it is written with in a
/// [`Lossless`].
struct NestedValue<'a, T: ?Sized> {
    inner: &'a T,
    path: Path<'a>,
    is_some: bool,
    report: &'a Report,
}

impl<'a, T: ?Sized> NestedValue<'a, T> {
    /// An item, a field or the like, at a path of its own.
    #[inline]
    fn member(inner: &'a T, path: Path<'a>, report: &'a Report) -> Self {
        Self {
            inner,
            path,
            is_some: false,
            report,
        }
    }
}

impl<T: Serialize + ?Sized> Serialize for NestedValue<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        let written = self.inner.serialize(Lossless {
            inner,
            path: &self.path,
            is_some: self.is_some,
            report: self.report,
        });
        if written.is_err() {
            self.report.fail(&self.path);
        }
        written
    }
}

/// A sequence, map or struct of the inner serializer.
pub(super) struct Compound<'a, C> {
    inner: C,
    path: Path<'a>,
    report: &'a Report,
    /// Index of the next item.
    next: usize,
    /// The next value's key, if it was written separately.
    key: String,
}

impl<'a, S: Serializer> Lossless<'a, S> {
    #[inline]
    fn compound<C>(path: Path<'a>, report: &'a Report, inner: C) -> Compound<'a, C> {
        Compound {
            inner,
            path,
            report,
            next: 0,
            key: String::new(),
        }
    }

    /// The inner value of a `Some` or of a newtype.
    #[inline]
    fn inside<'v, T: ?Sized>(&self, value: &'v T, is_some: bool) -> NestedValue<'v, T>
    where
        'a: 'v,
    {
        NestedValue {
            inner: value,
            path: *self.path,
            is_some,
            report: self.report,
        }
    }

    #[inline]
    fn float(&self, value: f64) {
        if !value.is_finite() {
            let lost = match value {
                f64::INFINITY => Lost::Infinity,
                f64::NEG_INFINITY => Lost::NegativeInfinity,
                _ => Lost::NotANumber,
            };
            self.report.lose(self.path, lost);
        }
    }

    #[inline]
    fn null(&self) {
        if self.is_some {
            self.report.lose(self.path, Lost::EmptySome);
        }
    }
}

macro_rules! forward {
    ($($method:ident: $ty:ty)*) => {$(
        #[inline]
        fn $method(self, value: $ty) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        }
    )*};
}

macro_rules! compounds {
    ($($method:ident($($arg:ident: $ty:ty),+) -> $of:ident;)*) => {$(
        #[inline]
        fn $method(self, $($arg: $ty),+) -> Result<Self::$of, S::Error> {
            let inner = self.inner.$method($($arg),+)?;
            Ok(Self::compound(*self.path, self.report, inner))
        }
    )*};
}

impl<'a, S: Serializer> Serializer for Lossless<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Compound<'a, S::SerializeSeq>;
    type SerializeTuple = Compound<'a, S::SerializeTuple>;
    type SerializeTupleStruct = Compound<'a, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Compound<'a, S::SerializeTupleVariant>;
    type SerializeMap = Compound<'a, S::SerializeMap>;
    type SerializeStruct = Compound<'a, S::SerializeStruct>;
    type SerializeStructVariant = Compound<'a, S::SerializeStructVariant>;

    forward! {
        serialize_bool: bool
        serialize_i8: i8
        serialize_i16: i16
        serialize_i32: i32
        serialize_i64: i64
        serialize_i128: i128
        serialize_u8: u8
        serialize_u16: u16
        serialize_u32: u32
        serialize_u64: u64
        serialize_u128: u128
        serialize_char: char
        serialize_str: &str
        serialize_bytes: &[u8]
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        self.float(value.into());
        self.inner.serialize_f32(value)
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        self.float(value);
        self.inner.serialize_f64(value)
    }

    #[inline]
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.null();
        self.inner.serialize_none()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let value = self.inside(value, true);
        self.inner.serialize_some(&value)
    }

    #[inline]
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.null();
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.null();
        let is_unit = self.path.is_root() && !self.is_some;
        self.report.is_unit.set(is_unit);
        self.inner.serialize_unit_struct(name)
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = self.inside(value, self.is_some);
        self.inner.serialize_newtype_struct(name, &value)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = NestedValue::member(value, self.path.name(variant), self.report);
        self.inner
            .serialize_newtype_variant(name, index, variant, &value)
    }

    compounds! {
        serialize_seq(len: Option<usize>) -> SerializeSeq;
        serialize_tuple(len: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, len: usize) -> SerializeTupleStruct;
        serialize_map(len: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> SerializeStruct;
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let inner = self
            .inner
            .serialize_tuple_variant(name, index, variant, len)?;
        Ok(Self::compound(self.path.name(variant), self.report, inner))
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let inner = self
            .inner
            .serialize_struct_variant(name, index, variant, len)?;
        Ok(Self::compound(self.path.name(variant), self.report, inner))
    }

    #[inline]
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! items {
    ($($of:ident::$method:ident)*) => {$(
        impl<C: $of> $of for Compound<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                let path = self.path.item(self.next);
                self.next += 1;
                self.inner.$method(&NestedValue::member(value, path, self.report))
            }

            #[inline]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

items! {
    SerializeSeq::serialize_element
    SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field
    SerializeTupleVariant::serialize_field
}

macro_rules! fields {
    ($($of:ident)*) => {$(
        impl<C: $of> $of for Compound<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                let value = NestedValue::member(value, self.path.name(name), self.report);
                self.inner.serialize_field(name, &value)
            }

            #[inline]
            fn skip_field(&mut self, name: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(name)
            }

            #[inline]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

fields! { SerializeStruct SerializeStructVariant }

impl<C: SerializeMap> SerializeMap for Compound<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.key = super::path::MapKey::text(&key);
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let value = NestedValue::member(value, self.path.key(&self.key), self.report);
        self.inner.serialize_value(&value)
    }

    #[inline]
    fn serialize_entry<K, T>(&mut self, key: &K, value: &T) -> Result<(), C::Error>
    where
        K: Serialize + ?Sized,
        T: Serialize + ?Sized,
    {
        let value = NestedValue::member(value, self.path.key(&key), self.report);
        self.inner.serialize_entry(key, &value)
    }

    #[inline]
    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}
