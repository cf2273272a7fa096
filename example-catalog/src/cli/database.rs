use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::Stop;

/// The environment variable that names the database when no argument does.
const VARIABLE: &str = "CATALOG_DB";

/// The most bytes of a file that names a database.
const MAX_ADDRESS: u64 = 64 << 10;

/// The address of a database. It has no `Debug`: a URL may have a password in it.
#[derive(Clone)]
pub enum Location {
    File(PathBuf),
    Postgres(String),
    UmaDb(String),
    /// Neither a path nor the URL of a database that is known here.
    Unknown,
}

/// Where the address of the database is to be found.
#[derive(Clone)]
pub struct Named {
    pub address: Option<Location>,
    /// A file that has the address in it.
    pub file: Option<PathBuf>,
    /// Whether the environment names the database otherwise.
    pub or_environment: bool,
}

/// Where a catalog is kept.
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

/// The schema when none is named; the same as the store's.
const USUAL_SCHEMA: &str = "cqrs";

/// The file of the read models when none is named.
const DEFAULT_VIEWS: &str = "catalog-views.db";

impl From<OsString> for Location {
    /// A path need not be UTF-8, a URL is.
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
        // PostgreSQL's other way to write an address: no name of a file either.
        if address.to_ascii_lowercase().contains("password=") {
            return Self::Unknown;
        }
        Self::File(text.into())
    }
}

impl Named {
    /// The address, if one is named.
    fn find(self) -> Result<Option<Location>, Stop> {
        if self.address.is_some() {
            return Ok(self.address);
        }
        if let Some(file) = self.file {
            return read_address(&file).map(Some);
        }
        let variable = std::env::var_os(VARIABLE).filter(|_| self.or_environment);
        Ok(variable.filter(|it| !it.is_empty()).map(Location::from))
    }
}

/// The address in the first line of a file.
fn read_address(file: &Path) -> Result<Location, Stop> {
    let name = file.display();
    let failed = |error| Stop::Failed(format!("cannot read `{name}`: {error}"));
    let mut text = String::new();
    let opened = File::open(file).map_err(failed)?;
    let mut opened = opened.take(MAX_ADDRESS);
    opened.read_to_string(&mut text).map_err(failed)?;
    match text.lines().next().map(str::trim) {
        Some(address) if !address.is_empty() => Ok(OsString::from(address).into()),
        _ => {
            let what = "its first line has to be the address of a database";
            Err(Stop::Invalid(format!("`{name}`: {what}")))
        }
    }
}

impl Database {
    /// The one that the arguments name, if they name one.
    pub fn named(
        named: Named,
        schema: Option<String>,
        views: Option<PathBuf>,
    ) -> Result<Option<Self>, Stop> {
        let location = named.find()?;
        if views.is_some() && !matches!(location, Some(Location::UmaDb(_))) {
            return Err(Stop::Invalid(
                "`--views` is for an UmaDB log: name it with `--db umadb://..`".to_owned(),
            ));
        }
        match (location, schema) {
            (Some(Location::Unknown), _) => Err(Stop::Invalid(
                "the address of the database is neither the path of a file nor a URL that begins \
                 with `postgres://` or `umadb://`"
                    .to_owned(),
            )),
            (Some(Location::Postgres(url)), schema) => Ok(Some(Self::Postgres {
                url,
                schema: schema.unwrap_or_else(|| USUAL_SCHEMA.to_owned()),
            })),
            (_, Some(schema)) => Err(Stop::Invalid(format!(
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
            Self::UmaDb { views, .. } => {
                write!(f, "UmaDB, with read models in {}", views.display())
            }
        }
    }
}
