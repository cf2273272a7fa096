use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::json;
use crate::message::Command;

/// A command that a reaction sent.
#[derive(Clone, Debug, PartialEq)]
pub struct SentCommand {
    /// The command's wire name.
    pub name: &'static str,
    /// The command's fields as JSON.
    pub body: Value,
}

impl SentCommand {
    pub(crate) fn new<C: Command>(command: &C) -> Self {
        Self {
            name: C::NAME,
            body: json::to_value(command),
        }
    }

    /// The command.
    ///
    /// # Errors
    /// If the command has another type, or its fields do not fit the type.
    pub fn decode<C: Command + DeserializeOwned>(&self) -> Result<C> {
        if self.name != C::NAME {
            return Err(Error::message(format!("it is a `{}`", self.name)));
        }
        Ok(serde_json::from_value(self.body.clone())?)
    }
}

/// The commands that a dispatcher was sent in a test.
#[derive(Default)]
pub(crate) struct SentCommands(Mutex<Vec<SentCommand>>);

impl SentCommands {
    pub(super) fn record(&self, name: &'static str, body: Value) {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.push(SentCommand { name, body });
    }

    pub(crate) fn take(&self) -> Vec<SentCommand> {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *sent)
    }
}
