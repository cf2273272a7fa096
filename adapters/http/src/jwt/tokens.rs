use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use cqrs_core::Actor;
#[cfg(feature = "jwks-url")]
use cqrs_core::store::BoxFuture;
use jsonwebtoken::crypto::CryptoProvider;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::key_set::Key;
use super::key_source::KeySource;
use super::refusal::Refusal;
#[cfg(feature = "jwks-url")]
use super::remote_keys::{FetchTimes, RemoteKeys};
use super::role::ROLE;
use super::setup_error::SetupError;
use crate::actor::{Authenticate, Expiry, Sender, Unauthenticated};

/// Maximum leeway: a token that expired longer ago has no business here.
const MAX_LEEWAY: Duration = Duration::from_secs(3600);

/// Maximum length of an actor's name and of a role, in bytes.
const MAX_NAME: usize = 255;

/// Maximum number of roles of a token.
const MAX_ROLES: usize = 256;

/// Finds the actor of a request by its bearer token, a JWT that is signed with HS256, RS256 or ES256.
///
/// The actor's name is the claim `sub`, and its roles are those of the claim `roles`, for [`Roles`](super::Roles) to decide
/// about. A token needs `exp`, `sub`, and `aud` with one of the audiences. A request without a valid token gets the status
/// 401, before its body is read.
#[must_use = "tokens are checked by a router that has them"]
pub struct BearerTokens {
    keys: Vec<KeySource>,
    audiences: HashSet<String>,
    issuers: HashSet<String>,
    leeway: Duration,
    roles: String,
    /// Permissions by role.
    granted: HashMap<String, Vec<String>>,
    is_optional: bool,
}

impl BearerTokens {
    /// Tokens for this audience, without any key: no token is accepted yet.
    pub fn new(audience: impl Into<String>) -> Self {
        Self {
            keys: Vec::new(),
            audiences: HashSet::from([audience.into()]),
            issuers: HashSet::new(),
            leeway: Duration::from_secs(30),
            roles: "roles".into(),
            granted: HashMap::new(),
            is_optional: false,
        }
    }

    /// Accepts tokens that are signed with this secret and HS256. It has 32 bytes or more.
    ///
    /// # Errors
    /// If the secret is too short.
    pub fn hs256(self, secret: &[u8]) -> Result<Self, SetupError> {
        let key = Key::of_secret(secret)?;
        self.source(KeySource::Fixed(vec![key].into()))
    }

    /// Accepts tokens that are signed with a key of this set (RFC 7517), with RS256 or ES256.
    ///
    /// # Errors
    /// If it is no JSON Web Key Set, or has no such key.
    pub fn jwks(self, json: &str) -> Result<Self, SetupError> {
        self.source(KeySource::json(json)?)
    }

    /// As [`jwks`](Self::jwks), with the set in a file, which is read again within a second of a change. One that is not
    /// valid then is reported to `tracing`, and the keys of before stay.
    ///
    /// # Errors
    /// If the file cannot be read, is no JSON Web Key Set, or has no such key.
    pub fn jwks_file(self, path: impl AsRef<Path>) -> Result<Self, SetupError> {
        self.source(KeySource::file(path.as_ref())?)
    }

    /// As [`jwks`](Self::jwks), with the set at an address of the provider, with `https`, or `http` on this machine. It is
    /// fetched now, then every five minutes, and when a token names a key that is not in it: at most every ten seconds,
    /// whoever sends such tokens. The request waits for that, up to five seconds. If it cannot be fetched again, the keys of
    /// before stay, and the reason is an event `ERROR` of `tracing`.
    ///
    /// # Errors
    /// If the set cannot be fetched, is no JSON Web Key Set, or has no such key. If the address is one of another machine
    /// without TLS.
    #[cfg(feature = "jwks-url")]
    pub async fn jwks_url(self, address: &str) -> Result<Self, SetupError> {
        let keys = RemoteKeys::open(address, FetchTimes::default()).await?;
        let refresher = keys.refresher();
        self.source(KeySource::Remote {
            keys,
            _refresher: refresher,
        })
    }

