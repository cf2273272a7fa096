use jsonwebtoken::errors::{Error, ErrorKind};

use crate::actor::Unauthenticated;

/// The reason that a request has no known sender. Its texts say nothing about the keys, nor about the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no token.
    Missing,
    /// The header `Authorization` has something else than one bearer token.
    NoBearer,
    /// It is no JWT, or one without a signature.
    NoToken,
    /// No key has signed it, or not with the algorithm that it names.
    UnknownKey,
    Expired,
    TooEarly,
    WrongAudience,
    WrongIssuer,
    /// A claim is missing, or has another type.
    BadClaims,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::ExpiredSignature => Self::Expired,
            ErrorKind::ImmatureSignature => Self::TooEarly,
            ErrorKind::InvalidAudience => Self::WrongAudience,
            ErrorKind::InvalidIssuer => Self::WrongIssuer,
            ErrorKind::MissingRequiredClaim(_)
            | ErrorKind::InvalidClaimFormat(_)
            | ErrorKind::InvalidSubject => Self::BadClaims,
            ErrorKind::InvalidSignature
            | ErrorKind::InvalidAlgorithm
            | ErrorKind::UnsupportedAlgorithm => Self::UnknownKey,
            _ => Self::NoToken,
        }
    }
}

impl Refusal {
    fn reason(self) -> &'static str {
        match self {
            Self::Missing => "a bearer token is needed: `Authorization: Bearer ..`",
            Self::NoBearer => "the header `Authorization` has to be one bearer token",
            Self::NoToken => "the token is no signed JWT",
            Self::UnknownKey => "the token is not signed with a key that is known here",
            Self::Expired => "the token has expired",
            Self::TooEarly => "the token is not valid yet",
            Self::WrongAudience => "the token is for another audience",
            Self::WrongIssuer => "the token is of another issuer",
            Self::BadClaims => "a claim of the token is missing or not valid",
        }
    }

    /// RFC 6750: without an error if there was no token.
    fn challenge(self) -> &'static str {
        match self {
            Self::Missing => "Bearer",
            Self::NoBearer => r#"Bearer error="invalid_request""#,
            Self::Expired => {
                r#"Bearer error="invalid_token", error_description="the token has expired""#
            }
            _ => r#"Bearer error="invalid_token""#,
        }
    }
}

impl From<Refusal> for Unauthenticated {
    fn from(refusal: Refusal) -> Self {
        Self {
            reason: refusal.reason().to_owned(),
            challenge: refusal.challenge(),
        }
    }
}
