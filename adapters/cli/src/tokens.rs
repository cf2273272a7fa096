use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use cqrs_http::jwt::BearerTokens;

use crate::args::ServeArgs;
use crate::error::CliError;
use crate::user_role::UserRole;

/// Maximum length of a file with a secret, in bytes.
const MAX_SECRET_FILE: u64 = 4096;

/// The bearer tokens by which senders are known, whose roles have the permissions of these. `None` if requests need no
/// token.
///
/// # Errors
/// If there are keys without an audience: every request would be admitted. Or the other way around.
pub(crate) fn tokens(
    arguments: &ServeArgs,
    roles: &[UserRole],
) -> Result<Option<BearerTokens>, CliError> {
    let (keys, secret_file) = (&arguments.token_keys, &arguments.token_secret_file);
    let has_keys = keys.is_some() || secret_file.is_some();
    let Some((audience, further_audiences)) = arguments.token_audience.split_first() else {
        if has_keys || !arguments.token_issuer.is_empty() {
            let missing = "tokens need `--token-audience`";
            return Err(CliError::Invalid(missing.to_owned()));
        }
        return Ok(None);
    };
    if !has_keys {
        let missing = "tokens need `--token-keys` or `--token-secret-file`";
        return Err(CliError::Invalid(missing.to_owned()));
    }
    let issuers = &arguments.token_issuer;
    let mut tokens = BearerTokens::new(audience);
    tokens = further_audiences
        .iter()
        .fold(tokens, BearerTokens::audience);
    tokens = issuers.iter().fold(tokens, BearerTokens::issuer);
    tokens = roles.iter().fold(tokens, |tokens, role| {
        tokens.role(&role.name, &role.permissions)
    });
    if let Some(seconds) = arguments.token_leeway {
        tokens = tokens.leeway(Duration::from_secs(seconds));
    }
    if let Some(claim) = &arguments.token_roles_claim {
        tokens = tokens.roles_claim(claim);
    }
    if let Some(file) = keys {
        let keyed = tokens.jwks_file(file);
        tokens = keyed.map_err(|error| CliError::Invalid(error.to_string()))?;
    }
    if let Some(file) = secret_file {
        let keyed = tokens.hs256(secret_in(file)?.as_bytes());
        tokens =
            keyed.map_err(|error| CliError::Invalid(format!("`{}`: {error}", file.display())))?;
    }
    Ok(Some(tokens))
}

/// The secret in the first line of a file.
fn secret_in(file: &Path) -> Result<String, CliError> {
    let mut text = String::new();
    File::open(file)
        .and_then(|file| file.take(MAX_SECRET_FILE).read_to_string(&mut text))
        .map_err(|error| CliError::Failed(format!("cannot read `{}`: {error}", file.display())))?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
