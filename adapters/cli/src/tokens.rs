use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cqrs_http::jwt::BearerTokens;

use crate::args::TokenArgs;
use crate::error::CliError;
use crate::settings::Settings;
use crate::user_role::UserRole;

/// Maximum length of a file with a secret, in bytes.
const MAX_SECRET_FILE: u64 = 4096;

/// Bearer tokens, by the arguments, and where these say nothing, by the settings.
pub(crate) struct TokenOptions {
    audience: String,
    further_audiences: Vec<String>,
    issuers: Vec<String>,
    keys: Option<PathBuf>,
    secret_file: Option<PathBuf>,
    leeway: Option<Duration>,
    roles_claim: Option<String>,
}

impl TokenOptions {
    /// `None` if requests need no token.
    ///
    /// # Errors
    /// If there are keys without an audience: every request would be admitted. Or the other way around.
    pub(crate) fn new(given: &TokenArgs, set: &Settings) -> Result<Option<Self>, CliError> {
        let TokenArgs {
            token_keys: keys,
            token_secret_file: secret_file,
            token_roles_claim: claim,
            ..
        } = given;
        let leeway = given.token_leeway.or(set.token_leeway);
        let issuers = named_or(&given.token_issuer, &set.token_issuer);
        let keys = keys.as_ref().or(set.token_keys.as_ref());
        let secret_file = secret_file.as_ref().or(set.token_secret_file.as_ref());
        let has_keys = keys.is_some() || secret_file.is_some();
        let mut audiences = named_or(&given.token_audience, &set.token_audience).into_iter();
        let Some(audience) = audiences.next() else {
            if has_keys || !issuers.is_empty() {
                let missing = "tokens need `--token-audience`";
                return Err(CliError::Invalid(missing.to_owned()));
            }
            return Ok(None);
        };
        if !has_keys {
            let missing = "tokens need `--token-keys` or `--token-secret-file`";
            return Err(CliError::Invalid(missing.to_owned()));
        }
        Ok(Some(Self {
            audience,
            further_audiences: audiences.collect(),
            issuers,
            keys: keys.cloned(),
            secret_file: secret_file.cloned(),
            leeway: leeway.map(Duration::from_secs),
            roles_claim: claim.as_ref().or(set.token_roles_claim.as_ref()).cloned(),
        }))
    }

    /// The tokens, whose roles have the permissions of these.
    pub(crate) fn tokens(&self, roles: &[UserRole]) -> Result<BearerTokens, CliError> {
        let mut tokens = BearerTokens::new(&self.audience);
        tokens = self
            .further_audiences
            .iter()
            .fold(tokens, BearerTokens::audience);
        tokens = self.issuers.iter().fold(tokens, BearerTokens::issuer);
        tokens = roles.iter().fold(tokens, |tokens, role| {
            tokens.role(&role.name, &role.permissions)
        });
        if let Some(leeway) = self.leeway {
            tokens = tokens.leeway(leeway);
        }
        if let Some(claim) = &self.roles_claim {
            tokens = tokens.roles_claim(claim);
        }
        if let Some(file) = &self.keys {
            let keyed = tokens.jwks_file(file);
            tokens = keyed.map_err(|error| CliError::Invalid(error.to_string()))?;
        }
        if let Some(file) = &self.secret_file {
            let keyed = tokens.hs256(secret_in(file)?.as_bytes());
            tokens = keyed
                .map_err(|error| CliError::Invalid(format!("`{}`: {error}", file.display())))?;
        }
        Ok(tokens)
    }
}

/// The secret in the first line of a file.
fn secret_in(file: &Path) -> Result<String, CliError> {
    let mut text = String::new();
    File::open(file)
        .and_then(|file| file.take(MAX_SECRET_FILE).read_to_string(&mut text))
        .map_err(|error| CliError::Failed(format!("cannot read `{}`: {error}", file.display())))?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

fn named_or(given: &[String], set: &[String]) -> Vec<String> {
    let named = if given.is_empty() { set } else { given };
    named.to_vec()
}
