//! Who may look, and who may change something.

use cqrs_core::app::{AllowAll, SubscriptionState};
use cqrs_core::prelude::*;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::unbounded_channel;

use crate::domain::{module, parcels};
use crate::server::{Server, options, send, text};

const PAGES: [&str; 10] = [
    "",
    "/subscription?name=weights",
    "/confirm?action=rebuild&name=weights",
    "/events",
    "/event?position=1",
    "/messages",
    "/aggregates",
    "/aggregate?name=parcel&id=p1",
    "/processes",
    "/process?name=delivery&id=p1",
];

const PAUSE: &str = "action=pause&name=weights&reason=because";

fn state(app: &Dispatcher) -> SubscriptionState {
    let mut all = app.health().subscriptions.into_iter();
    all.find(|it| it.name == "weights").expect("is there").state
}

#[tokio::test]
async fn nobody_sees_a_page_without_the_permission() {
    let (app, _) = parcels().await;
    let server = Server::start(options(), app.clone()).await;
    for page in PAGES {
        let unknown = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        let response = send(unknown.get(server.url(page))).await;
        assert_eq!(response.status(), 401, "{page}");
        assert_eq!(response.headers()["www-authenticate"], "X-May");
        let may = server.get(page).header("x-may", "log:read");
        let (status, shown) = text(may).await;
        // Of two values, the first one counts: it is that of somebody who may look.
        assert_ne!(status, 401, "{shown}");
        let denied = unknown
            .get(server.url(page))
            .header("x-may", "operations:write");
        let (status, shown) = text(denied).await;
        assert_eq!(status, 403, "{page}");
        assert!(
            shown.contains("it needs the permission `operations:read`"),
            "{shown}"
        );
        assert!(!shown.contains("weights"), "{shown}");
    }
}

#[tokio::test]
async fn without_an_authorizer_nobody_is_admitted() {
    let builder = || {
        let builder = Dispatcher::builder().module(module()).store(Memory::new());
        builder.provide(std::sync::Arc::new(crate::domain::Printer::default()))
    };
    let app = builder().build().await.expect("builds");
    let server = Server::start(cqrs_ops::Options::new(), app).await;
    let (status, shown) = text(server.get("")).await;
    assert_eq!(status, 403);
    assert!(
        shown.contains("the dispatcher has no authorizer"),
        "{shown}"
    );

    // One that admits everybody is named.
    let app = builder()
        .authorizer(AllowAll)
        .build()
        .await
        .expect("builds");
    let server = Server::start(cqrs_ops::Options::new(), app).await;
    assert_eq!(text(server.get("")).await.0, 200);
}

#[tokio::test]
async fn a_change_needs_a_permission_of_its_own() {
    let (app, _) = parcels().await;
    let server = Server::start(options(), app.clone()).await;
    let looking = server.post("operations:read", PAUSE);
    let (status, shown) = text(looking.header("sec-fetch-site", "same-origin")).await;
    assert_eq!(status, 403);
    assert!(
        shown.contains("it needs the permission `operations:write`"),
        "{shown}"
    );
    assert_eq!(
        text(server.get("/confirm?action=rebuild&name=weights"))
            .await
            .0,
        403
    );
    // Nor are there forms for it.
    for page in ["", "/subscription?name=weights"] {
        assert!(!text(server.get(page)).await.1.contains("<form"), "{page}");
        assert!(
            text(server.page("/subscription?name=weights"))
                .await
                .1
                .contains("<form")
        );
    }
    assert!(!matches!(state(&app), SubscriptionState::Paused { .. }));
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let (app, _) = parcels().await;
    let server = Server::start(options(), app.clone()).await;
    let may = "operations:read operations:write";
    let evil = ("origin", "https://evil.example");
    let requests = [
        server.post(may, PAUSE),
        server.post(may, PAUSE).header(evil.0, evil.1),
        server.post(may, PAUSE).header("origin", "null"),
        server
            .post(may, PAUSE)
            .header("sec-fetch-site", "cross-site"),
        server
            .post(may, PAUSE)
            .header("sec-fetch-site", "same-site"),
        server.post(may, PAUSE).header("sec-fetch-site", "none"),
    ];
    for request in requests {
        let (status, shown) = text(request).await;
        assert_eq!(status, 403, "{shown}");
    }
    // What a link or an image sends is no change.
    let linked = server.page(&format!("/change?{PAUSE}"));
    assert_eq!(text(linked).await.0, 405);
    assert!(!matches!(state(&app), SubscriptionState::Paused { .. }));

    let own = format!("http://{}", server.address);
    let response = send(server.post(may, PAUSE).header("origin", own)).await;
    assert_eq!(response.status(), 303);
    assert!(matches!(state(&app), SubscriptionState::Paused { .. }));
}

