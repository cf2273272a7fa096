use std::sync::Arc;

use axum::Router;
#[cfg(feature = "page")]
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
#[cfg(feature = "page")]
use axum::http::header::{CONTENT_ENCODING, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use cqrs_core::app::Model;
use xxhash_rust::xxh3::xxh3_128;

use crate::problem::Problem;

/// What stays the same while the program runs.
struct Served {
    media_type: &'static str,
    body: String,
    tag: String,
}

/// The routes of the documents of a model.
pub(crate) fn routes<S>(model: &Model, options: &cqrs_openapi::Options) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let openapi = cqrs_openapi::openapi(model, options).to_string();
    let asyncapi = cqrs_openapi::asyncapi(model, options).to_string();
    let documents = Router::new()
        .route("/openapi.json", served("application/json", openapi))
        .route("/asyncapi.json", served("application/json", asyncapi));
    documents.merge(page()).method_not_allowed_fallback(refuse)
}

async fn refuse() -> Problem {
    let detail = "documents are read with `GET`";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail).allow("GET, HEAD")
}

/// The routes of the page that shows the document.
#[cfg(feature = "page")]
fn page<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let mut routes = Router::new();
    for file in cqrs_openapi::PAGE {
        let tag = format!("\"{:032x}\"", xxh3_128(file.content));
        let path = format!("/{}", file.path);
        routes = routes.route(
            &path,
            get(async move |head: HeaderMap| file_of(file, &tag, &head)),
        );
    }
    routes
}

/// A file of the page, or that it is the one that the browser has.
#[cfg(feature = "page")]
fn file_of(file: cqrs_openapi::PageFile, tag: &str, head: &HeaderMap) -> Response {
    let mut headers = HeaderMap::new();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(ETAG, tag);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let known = head.get(IF_NONE_MATCH);
    if known.is_some() && known == headers.get(ETAG) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.media_type));
    let policy = HeaderValue::from_static(cqrs_openapi::PAGE_POLICY);
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if file.is_gzip {
        // Every browser takes it, and nobody else asks for this file.
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    (headers, file.content).into_response()
}

#[cfg(not(feature = "page"))]
fn page<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
}

fn served<S>(media_type: &'static str, body: String) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let tag = format!("\"{:032x}\"", xxh3_128(body.as_bytes()));
    let served = Arc::new(Served {
        media_type,
        body,
        tag,
    });
    get(async move |head: HeaderMap| served.answer(&head))
}

impl Served {
    fn answer(&self, head: &HeaderMap) -> Response {
        let headers = [
            (ETAG, self.tag.clone()),
            (CACHE_CONTROL, "no-cache".to_owned()),
            (CONTENT_TYPE, self.media_type.to_owned()),
        ];
        let known = head.get(IF_NONE_MATCH).and_then(|it| it.to_str().ok());
        if known == Some(&*self.tag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, self.body.clone()).into_response()
    }
}
