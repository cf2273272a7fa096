use std::cell::RefCell;

use axum::Router;
use axum::body::Body;
use cqrs_core::Dispatcher;
use cqrs_http::Options;
use cqrs_http::jwt::BearerTokens;
use http::{HeaderValue, Request, StatusCode};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use crate::served::Served;

const SECRET: &[u8] = b"a secret of the fuzzer with 32 or more bytes";

thread_local! {
    static SERVED: RefCell<Served> = RefCell::new(Served::new(router));
    static VALID: String = valid();
}

fn router(app: Dispatcher) -> Router {
    let tokens = BearerTokens::new("shop").hs256(SECRET);
    Options::new()
        .bearer(tokens.expect("is long enough"))
        .router(app)
}

/// The one token that is accepted, until the year 2100.
fn valid() -> String {
    let claims = json!({"sub": "ann", "aud": "shop", "exp": 4_102_444_800_u64});
    let key = EncodingKey::from_secret(SECRET);
    encode(&Header::default(), &claims, &key.expect("is a key")).expect("is signed")
}

/// One or more `Authorization` headers, each in a line. Nobody but the holder of the one token is let in: a changed token is
/// another one. In an input, `$` is that token, which the fuzzer need not copy.
pub fn tokens(input: &[u8]) {
    let token = VALID.with(String::clone);
    let mut request = Request::post("/commands/Look");
    let mut is_valid = false;
    let lines: Vec<_> = input.split(|byte| *byte == b'\n').collect();
    for line in &lines {
        let parts: Vec<_> = line.split(|byte| *byte == b'$').collect();
        let line = parts.join(token.as_bytes());
        let words: Vec<_> = line.split(u8::is_ascii_whitespace).collect();
        let words: Vec<_> = words.into_iter().filter(|it| !it.is_empty()).collect();
        is_valid = lines.len() == 1
            && matches!(words[..], [scheme, it] if scheme.eq_ignore_ascii_case(b"bearer") && it == token.as_bytes());
        let Ok(value) = HeaderValue::from_bytes(&line) else {
            return;
        };
        request = request.header("authorization", value);
    }
    let request = request.body(Body::empty()).expect("is one");
    let answer = SERVED.with_borrow_mut(|served| served.send(request));
    if answer.status != StatusCode::UNAUTHORIZED {
        assert_eq!(answer.status, StatusCode::OK);
        assert!(is_valid, "a token is accepted that was never given");
    }
    let body = String::from_utf8(answer.body).expect("is text");
    assert!(!body.contains(&token), "{body}");
}
