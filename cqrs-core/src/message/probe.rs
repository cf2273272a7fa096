use std::io;
use std::marker::PhantomData;

use serde::Serialize;

use super::Event;
use crate::error::Invalid;

/// Checks that need no state. Implement it on a command or query: every call, typed or JSON, runs it
/// before the handler.
///
/// ```
/// use cqrs_core::prelude::*;
///
/// #[derive(Command, Clone, Serialize, Deserialize)]
/// struct Rename {
///     name: String,
/// }
///
/// impl Validate for Rename {
///     fn validate(&self) -> Result<(), Invalid> {
///         ensure!(!self.name.is_empty(), Invalid::field("name", "is empty"));
///         Ok(())
///     }
/// }
/// # assert!(Rename { name: String::new() }.validate().is_err());
/// ```
pub trait Validate {
    /// Checks the message.
    ///
    /// # Errors
    /// When the message makes no sense whatever the state is.
    fn validate(&self) -> Result<(), Invalid>;
}

/// Asks a concrete type whether it implements an optional trait. The derives write
/// `Probe::<T>::new().schema()`: the inherent method is there if `T` has the trait; if not, the
/// method of the fallback trait is found, which needs one more reference.
pub struct Probe<T>(PhantomData<T>);

impl<T> Default for Probe<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Probe<T> {
    /// A probe of `T`.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Validate> Probe<T> {
    /// Runs the check.
    #[inline]
    pub fn check(&self, message: &T) -> Result<(), Invalid> {
        message.validate()
    }
}

#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema> Probe<T> {
    /// The type's JSON schema. That of a struct without fields is an object's, as it is written.
    pub fn schema(&self) -> Option<serde_json::Value> {
        let mut schema = schemars::schema_for!(T).to_value();
        if schema["type"] == "null" {
            schema["type"] = "object".into();
        }
        Some(schema)
    }
}

impl<T: Serialize> Probe<T> {
    /// The bytes of the value, and those of its JSON for what it has on the heap.
    pub fn size(&self, value: &T) -> usize {
        let mut json = Length(0);
        // One that cannot be written counts as far as it can.
        let _ = serde_json::to_writer(&mut json, value);
        size_of::<T>().saturating_add(json.0)
    }
}

/// Counts what is written.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The answers for types that do not implement the optional traits.
pub trait Fallback<T> {
    /// Nothing to check.
    #[inline]
    fn check(&self, _: &T) -> Result<(), Invalid> {
        Ok(())
    }

    /// Its size on the heap is not known.
    fn size(&self, _: &T) -> usize {
        size_of::<T>()
    }

    /// No schema.
    fn schema(&self) -> Option<serde_json::Value> {
        None
    }
}

impl<T> Fallback<T> for Probe<T> {}

/// Tells a concrete type that is an event from others: the inherent constant is there if it is one,
/// else that of [`NoEvent`] is found.
pub struct EventProbe<T: ?Sized>(PhantomData<T>);

impl<T: Event> EventProbe<T> {
    /// Whether it is an event.
    pub const IS_EVENT: bool = true;
}

/// The answer for types that are not events.
pub trait NoEvent {
    /// Whether it is an event.
    const IS_EVENT: bool = false;
}

impl<T: ?Sized> NoEvent for EventProbe<T> {}
