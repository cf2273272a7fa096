use std::cell::{Cell, RefCell};
use std::fmt::Display;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::{Error, Value};

use super::path::{MapKey, Path};
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
    /// A serializer that writes JSON and reports its findings here.
    pub(super) fn serializer<'a>(&'a self, json: &'a mut Vec<u8>) -> Lossless<'a> {
        Lossless {
            json,
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

/// Writes the same JSON as `serde_json`, and reports the values that JSON represents as `null`. Without
/// anything to report, it allocates nothing.
///
/// Texts, numbers and the keys of maps are left to `serde_json`. The names of fields, which are most of the
/// text of a message, are written here: they take half of the time that `serde_json` needs for them.
pub(super) struct Lossless<'a> {
    json: &'a mut Vec<u8>,
    path: &'a Path<'a>,
    /// Whether the value is in a `Some`, so that it must not be written as `null`.
    is_some: bool,
    report: &'a Report,
}

/// A sequence, map or struct that is being written.
pub(super) struct Compound<'a> {
    json: &'a mut Vec<u8>,
    path: Path<'a>,
    report: &'a Report,
    /// Number of the items so far.
    items: usize,
    /// What ends it.
    end: &'static str,
    /// The next value's key, if it was written separately.
    key: String,
}

/// The names of structs by which `serde_json` passes its own JSON on, as the text of their only field.
const VERBATIM: &str = "$serde_json::private::";

impl<'a> Lossless<'a> {
    #[inline]
    fn compound(self, path: Path<'a>, start: &str, end: &'static str) -> Compound<'a> {
        self.json.extend_from_slice(start.as_bytes());
        Compound {
            json: self.json,
            path,
            report: self.report,
            items: 0,
            end,
            key: String::new(),
        }
    }

    /// As [`compound`](Self::compound), within an object that has the variant's name.
    fn variant(
        self,
        variant: &'static str,
        start: &str,
        end: &'static str,
    ) -> Result<Compound<'a>, Error> {
        self.json.push(b'{');
        write_name(self.json, variant)?;
        let path = self.path.name(variant);
        Ok(self.compound(path, start, end))
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
    fn null(self) {
        if self.is_some {
            self.report.lose(self.path, Lost::EmptySome);
        }
        self.json.extend_from_slice(b"null");
    }
}

/// The bytes that JSON has as they are.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut control = 0;
    while control < b' ' {
        plain[control as usize] = false;
        control += 1;
    }
    plain[b'"' as usize] = false;
    plain[b'\\' as usize] = false;
    plain
};

/// Writes the name of a field or of a variant, and a colon.
#[inline]
fn write_name(json: &mut Vec<u8>, name: &'static str) -> Result<(), Error> {
    // All bytes, since a loop that may end early takes longer.
    if !name
        .bytes()
        .fold(true, |all, byte| all & PLAIN[usize::from(byte)])
    {
        serde_json::to_writer(&mut *json, name)?;
        json.push(b':');
        return Ok(());
    }
    json.reserve(name.len() + 3);
    json.push(b'"');
    json.extend_from_slice(name.as_bytes());
    json.extend_from_slice(b"\":");
    Ok(())
}

/// Writes an item, a field or the like, at a path of its own.
#[inline]
fn write_member<T: Serialize + ?Sized>(
    value: &T,
    json: &mut Vec<u8>,
    path: &Path<'_>,
    report: &Report,
) -> Result<(), Error> {
    let writer = Lossless {
        json,
        path,
        is_some: false,
        report,
    };
    let written = value.serialize(writer);
    if written.is_err() {
        report.fail(path);
    }
    written
}

macro_rules! forward {
    ($($method:ident: $ty:ty)*) => {$(
        #[inline]
        fn $method(self, value: $ty) -> Result<(), Error> {
            serde_json::Serializer::new(self.json).$method(value)
        }
    )*};
}

