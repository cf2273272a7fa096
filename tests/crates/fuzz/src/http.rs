use std::cell::RefCell;

use axum::Router;
use axum::body::Body;
use cqrs_core::{Actor, Dispatcher};
use cqrs_http::Options;
use http::{HeaderName, HeaderValue, Method, Request, Uri};

use crate::served::Served;

/// Below this, bodies are taken.
const MAX_BODY: usize = 2000;

thread_local! {
    static SERVED: RefCell<Served> = RefCell::new(Served::new(router));
}

/// The header `X-May` names the permission of a sender.
pub fn router(app: Dispatcher) -> Router {
    let options = Options::new().actor(|head| {
        let may = head.headers.get("x-may").and_then(|it| it.to_str().ok());
        Ok(may.map(|may| Actor::new("ann").with(may)))
    });
    let about = cqrs_openapi::Options::new().title("Shelves");
    let options = options.openapi(about).event_feed().max_body(MAX_BODY);
    options.router(app)
}

/// A request as HTTP/1.1 writes it, whose lines may end without `\r`.
pub fn http(input: &[u8]) {
    if let Some(request) = request(input) {
        SERVED.with_borrow_mut(|served| served.send(request));
    }
}

/// What a server has parsed before the router gets it.
fn request(input: &[u8]) -> Option<Request<Body>> {
    let (first, mut rest) = line(input)?;
    let mut words = first.split(|byte| *byte == b' ');
    let method = Method::from_bytes(words.next()?).ok()?;
    let address = Uri::try_from(words.next()?).ok()?;
    let mut request = Request::builder().method(method).uri(address);
    loop {
        let (header, after) = line(rest)?;
        rest = after;
        if header.is_empty() {
            return request.body(Body::from(rest.to_vec())).ok();
        }
        let colon = header.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&header[..colon]).ok()?;
        let value = header[colon + 1..].trim_ascii();
        request = request.header(name, HeaderValue::from_bytes(value).ok()?);
    }
}

/// The next line, and what comes after it.
fn line(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    let line = &input[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), &input[end + 1..]))
}
