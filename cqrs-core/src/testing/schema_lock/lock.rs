use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::contract::Contract;

/// The contents of `schema.lock.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lock {
    /// Of this file.
    format: Format,
    /// By their wire names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) events: BTreeMap<String, LockedEvent>,
    /// The events that nothing reads any more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) retired: BTreeMap<String, LockedEvent>,
    /// The states of process managers, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) process_managers: BTreeMap<String, LockedType>,
    /// The stored states of aggregates, by their names in tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) aggregates: BTreeMap<String, LockedType>,
    /// By their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) projections: BTreeMap<String, LockedProjection>,
}

/// The version of the file's format, in which there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
struct Format;

impl From<Format> for u32 {
    fn from(Format: Format) -> Self {
        1
    }
}

impl TryFrom<u32> for Format {
    type Error = String;

    fn try_from(format: u32) -> Result<Self, String> {
        match format {
            1 => Ok(Self),
            other => Err(format!("format {other} is of a newer version of cqrs-core")),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LockedEvent {
    /// Its earlier names.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) was: BTreeSet<String>,
    /// All that there have been.
    pub(super) versions: BTreeMap<u32, LockedType>,
}

/// The schemas of a stored type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LockedType {
    /// Of the JSON that it writes.
    pub(super) written: Value,
    /// Of the JSON that it reads, if it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    read: Option<Value>,
    /// Of the JSON that it wrote before, in the same version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) earlier: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LockedProjection {
    pub(super) version: u32,
    pub(super) read_models: BTreeMap<String, LockedModel>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LockedModel {
    /// The types of the indexes, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) indexes: BTreeMap<String, String>,
    /// If the type derives a schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) views: Option<LockedType>,
}

impl LockedType {
    pub(super) fn new(Contract { written, read }: Contract, earlier: Vec<Value>) -> Self {
        let is_other = read != written;
        Self {
            written,
            read: is_other.then_some(read),
            earlier,
        }
    }

    /// The schema of the JSON that it reads.
    pub(super) fn read(&self) -> &Value {
        self.read.as_ref().unwrap_or(&self.written)
    }
}

impl Lock {
    /// The lock in this file. `None` without a file.
    ///
    /// # Errors
    /// When the file cannot be read, or is no lock.
    pub(super) fn load(file: &Path) -> Result<Option<Self>, String> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("`{}` cannot be read: {error}", file.display())),
        };
        let parsed = serde_json::from_str(&text).map(Some);
        parsed.map_err(|error| {
            format!(
                "`{}` is no lock: {error}. Take that of the main branch, and accept the changes of both \
                 branches",
                file.display()
            )
        })
    }

    /// The text of the file.
    pub(super) fn text(&self) -> String {
        pretty(self)
    }
}

/// JSON of several lines, with a newline at its end.
pub(super) fn pretty(value: &impl Serialize) -> String {
    // Nothing here has keys that are no text.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// Writes a file, so that a reader sees all of it or what was there before.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(file: &Path, text: &str) -> Result<(), String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let beside = file.with_extension(format!("{}-{count}.tmp", std::process::id()));
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&beside, text))
        .and_then(|()| fs::rename(&beside, file))
        .map_err(|error| format!("`{}` cannot be written: {error}", file.display()))
}
