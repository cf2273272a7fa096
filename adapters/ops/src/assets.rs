use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Not kept for long, as a new program may have another one at the same address.
const MAX_AGE: &str = "private, max-age=60";

/// The style of all pages. It is for everybody, since a refusal has it as well.
pub(crate) async fn style() -> impl IntoResponse {
    file("text/css; charset=utf-8", STYLE)
}

/// The script of all pages.
pub(crate) async fn script() -> impl IntoResponse {
    file("text/javascript; charset=utf-8", SCRIPT)
}

fn file(media_type: &'static str, content: &'static str) -> impl IntoResponse {
    (
        [(CONTENT_TYPE, media_type), (CACHE_CONTROL, MAX_AGE)],
        content,
    )
}
