use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use maud::html;
use tokio::time::timeout;

use crate::desk::Desk;
use crate::layout::{Chapter, layout};
use crate::refusal::Refusal;
use crate::visit::Links;

/// Maximum time of a request. A pause waits for up to four leases of 10 seconds.
const MAX_TIME: Duration = Duration::from_secs(60);

/// What the pages may do: nothing beyond their own server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The headers of all answers. With `no-referrer`, browsers would not say where a form comes from.
const HEADERS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "same-origin"),
    (CACHE_CONTROL, "no-store"),
];

/// Answers a request in time, with a page for each refusal, and with headers for the security of browsers.
pub(crate) async fn around(
    State(desk): State<Arc<Desk>>,
    request: Request,
    next: Next,
) -> Response {
    let links = Links::of(request.uri(), request.extensions());
    let answered = timeout(MAX_TIME, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| {
        let text = "It took longer than a minute. A change may have been made, or go on.";
        Refusal::new(StatusCode::GATEWAY_TIMEOUT, text).into_response()
    });
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        let (mut head, _) = response.into_parts();
        let (page_head, body) = page(&desk, &links, &refusal).into_parts();
        head.headers.extend(page_head.headers);
        response = Response::from_parts(head, body);
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Without the navigation, as it is not known whether the sender may see more.
fn page(desk: &Desk, links: &Links, refusal: &Refusal) -> Response {
    let body = html! {
        p.note.bad { (refusal.text) }
        p { a href=(links.to("")) { "All subscriptions" } }
    };
    let page = layout(desk, links, Chapter::None, refusal.title(), body);
    Html(page.into_string()).into_response()
}
