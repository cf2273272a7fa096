use std::collections::HashMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat};
use serde::Deserialize;

use crate::address::{Location, read_address};
use crate::args::{ServedPart, WorkRole};
use crate::error::CliError;

/// The options of `serve` in a file and in the environment. Without `Debug`, because a URL may contain a password.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) store: Option<String>,
    pub(crate) store_file: Option<PathBuf>,
    pub(crate) schema: Option<String>,
    pub(crate) views: Option<PathBuf>,
    pub(crate) actor: Option<String>,
    /// The role of the actor.
    #[serde(rename = "as")]
    pub(crate) role: Option<String>,
    pub(crate) roles: Vec<WorkRole>,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) actor_header: Option<String>,
    pub(crate) only: Option<ServedPart>,
    pub(crate) event_feed: bool,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) token_audience: Vec<String>,
    pub(crate) token_issuer: Vec<String>,
    pub(crate) token_keys: Option<PathBuf>,
    pub(crate) token_secret_file: Option<PathBuf>,
    pub(crate) token_leeway: Option<u64>,
    pub(crate) token_roles_claim: Option<String>,
    pub(crate) role_permissions: Option<PathBuf>,
    pub(crate) max_body: Option<usize>,
    pub(crate) timeout: Option<u64>,
    pub(crate) body_timeout: Option<u64>,
    pub(crate) max_requests: Option<usize>,
    pub(crate) max_watches: Option<usize>,
    pub(crate) max_rate: Option<NonZeroU32>,
}

/// The keys that the environment has. Other variables that begin with the program's name are not for it. The address of
/// the store is looked for by every verb.
const KEYS: [&str; 24] = [
    "store_file",
    "schema",
    "views",
    "actor",
    "as",
    "roles",
    "listen",
    "actor_header",
    "only",
    "event_feed",
    "metrics_listen",
    "token_audience",
    "token_issuer",
    "token_keys",
    "token_secret_file",
    "token_leeway",
    "token_roles_claim",
    "role_permissions",
    "max_body",
    "timeout",
    "body_timeout",
    "max_requests",
    "max_watches",
    "max_rate",
];

impl Settings {
    /// The address of the store, if it is here.
    pub(crate) fn location(&self) -> Result<Option<Location>, CliError> {
        match (&self.store, &self.store_file) {
            (Some(address), _) => Ok(Some(OsString::from(address).into())),
            (None, Some(file)) => read_address(file).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Reads a file, if there is one, then the environment, whose variables begin with `prefix`.
    pub(crate) fn read(file: Option<&Path>, prefix: &str) -> Result<Self, CliError> {
        let variables = KEYS.iter().filter_map(|key| {
            let name = format!("{prefix}_{}", key.to_uppercase());
            let value = std::env::var_os(&name)?.into_string().ok()?;
            Some((name, value))
        });
        Self::merge(file, prefix, variables.collect())
    }

    fn merge(
        file: Option<&Path>,
        prefix: &str,
        variables: HashMap<String, String>,
    ) -> Result<Self, CliError> {
        let mut sources = Config::builder();
        if let Some(path) = file {
            let name = path.display();
            path.metadata()
                .map_err(|error| CliError::Failed(format!("cannot read `{name}`: {error}")))?;
            sources = sources.add_source(File::from(path).format(FileFormat::Toml));
        }
        let environment = Environment::with_prefix(prefix)
            .try_parsing(true)
            .ignore_empty(true)
            .list_separator(",")
            .with_list_parse_key("roles")
            .with_list_parse_key("token_audience")
            .with_list_parse_key("token_issuer")
            .source(Some(variables));
        let merged = sources.add_source(environment).build();
        merged
            .and_then(Config::try_deserialize)
            .map_err(|error| CliError::Invalid(format!("the options of `serve`: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(toml: &str, variables: &[(&str, &str)]) -> Result<Settings, CliError> {
        let directory =
            std::env::temp_dir().join(format!("cqrs-cli-{}", cqrs_core::Uuid::now_v7().simple()));
        std::fs::create_dir(&directory).expect("a directory");
        let file = directory.join("options.toml");
        std::fs::write(&file, toml).expect("a file");
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let merged = Settings::merge(Some(&file), "THE_SHOP", variables.collect());
        std::fs::remove_dir_all(&directory).expect("it is removed");
        merged
    }

    #[test]
    fn the_environment_comes_before_the_file() {
        let toml = "listen = '127.0.0.1:1'\nmax_body = 7\nroles = ['queries']\nas = 'reader'";
        let variables = [
            ("THE_SHOP_LISTEN", "127.0.0.1:2"),
            ("THE_SHOP_TIMEOUT", "9"),
            ("THE_SHOP_ROLES", "commands,queries"),
            ("THE_SHOP_ACTOR", "7"),
            ("THE_SHOP_MAX_REQUESTS", ""),
        ];
        let Ok(merged) = merge(toml, &variables) else {
            panic!("it is valid");
        };
        let listen = merged.listen.map(|it| it.to_string());
        assert_eq!(listen.as_deref(), Some("127.0.0.1:2"));
        assert_eq!((merged.max_body, merged.timeout), (Some(7), Some(9)));
        assert_eq!((merged.roles.len(), merged.max_requests), (2, None));
        assert_eq!(merged.role.as_deref(), Some("reader"));
        assert_eq!(merged.actor.as_deref(), Some("7"));
    }

    #[test]
    fn what_is_no_option_is_named() {
        let error = |toml: &str, variables: &[_]| match merge(toml, variables) {
            Err(CliError::Invalid(text)) => text,
            _ => panic!("it is refused"),
        };
        assert!(error("listn = 'x'", &[]).contains("unknown field `listn`"));
        assert!(error("max_body = 'much'", &[]).contains("max_body"));
        assert!(error("listen = ", &[]).contains("options.toml"));
        let roles = [("THE_SHOP_ROLES", "all")];
        assert!(error("", &roles).contains(" all"));
    }
}
