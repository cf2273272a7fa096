use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use tokio::time::timeout;

use crate::limits::Limits;
use crate::problem::Problem;

/// The JSON of a request. Empty, if it has no body.
pub(crate) async fn json(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
) -> Result<Bytes, Problem> {
    if let Some(coding) = foreign_coding(headers) {
        let detail = format!(
            "the body is encoded with `{coding}`: send it as it is, without `Content-Encoding`"
        );
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "body-encoded", detail);
        return Err(problem.accept_encoding("identity"));
    }
    let (max_bytes, max_time) = (limits.max_body, limits.body_timeout);
    let Ok(read) = timeout(max_time, to_bytes(body, max_bytes)).await else {
        let detail = format!("the body did not arrive within {max_time:?}");
        return Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body-late",
            detail,
        ));
    };
    let Ok(bytes) = read else {
        let detail = format!("the body is broken, or has more than {max_bytes} bytes");
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            detail,
        ));
    };
    // A form of another site may be empty, but it has a type.
    let may_be_bare = bytes.is_empty() && !headers.contains_key(CONTENT_TYPE);
    if !may_be_bare && !is_json(headers) {
        let detail = "the body has to be JSON, with the header `Content-Type: application/json`";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Problem::new(status, "not-json", detail));
    }
    Ok(bytes)
}

/// The coding of the body, unless it is the body itself. A layer of the application that decodes bodies removes the header.
fn foreign_coding(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let mut codings = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let foreign = codings.find(|coding| {
        let coding = coding.trim_ascii();
        !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
    });
    foreign.map(|coding| String::from_utf8_lossy(coding.trim_ascii()).into_owned())
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| {
        let media_type = media_type.trim().to_ascii_lowercase();
        media_type == "application/json"
            || (media_type.starts_with("application/") && media_type.ends_with("+json"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_a_media_type() {
        let is = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, text.parse().expect("is a value"));
            is_json(&headers)
        };
        assert!(is("application/json; charset=utf-8"));
        assert!(is("application/vnd.shop+JSON"));
        assert!(!is("text/plain"));
        assert!(!is("application/x-www-form-urlencoded"));
        assert!(!is_json(&HeaderMap::new()));
    }
}
