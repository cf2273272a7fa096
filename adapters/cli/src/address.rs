use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::CliError;

/// Maximum size of a file that names a database.
const MAX_ADDRESS_BYTES: u64 = 64 << 10;

/// The kinds of stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreKind {
    /// In memory, for one run.
    Memory,
    /// An `SQLite` file.
    Sqlite,
    /// A schema of a `PostgreSQL` database.
    Postgres,
    /// A log on an `UmaDB` server, with read models in an `SQLite` file.
    UmaDb,
}

/// The address of a database. Without `Debug`, because a URL may contain a password.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub(crate) enum Location {
    Memory,
    File(PathBuf),
    Postgres(String),
    UmaDb(String),
    /// Neither a path nor the URL of a supported database.
    Unknown,
}

/// The sources of the database's address, in the order in which they count.
#[derive(Clone, Default)]
pub(crate) struct AddressSources {
    pub(crate) address: Option<Location>,
    /// A file that contains the address.
    pub(crate) file: Option<PathBuf>,
    /// The environment variable to fall back to.
    pub(crate) variable: Option<String>,
    /// The address in a file of options.
    pub(crate) configured: Option<Location>,
}

/// The database of a program.
#[derive(Clone)]
pub(crate) enum Database {
    Memory,
    File(PathBuf),
    Postgres {
        url: String,
        schema: String,
    },
    /// The log is on a server, the read models are in a file.
    UmaDb {
        url: String,
        views: PathBuf,
    },
}

/// The default schema, which is also the store's.
const DEFAULT_SCHEMA: &str = "cqrs";

impl From<String> for Location {
    fn from(text: String) -> Self {
        OsString::from(text).into()
    }
}

impl From<OsString> for Location {
    /// A path may not be UTF-8; a URL is.
    fn from(text: OsString) -> Self {
        let Some(address) = text.to_str() else {
            return Self::File(text.into());
        };
        if address == "memory" {
            return Self::Memory;
        }
        if let Some(file) = address.strip_prefix("sqlite:") {
            return Self::File(file.trim_start_matches("//").into());
        }
        if let Some((scheme, rest)) = address.split_once("://") {
            return match scheme.to_ascii_lowercase().as_str() {
                scheme @ ("postgres" | "postgresql") => {
                    Self::Postgres(format!("{scheme}://{rest}"))
                }
                "umadb" => Self::UmaDb(format!("umadb://{rest}")),
                _ => Self::Unknown,
            };
        }
        // PostgreSQL's other notation of an address, which is not a file name either.
        if address.to_ascii_lowercase().contains("password=") {
            return Self::Unknown;
        }
        Self::File(text.into())
    }
}

impl AddressSources {
    /// The address, if any source has one.
    fn find(self) -> Result<Option<Location>, CliError> {
        if self.address.is_some() {
            return Ok(self.address);
        }
        if let Some(file) = self.file {
            return read_address(&file).map(Some);
        }
        let address = self.variable.and_then(std::env::var_os);
        let named = address.filter(|address| !address.is_empty());
        Ok(named.map(Location::from).or(self.configured))
    }
}

/// The address in the first line of a file.
pub(crate) fn read_address(file: &Path) -> Result<Location, CliError> {
    let name = file.display();
    let mut text = String::new();
    File::open(file)
        .and_then(|file| file.take(MAX_ADDRESS_BYTES).read_to_string(&mut text))
        .map_err(|error| CliError::Failed(format!("cannot read `{name}`: {error}")))?;
    match text.lines().next().map(str::trim) {
        Some(address) if !address.is_empty() => Ok(OsString::from(address).into()),
        _ => {
            let problem = "its first line has to be the address of a database";
            Err(CliError::Invalid(format!("`{name}`: {problem}")))
        }
    }
}

impl Database {
    /// The database at the address, if there is one, in the schema. Read models apart from the log are in a file
    /// that begins with the name of the program.
    pub(crate) fn named(
        name: &str,
        sources: AddressSources,
        schema: Option<String>,
        views: Option<PathBuf>,
    ) -> Result<Option<Self>, CliError> {
        match sources.find()? {
            Some(location) => Self::at(name, location, schema, views).map(Some),
            None => match (schema, views) {
                (None, None) => Ok(None),
                (Some(schema), _) => Err(needs_postgres(&schema)),
                (None, Some(_)) => Err(needs_umadb()),
            },
        }
    }

    /// The database at an address.
    pub(crate) fn at(
        name: &str,
        location: Location,
        schema: Option<String>,
        views: Option<PathBuf>,
    ) -> Result<Self, CliError> {
        if views.is_some() && !matches!(location, Location::UmaDb(_)) {
            return Err(needs_umadb());
        }
        match (location, schema) {
            (Location::Unknown, _) => Err(CliError::Invalid(
                "the address of the store is neither the path of a file, nor `memory`, nor a URL that \
                 begins with `postgres://` or `umadb://`"
                    .to_owned(),
            )),
            (Location::Postgres(url), schema) => Ok(Self::Postgres {
                url,
                schema: schema.unwrap_or_else(|| DEFAULT_SCHEMA.to_owned()),
            }),
            (_, Some(schema)) => Err(needs_postgres(&schema)),
            (Location::UmaDb(url), None) => Ok(Self::UmaDb {
                url,
                views: views.unwrap_or_else(|| format!("{name}-views.db").into()),
            }),
            (Location::Memory, None) => Ok(Self::Memory),
            (Location::File(file), None) => Ok(Self::File(file)),
        }
    }

    /// The default: an `SQLite` file with the name of the program.
    pub(crate) fn default_file(name: &str) -> Self {
        Self::File(format!("{name}.db").into())
    }

    pub(crate) fn kind(&self) -> StoreKind {
        match self {
            Self::Memory => StoreKind::Memory,
            Self::File(_) => StoreKind::Sqlite,
            Self::Postgres { .. } => StoreKind::Postgres,
            Self::UmaDb { .. } => StoreKind::UmaDb,
        }
    }
}

fn needs_umadb() -> CliError {
    let text = "`--views` is for an UmaDB log: name it with `--store umadb://..`";
    CliError::Invalid(text.to_owned())
}

fn needs_postgres(schema: &str) -> CliError {
    CliError::Invalid(format!(
        "`--schema {schema}` needs a PostgreSQL database: name it with `--store postgres://..`"
    ))
}

/// Without the URL, which may contain a password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Postgres { schema, .. } => write!(f, "PostgreSQL, schema `{schema}`"),
            Self::UmaDb { views, .. } => {
                write!(f, "UmaDB, with read models in {}", views.display())
            }
        }
    }
}
