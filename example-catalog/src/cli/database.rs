use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::Stop;

/// What `--db` says.
#[derive(Clone, Debug)]
pub enum Location {
    File(PathBuf),
    Postgres(String),
}

/// Where a catalogue is kept.
#[derive(Clone, Debug)]
pub enum Database {
    File(PathBuf),
    Postgres { url: String, schema: String },
}

/// The schema when none is named; the same as the store's.
const USUAL_SCHEMA: &str = "cqrs";

impl From<OsString> for Location {
    /// A path need not be UTF-8, a URL is.
    fn from(text: OsString) -> Self {
        match text.to_str() {
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Self::Postgres(url.to_owned())
            }
            _ => Self::File(text.into()),
        }
    }
}

impl Database {
    /// The one that the arguments name, if they name one.
    pub fn named(location: Option<Location>, schema: Option<String>) -> Result<Option<Self>, Stop> {
        match (location, schema) {
            (Some(Location::Postgres(url)), schema) => Ok(Some(Self::Postgres {
                url,
                schema: schema.unwrap_or_else(|| USUAL_SCHEMA.to_owned()),
            })),
            (_, Some(schema)) => Err(Stop::Invalid(format!(
                "`--schema {schema}` needs a PostgreSQL database: name it with `--db postgres://..`"
            ))),
            (Some(Location::File(file)), None) => Ok(Some(Self::File(file))),
            (None, None) => Ok(None),
        }
    }

    /// The file that everything but the demo uses when none is named.
    pub fn usual() -> Self {
        Self::File(Path::new("catalog.db").to_owned())
    }
}

/// For people; without the URL, which may have a password in it.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Postgres { schema, .. } => write!(f, "PostgreSQL, schema `{schema}`"),
        }
    }
}
