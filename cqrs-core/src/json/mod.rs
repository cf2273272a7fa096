//! Lossless JSON: every recorded value reads back as the same value.

mod depth;
mod lossless;
mod path;
mod root;
#[cfg(test)]
mod tests;
mod typed;

use std::any::type_name;
use std::collections::HashSet;
use std::hash::Hash;
use std::io;
use std::str::Utf8Error;

use serde::Serialize;
use serde_json::Value;

use crate::error::{Failure, Invalid, InvalidKind};
use crate::panic::{guarded, method};
use crate::scratch;
use lossless::Report;
use path::shorten;
use root::{Origin, Root};
pub use typed::Json;
use typed::Typed;

/// The reason that a value has no JSON that reads back as the same value, or that JSON cannot be
/// read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", .field.as_ref().map(|field| format!("`{field}`: ")).unwrap_or_default())]
pub(crate) struct Unreadable {
    /// Path of the invalid field, such as `lines[2].price`. `None` for the value as a whole.
    pub(crate) field: Option<String>,
    /// Description of the problem.
    pub(crate) reason: String,
}

/// A place where JSON has `null` for a value that is not absent. Harmless if the type reads `null`
/// back as the original value, as a `deserialize_with` can.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Loss {
    field: Option<String>,
    value: Lost,
}

/// The kind of value that JSON represents as `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Lost {
    NotANumber,
    Infinity,
    NegativeInfinity,
    /// `Some(None)`, `Some(())` and the like.
    EmptySome,
}

/// Writes a value as JSON, and verifies that it can be read back.
///
/// Verification reads the JSON back: the type alone proves nothing, since `Serialize` and
/// `Deserialize` may be written by hand.
///
/// # Errors
/// When the value has no JSON, when its JSON does not read as a `T`, and when it reads as another
/// value because JSON has `null` for a number that is not finite or for a `Some` of nothing.
pub(crate) fn encode<T: Json>(value: &T) -> Result<Vec<u8>, Unreadable> {
    round_trip(value).map(|(json, _)| json)
}

/// Like [`encode`]. Also returns the value that was read back.
pub(crate) fn round_trip<T: Json>(value: &T) -> Result<(Vec<u8>, T), Unreadable> {
    round_trip_as(&Typed(value))
}

/// Like [`round_trip`], for a value that reads back as an `R`.
pub(crate) fn round_trip_as<R: Json, W: Serialize>(value: &W) -> Result<(Vec<u8>, R), Unreadable> {
    scratch::bytes(|json| {
        let report = write(value, &mut *json)?;
        if report.is_unit() {
            // A struct without fields is an object without fields, to which fields can be added.
            json.clear();
            json.extend_from_slice(b"{}");
        }
        let read = check(json, report.into_losses())?;
        // A copy without spare capacity, since it may be kept for long.
        Ok((json.as_slice().to_vec(), read))
    })
}

/// Adds a value's JSON to `text`, as serde writes it, to distinguish the value from others.
///
/// # Errors
/// When the value has no JSON, or shares its JSON with another value because of a `null`.
pub(crate) fn fingerprint<T: Json>(value: &T, text: &mut Vec<u8>) -> Result<(), Unreadable> {
    let start = text.len();
    let losses = write(&Typed(value), &mut *text)?.into_losses();
    if losses.is_empty() {
        return Ok(());
    }
    check::<T>(&text[start..], losses).map(drop)
}

/// A value's JSON, for display. [`Null`](Value::Null) if it has none.
pub(crate) fn to_value<T: Json>(value: &T) -> Value {
    serde_json::to_value(Typed(value)).unwrap_or_default()
}

/// Reads JSON. A type without fields reads from `null` and from any object, a type with fields
/// reads `null` as an object without any.
///
/// # Errors
/// When the JSON does not fit the type. The error names the field.
pub(crate) fn decode<T: Json>(json: &[u8]) -> Result<T, Unreadable> {
    read(json, Origin::Log)
}

/// Limits of a message from an external caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageLimits {
    /// Maximum size in bytes.
    pub(crate) bytes: usize,
    /// Maximum depth of objects and arrays.
    pub(crate) depth: usize,
}

/// Reads a message from an external caller. A type without fields also reads from empty text. A
/// type with fields must be an object.
///
/// # Errors
/// When the JSON exceeds a limit, or does not fit the type. The error names the field. The outer
/// error is a panic.
pub(crate) fn decode_message<T: Json>(
    json: &[u8],
    limits: MessageLimits,
) -> Result<Result<T, Invalid>, Failure> {
    let MessageLimits { bytes, depth } = limits;
    if json.len() > bytes {
        let actual = json.len();
        return Ok(Err(Invalid::new(format!(
            "{actual} bytes of JSON, at most {bytes}"
        ))));
    }
    if depth::exceeds(json, depth) {
        return Ok(Err(Invalid::new(format!(
            "objects and arrays are nested more than {depth} levels deep"
        ))));
    }
    let decoded = guarded(
        || method(type_name::<T>(), "deserialize"),
        || read_message(json),
    )?;
    Ok(decoded.map_err(Invalid::from))
}