    /// Accepts tokens for this audience as well.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.insert(audience.into());
        self
    }

    /// Accepts only tokens of this issuer, or of several, if it is called several times. Defaults to every issuer that
    /// has a key.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuers.insert(issuer.into());
        self
    }

    /// Sets the time by which the clocks of issuer and server may differ, up to an hour. Defaults to 30 seconds.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.min(MAX_LEEWAY);
        self
    }

    /// Sets the claim with the roles: its name, or a JSON pointer, such as `/realm_access/roles`. It is a list of texts, or
    /// a text with words. Defaults to `roles`. A token without it has no roles.
    pub fn roles_claim(mut self, claim: impl Into<String>) -> Self {
        self.roles = claim.into();
        self
    }

    /// Gives the permissions of a role to the actors that have it, for an authorizer that asks what they
    /// [hold](Actor::holds), such as [`HeldPermissions`](cqrs_core::HeldPermissions). Roles that change while the program
    /// runs are in a file, [`Roles`](super::Roles).
    pub fn role<P: Into<String>>(
        mut self,
        name: impl Into<String>,
        permissions: impl IntoIterator<Item = P>,
    ) -> Self {
        let granted = self.granted.entry(name.into()).or_default();
        granted.extend(permissions.into_iter().map(Into::into));
        self
    }

    /// Admits requests without a token, which have no actor then: the authorizer refuses their messages, unless they need no
    /// permission. A token that is not valid is refused all the same.
    pub fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// The actor of a request. For a function that tries several ways; a router has [`Options::bearer`]. It fetches no keys:
    /// those at an address are known from their next regular fetch on.
    ///
    /// [`Options::bearer`]: crate::Options::bearer
    ///
    /// # Errors
    /// If the token is missing or not valid.
    pub fn actor(&self, head: &Parts) -> Result<Option<Actor>, Unauthenticated> {
        self.sender(head).map(|sender| sender.actor)
    }

    fn sender(&self, head: &Parts) -> Result<Sender, Unauthenticated> {
        let Some(token) = bearer_token(&head.headers)? else {
            if self.is_optional {
                return Ok(Sender {
                    actor: None,
                    expiry: None,
                });
            }
            return Err(Refusal::Missing.into());
        };
        let claims = self.verify(token)?;
        Ok(Sender {
            actor: Some(self.actor_of(&claims)?),
            expiry: self.expiry_of(&claims),
        })
    }

    /// Whether the token of a request names a key that nobody knows.
    #[cfg(feature = "jwks-url")]
    fn names_unknown_key(&self, head: &Parts) -> bool {
        let token = bearer_token(&head.headers).ok().flatten();
        let Some(header) = token.and_then(|token| decode_header(token).ok()) else {
            return false;
        };
        let is_public = matches!(header.alg, Algorithm::RS256 | Algorithm::ES256);
        let is_unknown = header.kid.is_some_and(|id| {
            let mut sources = self.keys.iter();
            !sources.any(|source| source.get().iter().any(|key| key.is_named(&id)))
        });
        is_public && is_unknown
    }

    /// The time from which the token is refused. `None` if it is beyond what can be expressed.
    fn expiry_of(&self, claims: &Map<String, Value>) -> Option<Expiry> {
        let seconds = claims.get("exp").and_then(Value::as_f64)?;
        let since_1970 = Duration::try_from_secs_f64(seconds).ok()?;
        let expiry = UNIX_EPOCH.checked_add(since_1970)?;
        Some(Expiry {
            time: expiry.checked_add(self.leeway)?,
            refusal: Refusal::Expired.into(),
        })
    }

    fn source(mut self, source: KeySource) -> Result<Self, SetupError> {
        // Without it, checking a token would panic.
        if CryptoProvider::try_get_default().is_none() {
            return Err(SetupError::NoCryptography);
        }
        self.keys.push(source);
        Ok(self)
    }

    /// The claims of a token that a key has signed.
    fn verify(&self, token: &str) -> Result<Map<String, Value>, Refusal> {
        let header = decode_header(token).map_err(|_| Refusal::NoToken)?;
        let validation = self.validation(header.alg);
        for source in &self.keys {
            for key in source.get().iter() {
                if !key.may_have_signed(header.alg, header.kid.as_deref()) {
                    continue;
                }
                match decode::<Map<String, Value>>(token, &key.decoding, &validation)
                    .map_err(Refusal::from)
                {
                    Ok(token) => return Ok(token.claims),
                    // Another key of the same name may have.
                    Err(Refusal::UnknownKey) => {}
                    Err(refusal) => return Err(refusal),
                }
            }
        }
        Err(Refusal::UnknownKey)
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.leeway.as_secs();
        validation.validate_nbf = true;
        validation.aud = Some(self.audiences.clone());
        let required = ["exp", "sub", "aud"].map(str::to_owned);
        validation.required_spec_claims = HashSet::from(required);
        if !self.issuers.is_empty() {
            validation.iss = Some(self.issuers.clone());
            validation.required_spec_claims.insert("iss".into());
        }
        validation
    }

    fn actor_of(&self, claims: &Map<String, Value>) -> Result<Actor, Refusal> {
        let subject = claims.get("sub").and_then(Value::as_str);
        let name = subject
            .filter(|name| is_name(name))
            .ok_or(Refusal::BadClaims)?;
        let mut actor = Actor::new(name);
        for role in self.roles_of(claims)? {
            let granted = self.granted.get(role).into_iter().flatten().cloned();
            actor = granted.fold(actor.with(format!("{ROLE}{role}")), Actor::with);
        }
        Ok(actor)
    }

    fn roles_of<'c>(&self, claims: &'c Map<String, Value>) -> Result<Vec<&'c str>, Refusal> {
        let claim = match self.roles.strip_prefix('/') {
            Some(path) => {
                let (first, rest) = path.split_once('/').unwrap_or((path, ""));
                let value = claims.get(&first.replace("~1", "/").replace("~0", "~"));
                match rest {
                    "" => value,
                    rest => value.and_then(|value| value.pointer(&format!("/{rest}"))),
                }
            }
            None => claims.get(&self.roles),
        };
        let roles: Option<Vec<_>> = match claim {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(Value::String(words)) => Some(words.split_ascii_whitespace().collect()),
            Some(Value::Array(roles)) => roles.iter().map(Value::as_str).collect(),
            Some(_) => None,
        };
        let valid = roles
            .filter(|roles| roles.len() <= MAX_ROLES && roles.iter().all(|role| is_name(role)));
        valid.ok_or(Refusal::BadClaims)
    }
}

impl Authenticate for BearerTokens {
    fn sender(&self, head: &Parts) -> Result<Sender, Unauthenticated> {
        self.sender(head)
    }

    #[cfg(feature = "jwks-url")]
    fn learn<'a>(&'a self, head: &'a Parts) -> Option<BoxFuture<'a, ()>> {
        let remote: Vec<_> = self.keys.iter().filter_map(KeySource::remote).collect();
        if remote.is_empty() || !self.names_unknown_key(head) {
            return None;
        }
        Some(Box::pin(async move {
            for keys in remote {
                keys.refresh_for_token().await;
            }
        }))
    }
}

/// The token of a request that has one.
fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Refusal::NoBearer);
    }
    let text = value.to_str().map_err(|_| Refusal::NoBearer)?;
    let (scheme, token) = text.split_once(' ').ok_or(Refusal::NoBearer)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::NoBearer);
    }
    Ok(Some(token.trim()))
}

/// Whether events can have it as an actor's name.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME && !text.chars().any(char::is_control)
}
