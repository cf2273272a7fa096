use std::cell::RefCell;

use axum::body::Body;
use http::{HeaderValue, Request, Uri};

use crate::http::router;
use crate::served::Served;

thread_local! {
    static SERVED: RefCell<Served> = RefCell::new(Served::new(router));
}

/// The headers that the router reads, in the order of the lines after the first one.
const OF_QUERIES: [&str; 4] = ["min-position", "last-event-id", "if-none-match", "accept"];
const OF_COMMANDS: [&str; 4] = [
    "idempotency-key",
    "if-match",
    "content-type",
    "content-encoding",
];

/// A query string in the first line and headers in the others: of two queries, of the log, and of two commands.
pub fn headers(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let query = lines.next().unwrap_or_default();
    let values: Vec<&[u8]> = lines.collect();
    SERVED.with_borrow_mut(|served| {
        for path in ["/queries/Repeat", "/queries/GetShelf", "/events"] {
            let address = [path.as_bytes(), b"?", query].concat();
            let Ok(address) = Uri::try_from(address) else {
                return;
            };
            let request = Request::get(address).header("x-may", "log.read");
            if let Some(request) = with(request, &OF_QUERIES, &values) {
                served.send(request.body(Body::empty()).expect("is one"));
            }
        }
        let shelve = r#"{"shelf":"a","parcel":"0198c0de-0000-7000-8000-000000000001","kind":"Plain","weight":1,"units":1}"#;
        for (path, body) in [("/commands/Shelve", shelve), ("/commands/Look", "")] {
            if let Some(request) = with(Request::post(path), &OF_COMMANDS, &values) {
                served.send(request.body(Body::from(body)).expect("is one"));
            }
        }
    });
}

/// The request with each header that has a value, or `None` if one of them cannot be sent.
fn with(
    mut request: http::request::Builder,
    names: &[&str],
    values: &[&[u8]],
) -> Option<http::request::Builder> {
    for (name, value) in names.iter().zip(values) {
        if !value.is_empty() {
            request = request.header(*name, HeaderValue::from_bytes(value).ok()?);
        }
    }
    Some(request)
}
