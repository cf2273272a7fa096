use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse};
use cqrs_map::FlowMap;

use crate::desk::Desk;
use crate::visit::Visit;

/// The map says by itself, within the page, that nothing but its own style and script is used.
const POLICY: &str = "frame-ancestors 'none'";

/// `GET /map`: the flow map of the program.
pub(crate) async fn answer(State(desk): State<Arc<Desk>>, _: Visit) -> impl IntoResponse {
    let map = FlowMap::new(&desk.model).title(&*desk.title);
    ([(CONTENT_SECURITY_POLICY, POLICY)], Html(map.html()))
}
