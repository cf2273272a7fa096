use std::sync::Arc;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use cqrs_core::app::Model;
use xxhash_rust::xxh3::xxh3_128;

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
    Router::new()
        .route("/openapi.json", served("application/json", openapi))
        .route("/asyncapi.json", served("application/json", asyncapi))
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
