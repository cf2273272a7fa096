//! The page that shows the document, in a browser without a screen.

use std::path::PathBuf;
use std::process::{Command, Output};

use reqwest::StatusCode;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::domain::in_memory;
use crate::server::{Server, options, send};

async fn server() -> Server {
    let (app, _) = in_memory().await;
    let about = cqrs_openapi::Options::new().title("Accounts");
    Server::with(options().openapi(about), app).await
}

/// The browser in `PATH`, or `None` if the machine has none.
///
/// # Panics
///
/// Under `CQRS_REQUIRE_SERVICES=1`, instead of `None`.
fn chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|directory| names.map(|name| directory.join(name)))
        .find(|file| file.is_file());
    if found.is_none() {
        let required = std::env::var_os("CQRS_REQUIRE_SERVICES").is_some_and(|it| it == "1");
        assert!(
            !required,
            "the page of the document cannot be tested, and CQRS_REQUIRE_SERVICES is 1: there is no chromium"
        );
        eprintln!("the page of the document is not tested: there is no chromium");
    }
    found
}

fn shown(chromium: PathBuf, address: &str) -> Output {
    let profile = TempDir::new().expect("a temporary directory");
    Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
        ])
        .args([
            "--enable-logging=stderr",
            "--virtual-time-budget=20000",
            "--dump-dom",
        ])
        .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(address)
        .output()
        .expect("the browser runs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_each_message_and_asks_nobody_else() {
    let Some(chromium) = chromium() else {
        return;
    };
    let server = server().await;
    let address = format!("http://{}/api/acme/docs", server.address);
    let output = spawn_blocking(move || shown(chromium, &address)).await;
    let output = output.expect("no panic");
    let page = String::from_utf8_lossy(&output.stdout);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(page.contains("<title>Accounts</title>"), "{page}\n{log}");
    for path in ["/commands/Deposit", "/queries/BalanceOf", "/commands/Ping"] {
        assert!(
            page.contains(&format!("data-path=\"{path}\"")),
            "{path}: {page}"
        );
    }
    // Scripts, styles and requests that the policy refuses are told here, and so are errors.
    let told: Vec<_> = log
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    assert!(told.is_empty(), "{told:#?}");
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
