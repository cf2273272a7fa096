use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri};

use crate::refusal::Refusal;

/// Checks that a change comes from a page of this server, and not from one of another site that the operator has opened. The
/// browser says so in headers that no page can set: in `Sec-Fetch-Site`, and where it does not send that, in `Origin`.
/// A request with neither is refused as well: browsers that send none are older than both.
pub(crate) fn check(headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
    if let Some(site) = headers.get("sec-fetch-site") {
        return if site == "same-origin" {
            Ok(())
        } else {
            Err(refused())
        };
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(ORIGIN).and_then(|origin| origin.split_once("://"));
    let own = uri
        .authority()
        .map(Authority::as_str)
        .or_else(|| text(HOST));
    match (origin, own) {
        (Some((_, origin)), Some(own)) if origin.eq_ignore_ascii_case(own) => Ok(()),
        _ => Err(refused()),
    }
}

fn refused() -> Refusal {
    let text = "A change is sent by the forms of these pages only. A proxy has to pass on `Sec-Fetch-Site`, or `Origin` and \
                `Host`, as the browser sends them.";
    Refusal::new(StatusCode::FORBIDDEN, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_own(headers: &[(&'static str, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            let name = axum::http::HeaderName::from_static(name);
            (name, value.parse().expect("is a value"))
        });
        check(&headers.collect(), &Uri::from_static("/change")).is_ok()
    }

    #[test]
    fn only_the_own_pages_send_changes() {
        let host = ("host", "shop.example:8080");
        assert!(is_own(&[host, ("sec-fetch-site", "same-origin")]));
        assert!(is_own(&[host, ("origin", "https://shop.example:8080")]));
        // A proxy has changed the host.
        let site = ("sec-fetch-site", "same-origin");
        assert!(is_own(&[host, site, ("origin", "https://shop.example")]));
        for site in ["cross-site", "same-site", "none", ""] {
            let own = ("origin", "http://shop.example:8080");
            assert!(!is_own(&[host, ("sec-fetch-site", site), own]), "{site}");
        }
        for origin in [
            "https://evil.example",
            "https://shop.example",
            "https://shop.example:8080.evil.example",
            "null",
            "",
        ] {
            assert!(!is_own(&[host, ("origin", origin)]), "{origin}");
        }
        assert!(!is_own(&[host]));
        assert!(!is_own(&[]));
    }
}