#[tokio::test]
async fn every_answer_is_closed_to_other_sites() {
    let (app, _) = parcels().await;
    let server = Server::start(options(), app).await;
    for page in PAGES.into_iter().chain(["/style.css", "/script.js"]) {
        let response = send(server.page(page)).await;
        let headers = response.headers();
        let policy = headers["content-security-policy"]
            .to_str()
            .expect("is a text");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{page}"
        );
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "same-origin");
        let is_file = page.contains('.');
        let expected = if is_file {
            "private, max-age=60"
        } else {
            "no-store"
        };
        assert_eq!(headers["cache-control"], expected, "{page}");
        let shown = response.text().await.expect("has a body");
        // Nothing of the page is a script or a style by itself.
        assert!(is_file || !shown.contains("style=") && !shown.contains("onclick"));
    }
}

#[tokio::test]
async fn what_is_too_large_or_no_form_is_refused() {
    let (app, _) = parcels().await;
    let server = Server::start(options(), app.clone()).await;
    let long = format!("/subscription?name={}", "x".repeat(1025));
    assert_eq!(text(server.page(&long)).await.0, 400);
    let large: &str = Box::leak("x".repeat(17 << 10).into_boxed_str());
    assert_eq!(text(server.change(large)).await.0, 413);
    let json = server
        .change("{}")
        .header("content-type", "application/json");
    // Of two values, the first one counts, which is that of a form.
    assert_eq!(text(json).await.0, 400);
    for form in [
        "action=pause&name=weights",
        "action=pause&name=weights&reason=%20",
        "action=burn&name=weights",
        "action=skip&name=weights&reason=why&position=-1",
        "action=skip&name=weights&reason=why&position=99999999999999999999999",
        "action=rewind&name=weights",
        "action=drop&name=weights&version=4294967296",
        "action=divide&name=weights&shards=70000",
        "name=weights",
        "action=pause&action=resume&name=weights&reason=why",
    ] {
        let (status, shown) = text(server.change(form)).await;
        assert_eq!(status, 400, "{form}: {shown}");
    }
    assert_eq!(
        text(server.change("action=resume&name=nothing")).await.0,
        404
    );
    assert_eq!(
        text(server.change("action=divide&name=weights&shards=0"))
            .await
            .0,
        409
    );
    assert!(!matches!(state(&app), SubscriptionState::Paused { .. }));
}

#[tokio::test]
async fn of_too_many_requests_the_last_ones_are_refused() {
    let (app, _) = parcels().await;
    let (begun, mut seen) = unbounded_channel();
    let pages = options().max_requests(1).actor(move |head| {
        // A request counts from here on.
        let _ = begun.send(head.method.clone());
        let all = ["operations:read", "operations:write"];
        Ok(Some(all.into_iter().fold(Actor::new("ann"), Actor::with)))
    });
    let server = Server::start(pages, app).await;
    // A form that does not arrive.
    let mut slow = TcpStream::connect(server.address).await.expect("connects");
    let head = "POST /shops/acme/ops/change HTTP/1.1\r\nHost: x\r\nX-May: operations:read operations:write\r\n\
                Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                Content-Length: 10\r\n\r\n";
    slow.write_all(head.as_bytes()).await.expect("is sent");
    assert_eq!(seen.recv().await, Some(Method::POST));
    let refused = send(server.get("")).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    slow.write_all(b"action=x&x").await.expect("is sent");
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).await.expect("is answered");
    assert_eq!(&answer, b"HTTP/1.1 400");
}
