use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::CliError;

/// The environment variable that names the database if no argument does.
const VARIABLE: &str = "CATALOG_DB";

/// Maximum size of a file that names a database.
const MAX_ADDRESS_BYTES: u64 = 64 << 10;

/// The address of a database. Without `Debug`, because a URL may contain a password.
#[derive(Clone)]
pub enum Location {
    File(PathBuf),
    Postgres(String),
    UmaDb(String),
    /// Neither a path nor the URL of a supported database.
    Unknown,
}

/// The sources of the database's address.
#[derive(Clone)]
pub struct AddressSources {
    pub address: Option<Location>,
    /// A file that contains the address.
    pub file: Option<PathBuf>,
    /// Whether to fall back to the environment.
    pub or_environment: bool,
}

/// The database of a catalog.
#[derive(Clone)]
pub enum Database {
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

/// The default file of the read models.
const DEFAULT_VIEWS: &str = "catalog-views.db";

impl From<OsString> for Location {
    /// A path may not be UTF-8; a URL is.
    fn from(text: OsString) -> Self {
        let Some(address) = text.to_str() else {
            return Self::File(text.into());
        };
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
        if !self.or_environment {
            return Ok(None);
        }
        Ok(std::env::var_os(VARIABLE)
            .filter(|address| !address.is_empty())
            .map(Location::from))
    }
}

/// The address in the first line of a file.
fn read_address(file: &Path) -> Result<Location, CliError> {
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
    /// The database at the address, if there is one, in the schema.
    pub fn named(
        sources: AddressSources,
        schema: Option<String>,
        views: Option<PathBuf>,
    ) -> Result<Option<Self>, CliError> {
        let location = sources.find()?;
        if views.is_some() && !matches!(location, Some(Location::UmaDb(_))) {
            return Err(CliError::Invalid(
                "`--views` is for an UmaDB log: name it with `--db umadb://..`".to_owned(),
            ));
        }
        match (location, schema) {
            (Some(Location::Unknown), _) => Err(CliError::Invalid(
                "the address of the database is neither the path of a file nor a URL that begins \
                 with `postgres://` or `umadb://`"
                    .to_owned(),
            )),
            (Some(Location::Postgres(url)), schema) => Ok(Some(Self::Postgres {
                url,
                schema: schema.unwrap_or_else(|| DEFAULT_SCHEMA.to_owned()),
            })),
            (_, Some(schema)) => Err(CliError::Invalid(format!(
                "`--schema {schema}` needs a PostgreSQL database: name it with `--db postgres://..`"
            ))),
            (Some(Location::UmaDb(url)), None) => Ok(Some(Self::UmaDb {
                url,
                views: views.unwrap_or_else(|| DEFAULT_VIEWS.into()),
            })),
            (Some(Location::File(file)), None) => Ok(Some(Self::File(file))),
            (None, None) => Ok(None),
        }
    }

    /// The default of all commands except the demo.
    pub fn default_file() -> Self {
        Self::File(Path::new("catalog.db").to_owned())
    }
}

/// Without the URL, which may contain a password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Postgres { schema, .. } => write!(f, "PostgreSQL, schema `{schema}`"),
            Self::UmaDb { views, .. } => {
                write!(f, "UmaDB, with read models in {}", views.display())
            }
        }
    }
}