impl<'a> Serializer for Lossless<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = Compound<'a>;

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
    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.float(value.into());
        serde_json::Serializer::new(self.json).serialize_f32(value)
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.float(value);
        serde_json::Serializer::new(self.json).serialize_f64(value)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Error> {
        self.null();
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(Self {
            is_some: true,
            ..self
        })
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Error> {
        self.null();
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        let is_unit = self.path.is_root() && !self.is_some;
        self.report.is_unit.set(is_unit);
        self.null();
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let Compound {
            json,
            path,
            report,
            end,
            ..
        } = self.variant(variant, "", "}")?;
        write_member(value, json, &path, report)?;
        json.extend_from_slice(end.as_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'a>, Error> {
        let path = *self.path;
        Ok(self.compound(path, "[", "]"))
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Compound<'a>, Error> {
        self.serialize_seq(Some(len))
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Compound<'a>, Error> {
        self.serialize_seq(Some(len))
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'a>, Error> {
        self.variant(variant, "[", "]}")
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'a>, Error> {
        let path = *self.path;
        Ok(self.compound(path, "{", "}"))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Compound<'a>, Error> {
        let path = *self.path;
        if name.starts_with(VERBATIM) {
            return Ok(self.compound(path, "", ""));
        }
        Ok(self.compound(path, "{", "}"))
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'a>, Error> {
        self.variant(variant, "{", "}}")
    }

    #[inline]
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        serde_json::Serializer::new(self.json).collect_str(value)
    }
}

impl Compound<'_> {
    /// Begins the next item.
    #[inline]
    fn separate(&mut self) {
        if self.items > 0 {
            self.json.push(b',');
        }
        self.items += 1;
    }

    /// Writes a key as `serde_json` does, which has rules of its own for keys that are no texts.
    fn write_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.separate();
        // The brace with which serde_json begins the map of this key takes the place of what is there.
        let last = self.json.pop();
        let start = self.json.len();
        let mut writer = serde_json::Serializer::new(&mut *self.json);
        writer.serialize_map(None)?.serialize_key(key)?;
        if let (Some(last), Some(brace)) = (last, self.json.get_mut(start)) {
            *brace = last;
        }
        self.json.push(b':');
        Ok(())
    }

    #[inline]
    fn finish(self) {
        self.json.extend_from_slice(self.end.as_bytes());
    }
}

macro_rules! items {
    ($($of:ident::$method:ident)*) => {$(
        impl $of for Compound<'_> {
            type Ok = ();
            type Error = Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                let index = self.items;
                self.separate();
                write_member(value, self.json, &self.path.item(index), self.report)
            }

            #[inline]
            fn end(self) -> Result<(), Error> {
                self.finish();
                Ok(())
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
        impl $of for Compound<'_> {
            type Ok = ();
            type Error = Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                if self.end.is_empty() {
                    return write_verbatim(self.json, value);
                }
                self.separate();
                write_name(self.json, name)?;
                write_member(value, self.json, &self.path.name(name), self.report)
            }

            #[inline]
            fn end(self) -> Result<(), Error> {
                self.finish();
                Ok(())
            }
        }
    )*};
}

fields! { SerializeStruct SerializeStructVariant }

/// Writes the JSON that is the text of this value.
#[cold]
fn write_verbatim<T: Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) -> Result<(), Error> {
    match serde_json::to_value(value)? {
        Value::String(text) => json.extend_from_slice(text.as_bytes()),
        other => serde_json::to_writer(json, &other)?,
    }
    Ok(())
}

impl SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = MapKey::text(&key);
        self.write_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        write_member(value, self.json, &self.path.key(&self.key), self.report)
    }

    #[inline]
    fn serialize_entry<K, T>(&mut self, key: &K, value: &T) -> Result<(), Error>
    where
        K: Serialize + ?Sized,
        T: Serialize + ?Sized,
    {
        self.write_key(key)?;
        write_member(value, self.json, &self.path.key(&key), self.report)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}
