//! Bearer tokens over real connections, and who may do what with them.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use cqrs_core::app::NodeKind;
use cqrs_core::{Dispatcher, Memory};
use cqrs_http::Options;
use cqrs_http::jwt::{BearerTokens, Roles};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::domain::{Gate, module};
use crate::server::{Server, json, problem, send};

const SECRET: &[u8] = b"a secret of the tests with 32 or more bytes";
const LONG: Duration = Duration::from_secs(30);

const ROLES: &str = r#"
    [roles]
    closer = ["accounts.close"]
    keeper = ["secrets.*", "log.read"]
    [actors]
    root = ["closer", "keeper"]
"#;

/// A server whose roles are in a file.
struct Shop {
    server: Server,
    app: Dispatcher,
    roles: PathBuf,
    _directory: TempDir,
}

impl Shop {
    async fn open(tokens: BearerTokens) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let roles = directory.path().join("roles.toml");
        fs::write(&roles, ROLES).expect("is written");
        let builder = Dispatcher::builder().module(module()).store(Memory::new());
        let builder = builder.provide(Gate::closed()).log_permission("log.read");
        let builder = builder.authorizer(Roles::file(&roles).expect("are valid"));
        let app = builder.build().await.expect("builds");
        let options = Options::new().bearer(tokens).event_feed();
        Self {
            server: Server::with(options, app.clone()).await,
            app,
            roles,
            _directory: directory,
        }
    }

    fn close(&self, token: &str) -> RequestBuilder {
        let request = self
            .server
            .post("commands/CloseAccount", &json!({"account": 1}));
        request.bearer_auth(token)
    }
}

pub fn tokens() -> BearerTokens {
    let tokens = BearerTokens::new("shop").issuer("https://id.example");
    tokens.hs256(SECRET).expect("is long enough")
}

pub fn now() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    time.expect("is after 1970").as_secs()
}

/// The claims of a closer of accounts, with these changes. `null` takes one away.
pub fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "sub": "ann", "aud": "shop", "iss": "https://id.example", "exp": now() + 600,
        "roles": ["closer"],
    });
    for (name, value) in changes.as_object().expect("is an object") {
        claims[name] = value.clone();
    }
    let object = claims.as_object_mut().expect("is an object");
    object.retain(|_, value| !value.is_null());
    claims
}

fn secret() -> EncodingKey {
    EncodingKey::from_secret(SECRET).expect("is a key")
}

pub fn signed(claims: &Value) -> String {
    encode(&Header::default(), claims, &secret()).expect("is signed")
}

fn named(algorithm: Algorithm, id: Option<&str>) -> Header {
    let mut header = Header::new(algorithm);
    header.kid = id.map(str::to_owned);
    header
}

fn rsa() -> EncodingKey {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("is made");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("is encoded");
    // PKCS #1, which is behind the 26 bytes of PKCS #8 that name the algorithm.
    EncodingKey::from_rsa_der(&der.as_ref()[26..])
}

fn elliptic() -> EncodingKey {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
    EncodingKey::from_ec_der(der.expect("is made").as_ref())
}

/// The public part of a key, in a set.
fn public(key: &EncodingKey, algorithm: Algorithm, id: &str) -> Value {
    let mut jwk = Jwk::from_encoding_key(key, algorithm).expect("has a public part");
    jwk.common.key_id = Some(id.to_owned());
    serde_json::to_value(jwk).expect("is JSON")
}