fn read_message<T: Json>(json: &[u8]) -> Result<T, Unreadable> {
    if json.trim_ascii().is_empty() {
        // Empty text for a type with fields: the problem to report is missing JSON, not a wrong
        // value.
        return read(b"null", Origin::Caller).or_else(|_| read(json, Origin::Caller));
    }
    read(json, Origin::Caller)
}

/// Writes a value, and reports the values that JSON represents as `null`.
fn write<T: Serialize>(value: &T, json: impl io::Write) -> Result<Report, Unreadable> {
    let report = Report::default();
    let mut writer = serde_json::Serializer::new(json);
    match value.serialize(report.serializer(&mut writer)) {
        Ok(()) => Ok(report),
        Err(error) => Err(Unreadable {
            field: report.into_failed(),
            reason: error.to_string(),
        }),
    }
}

/// Reads JSON back as an `R`, which must have the same losses.
fn check<R: Json>(json: &[u8], losses: Vec<Loss>) -> Result<R, Unreadable> {
    let read = decode::<R>(json);
    if losses.is_empty() {
        return read.map_err(|error| Unreadable {
            reason: format!("its JSON cannot be read back: {}", error.reason),
            ..error
        });
    }
    let read = match read {
        Ok(read) => read,
        // The reported loss explains the failure.
        Err(error) => return Err(losses.into_iter().next().map_or(error, Unreadable::from)),
    };
    let kept: HashSet<_> = write(&Typed(&read), io::sink())
        .map(Report::into_losses)
        .into_iter()
        .flatten()
        .collect();
    match losses.into_iter().find(|loss| !kept.contains(loss)) {
        Some(loss) => Err(loss.into()),
        None => Ok(read),
    }
}

#[inline]
fn read<T: Json>(json: &[u8], origin: Origin) -> Result<T, Unreadable> {
    // Once for the whole text, which takes less time than once for each string in it.
    let json = str::from_utf8(json).map_err(Unreadable::from)?;
    let mut reader = serde_json::Deserializer::from_str(json);
    T::read_json(Root::new(&mut reader, origin))
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| locate::<T>(json, origin, &error))
}

/// Reads the JSON a second time to find the invalid field.
#[cold]
fn locate<T: Json>(json: &str, origin: Origin, error: &serde_json::Error) -> Unreadable {
    let mut reader = serde_json::Deserializer::from_str(json);
    let read = serde_path_to_error::deserialize::<_, Typed<T>>(Root::new(&mut reader, origin));
    let path = read.err().map(|error| error.path().to_string());
    let place = path.filter(|path| path != "." && path != "?");
    let reason = error.to_string();
    let field = match (place, missing_field(&reason)) {
        (Some(place), Some(missing)) => Some(format!("{place}.{missing}")),
        (None, Some(missing)) => Some(missing.to_owned()),
        (place, None) => place,
    };
    Unreadable {
        field: field.map(shorten),
        reason,
    }
}

/// The name in serde's error of a missing field, which has the path of the object around it.
fn missing_field(reason: &str) -> Option<&str> {
    let (name, _) = reason.strip_prefix("missing field `")?.split_once('`')?;
    Some(name)
}

impl Unreadable {
    /// Shortens the path to the part below a field of the value.
    pub(crate) fn within(self, field: &str) -> Self {
        let inner = self.field.as_deref().and_then(|path| {
            let path = path.strip_prefix(field)?;
            Some(path.strip_prefix('.').unwrap_or(path).to_owned())
        });
        Self {
            field: inner.filter(|path| !path.is_empty()),
            ..self
        }
    }
}

impl From<Unreadable> for Invalid {
    fn from(Unreadable { field, reason }: Unreadable) -> Self {
        Self {
            field,
            kind: InvalidKind::Json,
            ..Self::new(reason)
        }
    }
}

impl From<Utf8Error> for Unreadable {
    fn from(error: Utf8Error) -> Self {
        Self {
            field: None,
            reason: error.to_string(),
        }
    }
}

impl From<Loss> for Unreadable {
    fn from(Loss { field, value }: Loss) -> Self {
        let reason = match value {
            Lost::NotANumber => "JSON has no NaN: use a finite number",
            Lost::Infinity => "JSON has no infinity: use a finite number",
            Lost::NegativeInfinity => "JSON has no negative infinity: use a finite number",
            Lost::EmptySome => "JSON has `null` for this `Some`, which reads as `None`",
        };
        Self {
            field,
            reason: reason.to_owned(),
        }
    }
}
