//! The page that shows the document, in a browser without a screen.

use std::net::SocketAddr;

use reqwest::StatusCode;
use test_tools::{Browser, Theme};
use tokio::task::spawn_blocking;

use crate::domain::in_memory;
use crate::server::{Server, options, send};

async fn server() -> Server {
    let (app, _) = in_memory().await;
    let about = cqrs_openapi::Options::new().title("Accounts");
    Server::with(options().openapi(about), app).await
}

/// Goes to the page and waits until it shows each message.
fn open(browser: &mut Browser, address: SocketAddr) {
    browser.open(&format!("http://{address}/api/acme/docs"));
    browser.wait_for("document.title === 'Accounts' && document.querySelector('[data-path]')");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_each_message_and_asks_nobody_else() {
    let Some(mut browser) = Browser::start("the page of the document") else {
        return;
    };
    let server = server().await;
    let address = server.address;
    let looked = spawn_blocking(move || {
        open(&mut browser, address);
        for path in ["/commands/Deposit", "/queries/BalanceOf", "/commands/Ping"] {
            browser.wait_for(&format!("document.querySelector('[data-path=\"{path}\"]')"));
        }
        let own = format!("http://{address}/api/acme/");
        let is_own = |asked: &String| asked.starts_with(&own) || asked.starts_with("data:");
        assert!(browser.asked().iter().all(is_own), "{:#?}", browser.asked());
        // Scripts, styles and requests that the policy refuses are told here, and so are errors.
        assert!(browser.told().is_empty(), "{:#?}", browser.told());
    });
    looked.await.expect("no panic");
}

/// By axe-core: contrasts, names and roles, as a phone shows the page and as a desk does, in both themes, with an operation
/// open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_has_no_serious_fault_for_those_who_use_it_otherwise() {
    let test = "whether the page of the document can be used by all";
    let Some(mut browser) = Browser::start(test) else {
        return;
    };
    let server = server().await;
    let address = server.address;
    let looked = spawn_blocking(move || {
        for theme in [Theme::Light, Theme::Dark] {
            browser.prefer(theme);
            for (width, height) in [(390, 800), (1400, 900)] {
                browser.resize(width, height);
                open(&mut browser, address);
                let button = "document.querySelector('[data-path=\"/commands/Deposit\"]')\
                                .closest('.opblock').querySelector('.opblock-summary-control')";
                browser.evaluate(&format!("{button}.click()"));
                // The parts of an operation come one after the other.
                browser.wait_for(
                    "document.querySelector('.opblock-body textarea') && !document.querySelector('.loading')",
                );
                let Some(faults) = browser.faults(test) else {
                    return;
                };
                assert!(faults.is_empty(), "{theme:?}, {width} wide: {faults:#?}");
            }
        }
    });
    looked.await.expect("no panic");
}

#[tokio::test]
async fn the_files_of_the_page_are_compressed_and_kept() {
    let server = server().await;
    let response = send(server.get("docs/viewer.js")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers().clone();
    assert_eq!(headers["content-encoding"], "gzip");
    assert_eq!(headers["content-type"], "text/javascript; charset=utf-8");
    let policy = headers["content-security-policy"]
        .to_str()
        .expect("is a text");
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
    assert!(response.bytes().await.expect("has a body").len() < 1 << 19);
    let again = server.get("docs/viewer.js");
    let again = send(again.header("if-none-match", &headers["etag"])).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
}
