use std::io;
use std::marker::PhantomData;

use serde::Serialize;

use super::{Command, Event};
use crate::error::Invalid;

/// Checks of a message that need no state. Implement it for a command or query: every call, typed
/// or JSON, runs it before the handler.
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
    /// When the message is invalid in every state.
    fn validate(&self) -> Result<(), Invalid>;
}

/// Finds out whether a concrete type implements an optional trait. The derives write
/// `Probe::<T>::new().schema()`: the compiler picks the inherent method if `T` has the trait, and
/// otherwise the method of the fallback trait.
pub struct Probe<T>(PhantomData<T>);

impl<T> Default for Probe<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Probe<T> {
    /// Creates a probe of `T`.
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

/// The JSON schemas of a stored type. They differ where the type reads more than it writes: a field with a
/// default is always written, and need not be there to be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Schemas {
    /// Of the JSON that it writes.
    pub written: serde_json::Value,
    /// Of the JSON that it reads.
    pub read: serde_json::Value,
}

#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema> Probe<T> {
    /// The JSON schemas of a type that is stored, with the schemas of its fields' types in place.
    pub fn schemas(&self) -> Option<Schemas> {
        use schemars::generate::SchemaSettings;
        let settings = SchemaSettings::draft2020_12().with(|it| it.inline_subschemas = true);
        let written = settings.clone().for_serialize().into_generator();
        let read = settings.for_deserialize().into_generator();
        Some(Schemas {
            written: written.into_root_schema_for::<T>().to_value(),
            read: read.into_root_schema_for::<T>().to_value(),
        })
    }

    /// The JSON schema of an answer or an error: of the JSON that it writes.
    pub fn outcome(&self) -> Option<serde_json::Value> {
        let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
        let generator = settings.into_generator();
        Some(generator.into_root_schema_for::<T>().to_value())
    }

    /// The type's JSON schema. A struct without fields has the schema of an object, as its JSON is
    /// `{}`.
    pub fn schema(&self) -> Option<serde_json::Value> {
        let mut schema = schemars::schema_for!(T).to_value();
        if schema["type"] == "null" {
            schema["type"] = "object".into();
        }
        Some(schema)
    }
}

impl<T: Clone> Probe<T> {
    /// A copy of the value.
    pub fn copy(&self, value: &T) -> Option<T> {
        Some(value.clone())
    }
}

impl<T: Serialize> Probe<T> {
    /// The size of the value, plus the size of its JSON as an estimate for the heap, in bytes.
    pub fn size(&self, value: &T) -> usize {
        let mut json = Length(0);
        // A value that cannot be written counts with the part before the error.
        let _ = serde_json::to_writer(&mut json, value);
        size_of::<T>().saturating_add(json.0)
    }

    /// The value as JSON, if it can be written.
    pub fn json(&self, value: &T) -> Option<serde_json::Value> {
        serde_json::to_value(value).ok()
    }
}

/// Counts the bytes written to it.
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

/// The methods for types that do not implement the optional traits.
pub trait Fallback<T> {
    /// Accepts every message.
    #[inline]
    fn check(&self, _: &T) -> Result<(), Invalid> {
        Ok(())
    }

    /// The size of the value without its heap, which is not known.
    fn size(&self, _: &T) -> usize {
        size_of::<T>()
    }

    /// Returns no copy.
    fn copy(&self, _: &T) -> Option<T> {
        None
    }

    /// Returns no JSON.
    fn json(&self, _: &T) -> Option<serde_json::Value> {
        None
    }

    /// Returns no names.
    fn emits(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Returns no schema.
    fn schema(&self) -> Option<serde_json::Value> {
        None
    }

    /// Returns no schema.
    fn outcome(&self) -> Option<serde_json::Value> {
        None
    }

    /// Returns no schemas.
    fn schemas(&self) -> Option<Schemas> {
        None
    }
}

impl<T> Fallback<T> for Probe<T> {}

/// Finds out whether a concrete type is an event: the compiler picks the inherent constant if it
/// is, and otherwise that of [`NoEvent`].
pub struct EventProbe<T: ?Sized>(PhantomData<T>);

impl<T: Event> EventProbe<T> {
    /// Whether the type is an event.
    pub const IS_EVENT: bool = true;
}

/// The constant for types that are not events.
pub trait NoEvent {
    /// Whether the type is an event.
    const IS_EVENT: bool = false;
}

impl<T: ?Sized> NoEvent for EventProbe<T> {}

/// Finds out whether a concrete type is a command, as [`EventProbe`] whether it is an event.
pub struct CommandProbe<T: ?Sized>(PhantomData<T>);

impl<T: Command> CommandProbe<T> {
    /// Whether the type is a command.
    pub const IS_COMMAND: bool = true;
}

/// The constant for types that are not commands.
pub trait NoCommand {
    /// Whether the type is a command.
    const IS_COMMAND: bool = false;
}

impl<T: ?Sized> NoCommand for CommandProbe<T> {}
