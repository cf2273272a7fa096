use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};

use super::setup_error::SetupError;

/// Minimum length of a secret, in bytes: that of the hash (RFC 7518, 3.2).
const MIN_SECRET: usize = 32;

/// Maximum number of keys of a set.
const MAX_KEYS: usize = 64;

/// A key by which tokens are checked, for one algorithm: a public key is never taken for a secret.
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
    /// Its name.
    id: Option<String>,
}

impl Key {
    pub(super) fn of_secret(secret: &[u8]) -> Result<Self, SetupError> {
        let weak = SetupError::WeakSecret {
            bytes: secret.len(),
            min: MIN_SECRET,
        };
        if secret.len() < MIN_SECRET {
            return Err(weak);
        }
        let decoding = DecodingKey::from_secret(secret).map_err(|_| weak)?;
        Ok(Self {
            algorithm: Algorithm::HS256,
            decoding,
            id: None,
        })
    }

    /// Whether this is its name.
    #[cfg(feature = "jwks-url")]
    pub(super) fn is_named(&self, id: &str) -> bool {
        self.id.as_deref() == Some(id)
    }

    /// Whether it may have signed a token with this algorithm and this name of a key.
    pub(super) fn may_have_signed(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        let has_other_id = matches!((id, &self.id), (Some(id), Some(own)) if id != own);
        self.algorithm == algorithm && !has_other_id
    }
}

/// The keys of a set that sign with RS256 or ES256. Others are left out: a set may have some for other purposes, and a
/// secret has no place in a set that is public.
pub(super) fn keys_of(json: &str) -> Result<Vec<Key>, String> {
    let set: JwkSet = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let keys: Vec<_> = set.keys.iter().filter_map(key_of).collect();
    match keys.len() {
        0 => Err("it has no key of RS256 or ES256".into()),
        count if count > MAX_KEYS => Err(format!("it has more than {MAX_KEYS} keys")),
        _ => Ok(keys),
    }
}

fn key_of(jwk: &Jwk) -> Option<Key> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        _ => return None,
    };
    let common = &jwk.common;
    let signs = !matches!(&common.public_key_use, Some(other) if *other != PublicKeyUse::Signature);
    if !signs || common.key_algorithm.is_some_and(|it| it != name) {
        return None;
    }
    Some(Key {
        algorithm,
        decoding: DecodingKey::from_jwk(jwk).ok()?,
        id: common.key_id.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_without_a_public_key_is_refused() {
        for json in [
            "",
            "{}",
            r#"{"keys": []}"#,
            r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}]}"#,
            r#"{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "RS512"}]}"#,
            r#"{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "use": "enc"}]}"#,
            r#"{"keys": [{"kty": "RSA", "n": "%", "e": "AQAB"}]}"#,
        ] {
            assert!(keys_of(json).is_err(), "{json}");
        }
        let json = r#"{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "a"}]}"#;
        assert_eq!(keys_of(json).map(|keys| keys.len()), Ok(1));
    }

    #[test]
    fn a_secret_is_long() {
        let weak = Key::of_secret(&[7; 31]).map(drop);
        assert!(matches!(
            weak,
            Err(SetupError::WeakSecret { bytes: 31, .. })
        ));
        assert!(Key::of_secret(&[7; 32]).is_ok());
    }
}
