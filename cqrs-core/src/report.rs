use std::error::Error;
use std::fmt;

/// Writes an error's message, then each of its causes on a separate line. Causes whose text already
/// appears above are omitted, since many messages end with the message of their cause.
///
/// [`debug_as_report!`](crate::debug_as_report) makes it the `Debug` of an error type.
///
/// # Errors
/// Returns an error if writing to the formatter fails.
pub fn report(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut report = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !report.contains(&text) {
            report.push_str("\n  caused by: ");
            report.push_str(&text);
        }
        source = cause.source();
    }
    f.write_str(&report)
}

/// The known name that is most similar to a misspelled one.
pub(crate) fn nearest(
    known: impl Iterator<Item = &'static str>,
    name: &str,
) -> Option<&'static str> {
    known
        .map(|known| (likeness(known, name), known))
        .filter(|(likeness, _)| *likeness > 0.75 && name.len() < 200)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// The likeness of two names, from 0 to 1. Ignores case.
fn likeness(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(&a.to_ascii_lowercase(), &b.to_ascii_lowercase())
}

/// Implements `Debug` for error types as the error's message, and each of its causes on a line of its
/// own, unless the text above ends with it: the format that is printed when `main` returns the error
/// or `expect` panics with it.
///
/// ```
/// #[derive(thiserror::Error)]
/// #[error("the shop is closed")]
/// struct Closed;
///
/// cqrs_core::debug_as_report!(Closed);
///
/// assert_eq!(format!("{Closed:?}"), "the shop is closed");
/// ```
#[macro_export]
macro_rules! debug_as_report {
    ($($error:ty),+ $(,)?) => {$(
        impl ::std::fmt::Debug for $error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::__private::report(self, f)
            }
        }
    )+};
}

#[cfg(test)]
mod tests {
    use crate::error::{CommandError, Failure, Rejected};

    #[derive(thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    crate::debug_as_report!(Link);

    /// Builds an error from these texts; the last one is the root cause.
    fn chain(texts: &[&'static str]) -> Link {
        let source = match &texts[1..] {
            [] => None,
            causes => Some(Box::new(chain(causes))),
        };
        let text = texts[0];
        Link { text, source }
    }

    #[test]
    fn each_cause_is_on_a_line_of_its_own() {
        let error = chain(&["no order", "no connection", "timed out"]);
        let report = "no order\n  caused by: no connection\n  caused by: timed out";
        assert_eq!(format!("{error:?}"), report);
    }

    #[test]
    fn a_cause_that_was_told_is_not_told_again() {
        let error = chain(&["no order: timed out", "no connection", "timed out"]);
        let report = "no order: timed out\n  caused by: no connection";
        assert_eq!(format!("{error:?}"), report);
    }

    #[test]
    fn no_kind_of_error_loses_its_causes() {
        let source = Box::new(chain(&["no answer", "timed out"]));
        let handler = "order";
        let error = CommandError::<Rejected>::Failed(Failure::Handler { handler, source });
        let report = "`order` failed: no answer\n  caused by: timed out";
        assert_eq!(format!("{error:?}"), report);
        let error = crate::Error::from(error);
        assert_eq!(format!("{error:?}"), report);
        let error = Rejected::of(chain(&["sold out", "no stock"]), |_| None);
        let error = crate::Error::from(CommandError::Rejected(error));
        assert_eq!(format!("{error:?}"), "sold out\n  caused by: no stock");
    }
}
