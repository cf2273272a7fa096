use super::failure::IntoHandlerError;
use crate::error::{Error, Result};
use crate::json::{self, Json};
use crate::source::Source;

/// A function that converts an event of an earlier version to the next one. `#[upcast]` implements it.
pub trait Upcaster: 'static {
    /// The event in the version that it takes.
    type Old: Json;
    /// The event's wire name.
    const EVENT: &'static str;
    /// The version that it takes.
    const FROM: u32;
    /// The function's name.
    const NAME: &'static str;
    /// Hash of the function, as it is written.
    const FINGERPRINT: u64;
    /// The place of the function in the source.
    const SOURCE: Source;

    /// Calls the function.
    ///
    /// # Errors
    /// The function's error, or an error about an event that cannot be written as JSON.
    fn upcast(old: Self::Old) -> UpcastResult;
}

/// The JSON of the event in the next version. `None` if the event is left out.
pub type UpcastResult = Result<Option<Vec<u8>>>;

/// The result of an upcaster that returns an event.
///
/// # Errors
/// When the event cannot be written as JSON.
pub fn upcast_to_event<T: Json>(new: T) -> UpcastResult {
    json::encode(&new).map(Some).map_err(Error::from)
}

/// The result of an upcaster that may leave the event out.
///
/// # Errors
/// When the event cannot be written as JSON.
pub fn upcast_to_option<T: Json>(new: Option<T>) -> UpcastResult {
    new.map_or(Ok(None), upcast_to_event)
}

/// The result of an upcaster that may fail. `finish` is one of the other functions.
///
/// # Errors
/// The upcaster's error, or that of `finish`.
pub fn upcast_to_result<T, E: IntoHandlerError>(
    new: Result<T, E>,
    finish: fn(T) -> UpcastResult,
) -> UpcastResult {
    finish(new.map_err(IntoHandlerError::into_error)?)
}
