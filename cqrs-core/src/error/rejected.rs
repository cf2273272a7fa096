use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// A rejection with a text, the error of commands without an error type of their own.
///
/// Callers can show the text, but cannot distinguish reasons. To allow that, give the command an
/// error type with `#[command(error = ..)]`.
///
/// It is also the rejection of every command that was sent as JSON: it then displays as the
/// command's error, which [`downcast_ref`](Self::downcast_ref) returns.
#[derive(Clone)]
pub struct Rejected(Reason);

#[derive(Clone)]
enum Reason {
    Text(Cow<'static, str>),
    /// The error of a command that was sent as JSON, unless that is a `Rejected`.
    Domain {
        error: Arc<dyn Error + Send + Sync>,
        json: ErrorJson,
    },
}

/// Writes the error of a command as JSON, if its type can be written.
pub(crate) type ErrorJson = fn(&(dyn Error + 'static)) -> Option<Value>;

crate::debug_as_report!(Rejected);

impl Rejected {
    /// The rejection of a command that was sent as JSON, from the command's error.
    pub(crate) fn of(error: impl Error + Send + Sync + 'static, json: ErrorJson) -> Self {
        let error: Box<dyn Error + Send + Sync> = Box::new(error);
        match error.downcast() {
            Ok(rejected) => *rejected,
            Err(domain) => Self(Reason::Domain {
                error: domain.into(),
                json,
            }),
        }
    }

    /// The error of a command that was sent as JSON, if it is an `E`.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        match &self.0 {
            Reason::Text(_) => (self as &(dyn Error + 'static)).downcast_ref(),
            Reason::Domain { error, .. } => error.downcast_ref(),
        }
    }

    /// The name of the variant, if it is the error of a command that was sent as JSON and its `Debug` is derived: that
    /// of the enum's variant, or of the struct. None for a text.
    pub fn variant(&self) -> Option<String> {
        let Reason::Domain { error, .. } = &self.0 else {
            return None;
        };
        let text = format!("{error:?}");
        let is_part = |it: char| it.is_alphanumeric() || it == '_';
        let name: String = text.chars().take_while(|it| is_part(*it)).collect();
        (!name.is_empty()).then_some(name)
    }

    /// The name of a variant in lower case, as adapters show it in types of errors: `out-of-stock` from `OutOfStock`, and
    /// from the names that Serde may make of it.
    pub fn kind_of(variant: &str) -> String {
        let is_screaming = !variant.chars().any(char::is_lowercase);
        let mut kind = String::new();
        for character in variant.chars() {
            if character == '_' || character == '-' {
                kind.push('-');
                continue;
            }
            if character.is_uppercase() && !is_screaming && !kind.is_empty() {
                kind.push('-');
            }
            kind.extend(character.to_lowercase());
        }
        kind
    }

    /// The error of a command that was sent as JSON, as JSON: for clients that have the error's type, or handle its data.
    /// None for a text, and for an error whose type does not implement `Serialize`, or fails to.
    pub fn to_json(&self) -> Option<Value> {
        let Reason::Domain { error, json } = &self.0 else {
            return None;
        };
        json(&**error)
    }
}

impl From<&'static str> for Rejected {
    fn from(text: &'static str) -> Self {
        Self(Reason::Text(text.into()))
    }
}

impl From<String> for Rejected {
    fn from(text: String) -> Self {
        Self(Reason::Text(text.into()))
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Text(text) => f.write_str(text),
            Reason::Domain { error, .. } => error.fmt(f),
        }
    }
}

impl Error for Rejected {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Reason::Text(_) => None,
            Reason::Domain { error, .. } => error.source(),
        }
    }
}

/// Rejections with equal texts are equal.
impl PartialEq for Rejected {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Reason::Text(text), Reason::Text(other)) => text == other,
            _ => self.to_string() == other.to_string(),
        }
    }
}

impl Eq for Rejected {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("sold out")]
    struct SoldOut;

    #[test]
    fn a_rejection_by_name_is_the_error_of_the_command() {
        let rejected = Rejected::of(SoldOut, |_| None);
        assert_eq!(rejected.to_string(), "sold out");
        assert_eq!(rejected.downcast_ref(), Some(&SoldOut));
        assert_eq!(rejected.downcast_ref::<Rejected>(), None);
    }

    #[test]
    fn all_names_of_a_variant_are_of_one_kind() {
        for name in [
            "OutOfStock",
            "outOfStock",
            "out_of_stock",
            "out-of-stock",
            "OUT_OF_STOCK",
        ] {
            assert_eq!(Rejected::kind_of(name), "out-of-stock", "{name}");
        }
        assert_eq!(Rejected::kind_of("Refused"), "refused");
        assert_eq!(Rejected::kind_of(""), "");
    }

    #[test]
    fn a_rejection_by_name_has_the_name_of_its_variant() {
        #[derive(Debug, thiserror::Error)]
        enum Reason {
            #[error("only {left} are left")]
            Short { left: u32 },
            #[error("at {0}")]
            At(u32),
        }
        let of = |rejected: Rejected| rejected.variant();
        let short = Rejected::of(Reason::Short { left: 3 }, |_| None);
        assert_eq!(of(short).as_deref(), Some("Short"));
        assert_eq!(
            of(Rejected::of(Reason::At(3), |_| None)).as_deref(),
            Some("At")
        );
        assert_eq!(
            of(Rejected::of(SoldOut, |_| None)).as_deref(),
            Some("SoldOut")
        );
        assert_eq!(of(Rejected::from("Short")), None);
    }

    #[test]
    fn a_text_stays_a_text() {
        let rejected = Rejected::of(Rejected::from("sold out"), |_| None);
        assert_eq!(rejected.downcast_ref(), Some(&Rejected::from("sold out")));
        assert_eq!(rejected.downcast_ref::<SoldOut>(), None);
        assert_eq!(rejected, Rejected::of(SoldOut, |_| None));
    }
}