#[tokio::test]
async fn the_subject_of_a_token_is_the_actor_of_the_events() {
    let shop = Shop::open(tokens()).await;
    let token = signed(&claims(json!({})));
    let (status, receipt) = json(shop.close(&token)).await;
    assert_eq!(status, StatusCode::OK, "{receipt}");
    let events = shop.server.get("events");
    let keeper = signed(&claims(json!({"sub": "kim", "roles": "keeper other"})));
    let mut feed = crate::watches::Events::of(events.bearer_auth(keeper)).await;
    let fields = feed.next().await.expect("goes on");
    assert!(
        fields.iter().any(|it| it.1.contains(r#""actor":"ann""#)),
        "{fields:?}"
    );
    // A role of the file, by name.
    let root = signed(&claims(json!({"sub": "root", "roles": null})));
    assert_eq!(json(shop.close(&root)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_token_that_is_not_valid_is_refused() {
    let shop = Shop::open(tokens()).await;
    let valid = signed(&claims(json!({})));
    let parts: Vec<_> = valid.split('.').collect();
    let other = EncodingKey::from_secret(&[7; 40]).expect("is a key");
    let other = encode(&Header::default(), &claims(json!({})), &other).expect("is signed");
    let stronger = Header::new(Algorithm::HS512);
    let stronger = encode(&stronger, &claims(json!({})), &secret()).expect("is signed");
    // {"alg":"none","typ":"JWT"}, {"alg":"None"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let cases = [
        ("alg none", format!("{none}.{}.", parts[1])),
        (
            "alg none with a signature",
            format!("{none}.{}.{}", parts[1], parts[2]),
        ),
        ("alg None", format!("eyJhbGciOiJOb25lIn0.{}.", parts[1])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("another key", other),
        ("another algorithm", stronger),
        ("other claims", {
            let forged = signed(&claims(json!({"sub": "root"})));
            let forged: Vec<_> = forged.split('.').collect();
            format!("{}.{}.{}", parts[0], forged[1], parts[2])
        }),
        ("expired", signed(&claims(json!({"exp": now() - 60})))),
        ("no expiry", signed(&claims(json!({"exp": null})))),
        (
            "an expiry that is a text",
            signed(&claims(json!({"exp": "never"}))),
        ),
        ("not yet valid", signed(&claims(json!({"nbf": now() + 60})))),
        ("another audience", signed(&claims(json!({"aud": "bank"})))),
        (
            "other audiences",
            signed(&claims(json!({"aud": ["bank", "shopping"]}))),
        ),
        ("no audience", signed(&claims(json!({"aud": null})))),
        (
            "another issuer",
            signed(&claims(json!({"iss": "https://evil.example"}))),
        ),
        ("no issuer", signed(&claims(json!({"iss": null})))),
        ("no subject", signed(&claims(json!({"sub": null})))),
        ("an empty subject", signed(&claims(json!({"sub": ""})))),
        (
            "a subject with a line break",
            signed(&claims(json!({"sub": "a\nb"}))),
        ),
        (
            "a subject that is a number",
            signed(&claims(json!({"sub": 7}))),
        ),
        (
            "roles that are a number",
            signed(&claims(json!({"roles": 7}))),
        ),
        (
            "roles that are objects",
            signed(&claims(json!({"roles": [{}]}))),
        ),
        ("no token", String::new()),
        ("something else", "7".repeat(5000)),
    ];
    for (case, token) in cases {
        let response = send(shop.close(&token)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{case}");
        let challenge = response.headers()["www-authenticate"].clone();
        let challenge = challenge.to_str().expect("is text");
        assert!(
            challenge.starts_with("Bearer error=\"invalid_"),
            "{case}: {challenge}"
        );
        let text = response.text().await.expect("has a body");
        assert!(
            text.contains("urn:cqrs:problem:unauthenticated"),
            "{case}: {text}"
        );
        assert!(token.is_empty() || !text.contains(&token), "{case}: {text}");
    }
    let head = shop.app.log().heads().position();
    assert_eq!(head.get(), 0, "something was done");
    assert_eq!(json(shop.close(&valid)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_header_has_one_token() {
    let shop = Shop::open(tokens()).await;
    let valid = signed(&claims(json!({})));
    let close = || {
        shop.server
            .post("commands/CloseAccount", &json!({"account": 1}))
    };
    let response = send(close()).await;
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let twice = close().bearer_auth(&valid).bearer_auth(&valid);
    assert_eq!(problem(twice).await.0, 401);
    for text in [
        format!("Basic {valid}"),
        valid.clone(),
        format!("Bearer {valid}, Bearer {valid}"),
        format!("Bearer  {valid} x"),
    ] {
        let (status, _, _) = problem(close().header("authorization", &text)).await;
        assert_eq!(status, 401, "{text}");
    }
    let lower = close().header("authorization", format!("bearer {valid}"));
    assert_eq!(json(lower).await.0, StatusCode::OK);
    // A token in the query string gets into logs, so it is none.
    let path = format!("commands/CloseAccount?access_token={valid}");
    let by_query = shop.server.post(&path, &json!({"account": 1}));
    assert_eq!(problem(by_query).await.0, 401);
}

#[tokio::test]
async fn a_leeway_is_for_clocks_that_differ() {
    let shop = Shop::open(tokens().leeway(Duration::from_secs(120))).await;
    let late = signed(&claims(json!({"exp": now() - 60, "nbf": now() + 60})));
    assert_eq!(json(shop.close(&late)).await.0, StatusCode::OK);
    let too_late = signed(&claims(json!({"exp": now() - 180})));
    let (status, _, detail) = problem(shop.close(&too_late)).await;
    assert_eq!((status, &*detail), (401, "the token has expired"));
}

#[tokio::test]
async fn public_keys_are_in_a_set() {
    let (rsa, elliptic, stranger) = (rsa(), elliptic(), elliptic());
    let set = json!({"keys": [
        public(&rsa, Algorithm::RS256, "first"),
        public(&elliptic, Algorithm::ES256, "second"),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "third"},
    ]});
    let tokens = BearerTokens::new("shop").jwks(&set.to_string());
    let shop = Shop::open(tokens.expect("is a set").roles_claim("/realm/roles")).await;
    let claims = claims(json!({"roles": null, "realm": {"roles": ["closer"]}}));
    let sign = |algorithm, id, key: &EncodingKey| {
        encode(&named(algorithm, id), &claims, key).expect("is signed")
    };
    let good = [
        sign(Algorithm::RS256, Some("first"), &rsa),
        sign(Algorithm::ES256, Some("second"), &elliptic),
        sign(Algorithm::ES256, None, &elliptic),
    ];
    for token in good {
        assert_eq!(json(shop.close(&token)).await.0, StatusCode::OK);
    }
    // The public key as a secret, as it is in the set and as bytes.
    let modulus = set["keys"][0]["n"].as_str().expect("has a modulus");
    let as_secret = EncodingKey::from_secret(modulus.as_bytes()).expect("is a key");
    let as_bytes =
        EncodingKey::from_urlsafe_base64_secret(&format!("{modulus}==")).expect("is a key");
    let of_set = EncodingKey::from_secret(b"secret").expect("is a key");
    let bad = [
        (
            "a secret",
            sign(Algorithm::HS256, Some("first"), &as_secret),
        ),
        ("a secret", sign(Algorithm::HS256, None, &as_bytes)),
        (
            "a secret of the set",
            sign(Algorithm::HS256, Some("third"), &of_set),
        ),
        ("another hash", sign(Algorithm::RS512, Some("first"), &rsa)),
        (
            "another padding",
            sign(Algorithm::PS256, Some("first"), &rsa),
        ),
        (
            "the name of another key",
            sign(Algorithm::ES256, Some("first"), &elliptic),
        ),
        (
            "an unknown name",
            sign(Algorithm::ES256, Some("fourth"), &elliptic),
        ),
        (
            "another key",
            sign(Algorithm::ES256, Some("second"), &stranger),
        ),
    ];
    for (case, token) in bad {
        assert_eq!(problem(shop.close(&token)).await.0, 401, "{case}");
    }
}

#[tokio::test]
async fn keys_and_roles_are_read_again_when_they_change() {
    let (old, new) = (elliptic(), elliptic());
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("jwks.json");
    let write = |key: &EncodingKey| {
        let set = json!({"keys": [public(key, Algorithm::ES256, "key")]});
        fs::write(&path, set.to_string()).expect("is written");
    };
    write(&old);
    let tokens = BearerTokens::new("shop").jwks_file(&path);
    let shop = Shop::open(tokens.expect("is a set")).await;
    let header = named(Algorithm::ES256, Some("key"));
    let [old, newer] = [&old, &new].map(|key| {
        let claims = claims(json!({}));
        encode(&header, &claims, key).expect("is signed")
    });
    assert_eq!(json(shop.close(&old)).await.0, StatusCode::OK);
    assert_eq!(problem(shop.close(&newer)).await.0, 401);
    write(&new);
    until(&shop, &newer, 200).await;
    assert_eq!(problem(shop.close(&old)).await.0, 401);
    fs::write(&shop.roles, "[roles]\ncloser = []").expect("is written");
    until(&shop, &newer, 403).await;
    fs::write(&shop.roles, ROLES).expect("is written");
    until(&shop, &newer, 200).await;
}

/// A provider whose set changes, on this machine.
#[cfg(feature = "jwks-url")]
#[tokio::test]
async fn a_set_at_an_address_is_fetched_again_for_a_new_key() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    let (old, new) = (elliptic(), rsa());
    let set_of = |key: &EncodingKey, algorithm, id| {
        let set = json!({"keys": [public(key, algorithm, id)]});
        set.to_string()
    };
    let set = Arc::new(Mutex::new(set_of(&old, Algorithm::ES256, "old")));
    let fetched = Arc::new(AtomicUsize::new(0));
    let (present, count) = (set.clone(), fetched.clone());
    let answer = move || {
        count.fetch_add(1, Ordering::SeqCst);
        let json = present.lock().expect("no panic").clone();
        async { json }
    };
    let routes = axum::Router::new().route("/jwks", axum::routing::get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("has an address");
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let address = format!("http://{address}/jwks");
    let tokens = BearerTokens::new("shop").jwks_url(&address).await;
    let shop = Shop::open(tokens.expect("is fetched")).await;
    let sign = |header: Header, key: &EncodingKey| {
        encode(&header, &claims(json!({})), key).expect("is signed")
    };
    let of_old = sign(named(Algorithm::ES256, Some("old")), &old);
    assert_eq!(json(shop.close(&of_old)).await.0, StatusCode::OK);
    assert_eq!(fetched.load(Ordering::SeqCst), 1);

    *set.lock().expect("no panic") = set_of(&new, Algorithm::RS256, "new");
    // The first token with the new key is accepted, and the old key is not any more.
    let of_new = sign(named(Algorithm::RS256, Some("new")), &new);
    assert_eq!(json(shop.close(&of_new)).await.0, StatusCode::OK);
    assert_eq!(problem(shop.close(&of_old)).await.0, 401);
    assert_eq!(fetched.load(Ordering::SeqCst), 2);
    // Keys that are made up cause no more requests.
    for number in 0..50 {
        let id = format!("made up {number}");
        let forged = sign(named(Algorithm::RS256, Some(&id)), &new);
        assert_eq!(problem(shop.close(&forged)).await.0, 401);
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 2);
}

/// Sends the command until it gets this status. Files are looked at once a second.
async fn until(shop: &Shop, token: &str, status: u16) {
    let wait = async {
        while json(shop.close(token)).await.0 != status {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LONG, wait).await.expect("in time");
}

#[tokio::test]
async fn who_needs_no_token_has_no_actor() {
    let shop = Shop::open(tokens().optional()).await;
    let balance = || shop.server.get("queries/BalanceOf?account=1");
    assert_eq!(json(balance()).await.0, StatusCode::OK);
    let close = shop
        .server
        .post("commands/CloseAccount", &json!({"account": 1}));
    assert_eq!(problem(close).await.0, 403);
    assert_eq!(problem(balance().bearer_auth("x")).await.0, 401);
}

/// Every message, by every way to send it, with a body that nobody can read: whoever may not send it is refused before that
/// is noticed.
#[tokio::test]
async fn every_message_is_guarded_at_every_entry() {
    let shop = Shop::open(tokens()).await;
    let actors = [
        ("nobody", None),
        ("expired", Some(signed(&claims(json!({"exp": 1}))))),
        ("without roles", Some(signed(&claims(json!({"roles": []}))))),
        (
            "of an unknown role",
            Some(signed(&claims(json!({"roles": ["admin", "*"]})))),
        ),
        (
            "permission as role",
            Some(signed(&claims(json!({"roles": ["accounts.close"]})))),
        ),
        (
            "closer",
            Some(signed(&claims(json!({"roles": ["closer"]})))),
        ),
        (
            "keeper",
            Some(signed(&claims(json!({"roles": ["keeper"]})))),
        ),
    ];
    let may = |actor: &str, permission: Option<&str>| match permission {
        None => true,
        Some("accounts.close") => actor == "closer",
        Some(_) => actor == "keeper",
    };
    let mut checked = 0;
    let model = shop.app.model();
    let kinds = [NodeKind::Command, NodeKind::Query];
    for node in model
        .nodes
        .iter()
        .filter(|node| kinds.contains(&node.id.kind))
    {
        let entries = match node.id.kind {
            NodeKind::Command => vec![("POST", "commands", false)],
            _ => vec![
                ("POST", "queries", false),
                ("QUERY", "queries", false),
                ("GET", "queries", false),
                ("POST", "queries", true),
                ("GET", "queries", true),
            ],
        };
        for (method, kind, is_watch) in entries {
            for (actor, token) in &actors {
                let case = format!("{method} {kind}/{} by {actor}", node.id.name);
                let path = format!("{kind}/{}?unknown=%00", node.id.name);
                let method = Method::from_bytes(method.as_bytes()).expect("is a method");
                let mut request = shop.server.request(method.clone(), &path);
                if method != Method::GET {
                    let request_of_json = request.header("content-type", "application/json");
                    request = request_of_json.body("{not JSON");
                }
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                if is_watch {
                    request = request.header("accept", "text/event-stream");
                }
                let is_known = !matches!(*actor, "nobody" | "expired");
                let expected: &[&str] = match (is_known, may(actor, node.permission)) {
                    (false, _) => &["unauthenticated"],
                    (true, false) => &["denied"],
                    // A query may have no field that is missing.
                    (true, true) if method == Method::GET => &["", "invalid", "not-watchable"],
                    (true, true) if is_watch => &["invalid", "not-watchable"],
                    (true, true) => &["invalid"],
                };
                let kind = kind_of(request, is_watch && is_known).await;
                assert!(expected.contains(&&*kind), "{case}: {kind}");
                checked += 1;
            }
        }
    }
    for (actor, token) in &actors {
        let mut request = shop.server.get("events?unknown=");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let expected = match *actor {
            "nobody" | "expired" => "unauthenticated",
            "keeper" => "invalid",
            _ => "denied",
        };
        assert_eq!(kind_of(request, false).await, expected, "events by {actor}");
    }
    assert!(checked > 100, "only {checked} were checked");
}

/// The kind of problem of a request, or nothing if it is admitted and its query string is all that may be wrong.
async fn kind_of(request: RequestBuilder, is_watch: bool) -> String {
    let mut response = send(request).await;
    if !is_watch && response.status().is_success() {
        return String::new();
    }
    // Of a stream, the first event.
    let chunk = timeout(LONG, response.chunk()).await.expect("in time");
    let chunk = chunk.expect("is read").unwrap_or_default();
    let text = String::from_utf8_lossy(&chunk);
    let kind = text.split("urn:cqrs:problem:").nth(1).unwrap_or_default();
    let kind = kind.split('"').next().unwrap_or_default();
    kind.to_owned()
}
