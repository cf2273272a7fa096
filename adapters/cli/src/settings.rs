use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use clap::{ArgAction, Args, Command};
use config::{Config, ConfigError, Environment, File, FileFormat, Value};

use crate::args::{GlobalArgs, ServeArgs};
use crate::error::CliError;

/// The options of `serve`, as a file and the environment set them. Arguments take their place.
pub(crate) struct Settings {
    pub(crate) serve: ServeArgs,
    pub(crate) global: GlobalArgs,
}

/// The keys of the options, in order, each with whether it has a list.
fn keys() -> Vec<(String, bool)> {
    let command = ServeArgs::augment_args(GlobalArgs::augment_args(Command::new("serve")));
    let options = command.get_arguments().map(|option| {
        let is_list = matches!(option.get_action(), ArgAction::Append);
        (option.get_id().to_string(), is_list)
    });
    options
        .filter(|(key, _)| !["config", "json"].contains(&key.as_str()))
        .chain([("as".to_owned(), false)])
        .collect()
}

impl Settings {
    /// Reads a file, if there is one, then the environment, whose variables begin with `prefix`. Other variables that begin
    /// so are not for it, and the address of the store is looked for by every verb.
    pub(crate) fn read(file: Option<&Path>, prefix: &str) -> Result<Self, CliError> {
        let variables = keys().into_iter().filter_map(|(key, _)| {
            let name = format!("{prefix}_{}", key.to_uppercase());
            let value = std::env::var_os(&name)?.into_string().ok()?;
            (key != "store").then_some((name, value))
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
        let keys = keys();
        let lists = keys.iter().filter(|(_, is_list)| *is_list);
        let variables = Environment::with_prefix(prefix)
            .try_parsing(true)
            .ignore_empty(true)
            .list_separator(",")
            .source(Some(variables));
        let environment = lists.fold(variables, |it, (key, _)| it.with_list_parse_key(key));
        let merged = sources.add_source(environment).build();
        merged
            .and_then(|merged| Self::of(merged, &keys))
            .map_err(|error| CliError::Invalid(format!("the options of `serve`: {error}")))
    }

    fn of(merged: Config, keys: &[(String, bool)]) -> Result<Self, ConfigError> {
        let set: BTreeMap<String, Value> = merged.clone().try_deserialize()?;
        let is_known = |name: &String| keys.iter().any(|(key, _)| key == name);
        if let Some(unknown) = set.into_keys().find(|name| !is_known(name)) {
            let known: Vec<_> = keys.iter().map(|(key, _)| format!("`{key}`")).collect();
            return Err(ConfigError::Message(format!(
                "unknown field `{unknown}`, expected one of {}",
                known.join(", ")
            )));
        }
        Ok(Self {
            serve: merged.clone().try_deserialize()?,
            global: merged.try_deserialize()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use clap::FromArgMatches as _;

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
        let Settings { serve, global } = merged;
        let listen = serve.listen.map(|it| it.to_string());
        assert_eq!(listen.as_deref(), Some("127.0.0.1:2"));
        assert_eq!(
            (serve.max_body, serve.timeout),
            (Some(7), NonZeroU64::new(9))
        );
        assert_eq!((serve.work.roles().len(), serve.max_requests), (2, None));
        assert_eq!(global.role.as_deref(), Some("reader"));
        assert_eq!(global.actor.as_deref(), Some("7"));
    }

    #[test]
    fn arguments_come_before_what_is_set() {
        let toml = "max_body = 7\ntimeout = 7\nroles = ['queries']\nevent_feed = true\ntoken_issuer = ['a', 'b']\nactor = 'ann'";
        let merged = |arguments: &[&str]| {
            let command = GlobalArgs::augment_args(ServeArgs::augment_args(Command::new("serve")));
            let matches = command
                .try_get_matches_from([&["serve"], arguments].concat())
                .expect("is valid");
            let Ok(mut set) = merge(toml, &[("THE_SHOP_TIMEOUT", "8")]) else {
                panic!("it is valid");
            };
            let updated = set.serve.update_from_arg_matches(&matches);
            updated
                .and_then(|()| set.global.update_from_arg_matches(&matches))
                .expect("is valid");
            set
        };
        let Settings { serve, global } = merged(&[]);
        assert_eq!(
            (serve.max_body, serve.timeout),
            (Some(7), NonZeroU64::new(8))
        );
        assert_eq!(serve.work.roles().len(), 1);
        assert_eq!(serve.event_feed, Some(true));
        assert_eq!(serve.token_issuer, ["a", "b"]);
        assert_eq!(global.actor.as_deref(), Some("ann"));
        let options = "--max-body 1 --timeout 2 --roles commands,queries --token-issuer c --event-feed --actor bob";
        let Settings { serve, global } = merged(&options.split(' ').collect::<Vec<_>>());
        assert_eq!(
            (serve.max_body, serve.timeout),
            (Some(1), NonZeroU64::new(2))
        );
        assert_eq!(serve.work.roles().len(), 2);
        assert_eq!(serve.event_feed, Some(true));
        assert_eq!(serve.token_issuer, ["c"]);
        assert_eq!(global.actor.as_deref(), Some("bob"));
    }

    #[test]
    fn what_is_no_option_is_named() {
        let error = |toml: &str, variables: &[_]| match merge(toml, variables) {
            Err(CliError::Invalid(text)) => text,
            _ => panic!("it is refused"),
        };
        let listed = error("listn = 'x'", &[]);
        assert!(listed.contains("unknown field `listn`"), "{listed}");
        for key in ["store", "as", "listen", "token_keys", "roles"] {
            assert!(listed.contains(&format!("`{key}`")), "{listed}");
        }
        for argument in ["config", "json"] {
            assert!(!listed.contains(&format!("`{argument}`")), "{listed}");
            assert!(error(&format!("{argument} = 'x'"), &[]).contains("unknown field"));
        }
        assert!(error("max_body = 'much'", &[]).contains("max_body"));
        assert!(error("listen = ", &[]).contains("options.toml"));
        let roles = [("THE_SHOP_ROLES", "all")];
        assert!(error("", &roles).contains(" all"));
    }
}
