//! The pages in a browser without a screen.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use cqrs_core::Dispatcher;
use cqrs_core::app::SubscriptionState;
use serde_json::json;
use test_tools::{Browser, Theme};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::domain::{Printer, hand_in, parcels, reaches};
use crate::server::{Server, open};

/// A program with something to do for operators, behind a server for browsers.
async fn troubled() -> (Server, Dispatcher, Arc<Printer>) {
    let (app, printer) = parcels().await;
    for number in 0..40 {
        hand_in(&app, &format!("p{number}"), 5).await;
    }
    hand_in(&app, "<script>alert(1)</script>", -1).await;
    hand_in(&app, "a-parcel-with-a-long-name-that-goes-on-and-on", -2).await;
    reaches(&app, "weights", |it| {
        *it == SubscriptionState::Parked { keys: 2 }
    })
    .await;
    app.wait_until_idle(std::time::Duration::from_secs(10))
        .await
        .expect("is idle");
    printer.is_broken.store(true, Ordering::SeqCst);
    hand_in(&app, "last", 5).await;
    reaches(&app, "label", |it| {
        matches!(it, SubscriptionState::Stopped { .. })
    })
    .await;
    (Server::start(open(), app.clone()).await, app, printer)
}

/// Keeps a picture of the page in the folder that `CQRS_SCREENSHOTS` names, for whoever wants to look at it.
fn picture(browser: &mut Browser, name: &str) {
    if let Some(folder) = std::env::var_os("CQRS_SCREENSHOTS") {
        let file = std::path::Path::new(&folder).join(format!("{name}.png"));
        std::fs::write(file, browser.screenshot()).expect("is written");
    }
}

/// The pages of the tests, with names for pictures.
const PAGES: [(&str, &str); 11] = [
    ("overview", ""),
    ("projection", "/subscription?name=weights"),
    ("reaction", "/subscription?name=label&done=retry"),
    ("confirm", "/confirm?action=skip&name=weights&position=41"),
    ("messages", "/messages"),
    ("events", "/events"),
    ("event", "/event?position=41"),
    ("aggregates", "/aggregates"),
    ("aggregate", "/aggregate?name=parcel&id=p7&from=0"),
    ("processes", "/processes"),
    ("process", "/process?name=delivery&id=p7"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_look_good_in_both_themes_and_on_a_phone() {
    let (server, _app, _) = troubled().await;
    spawn_blocking(move || {
        let Some(mut browser) = Browser::start("the operations page in a browser") else {
            return;
        };
        for (theme, name) in [(Theme::Light, "light"), (Theme::Dark, "dark")] {
            browser.prefer(theme);
            for (width, size) in [(1280, ""), (390, "-phone")] {
                browser.resize(width, 900);
                for (page, path) in PAGES {
                    browser.open(&server.url(path));
                    picture(&mut browser, &format!("{page}-{name}{size}"));
                    let wider = browser.evaluate(
                        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
                    );
                    assert_eq!(wider, 0, "{page}{size} is wider than the window");
                    let faults = browser.faults("the operations page for those who cannot see");
                    assert_eq!(faults.unwrap_or_default(), [""; 0], "{page}-{name}{size}");
                }
            }
        }
        assert_eq!(browser.told(), [""; 0]);
        let own = format!("http://{}/", server.address);
        let foreign = browser.asked().iter();
        let foreign: Vec<_> = foreign.filter(|it| !it.starts_with(&own) && *it != "data:,").collect();
        assert!(foreign.is_empty(), "{foreign:?}");
    })
    .await
    .expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_stays_up_to_date_by_itself() {
    let (server, app, printer) = troubled().await;
    let program = Handle::current();
    spawn_blocking(move || {
        let Some(mut browser) = Browser::start("live updates of the operations page") else {
            return;
        };
        browser.open(&server.url(""));
        browser.evaluate("window.isTheSame = true, null");
        let position = program.block_on(hand_in(&app, "new", 5));
        browser.wait_for(&format!(
            "document.getElementById('head').textContent === '{position}'"
        ));
        browser.wait_for(&format!(
            "document.getElementById('position-0').textContent === '{position}'"
        ));
        // Rates are known once the page was asked for twice.
        browser.wait_for("/\\d/.test(document.getElementById('rate').textContent)");
        // So are figures of messages.
        browser.open(&server.url("/messages"));
        let before = "document.querySelector('#commands tbody tr:last-child td').textContent";
        let calls = browser.evaluate(before);
        program.block_on(hand_in(&app, "newer", 5));
        browser.wait_for(&format!("{before} !== {calls}"));
        browser.wait_for("/\\d/.test(document.querySelectorAll('#commands tbody tr:last-child td')[1].textContent)");
        browser.open(&server.url(""));
        browser.evaluate("window.isTheSame = true, null");
        // What is no longer up to date is told to those who cannot see.
        program
            .block_on(app.subscriptions().pause("weights", "new tables"))
            .expect("is paused");
        browser.wait_for(
            "document.getElementById('state-0').textContent.includes('it is paused: new tables')",
        );
        printer.is_broken.store(false, Ordering::SeqCst);
        let retried = app.subscriptions();
        program
            .block_on(retried.retry("label"))
            .expect("is retried");
        browser.wait_for("document.getElementById('told').textContent.includes('attention')");
        assert_eq!(browser.evaluate("window.isTheSame"), json!(true));

        // Whoever reads in peace holds the updates.
        let button = "document.querySelector('#tools button')";
        browser.evaluate(&format!("{button}.focus(), {button}.textContent"));
        browser.press("Enter");
        browser.wait_for(&format!("{button}.textContent === 'Go on with updates'"));
        assert_eq!(browser.told(), [""; 0]);
    })
    .await
    .expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_is_operated_by_the_keyboard() {
    let (server, app, _) = troubled().await;
    spawn_blocking(move || {
        let Some(mut browser) = Browser::start("the operations page by the keyboard") else {
            return;
        };
        browser.open(&server.url(""));
        // The first stop leads past the navigation, and shows itself.
        browser.press("Tab");
        let first = browser.evaluate("document.activeElement.textContent");
        assert_eq!(first, "Skip to the content");
        browser.press("Enter");
        let next = |browser: &mut Browser| {
            browser.press("Tab");
            browser.evaluate("document.activeElement.textContent")
        };
        assert_eq!(next(&mut browser), "weights");
        let outline = browser.evaluate("getComputedStyle(document.activeElement).outlineStyle");
        assert_eq!(outline, "solid");
        browser.press("Enter");
        browser.wait_for("document.readyState === 'complete' && document.querySelector('h1')?.textContent === 'weights'");
        browser.evaluate("document.querySelector('input[name=reason]').focus(), null");
        for letter in "maintenance".chars() {
            browser.press(&letter.to_string());
        }
        browser.press("Enter");
        browser.wait_for("document.body?.textContent.includes('It is paused.')");
        let paused = app.health().subscriptions[0].state.to_string();
        assert_eq!(paused, "it is paused: maintenance (ann)");

        // What cannot be taken back is asked about.
        browser.evaluate(
            "document.querySelector('[aria-label^=\"Skip the event of <script>\"]').focus(), null",
        );
        browser.press("Enter");
        browser.wait_for("document.readyState === 'complete' && document.querySelector('h1')?.textContent.startsWith('Skip the event')");
        browser.evaluate("document.querySelector('input[name=reason]').focus(), null");
        browser.press("x");
        browser.press("Enter");
        browser.wait_for("document.body?.textContent.includes('The event is left out.')");
        assert_eq!(browser.told(), [""; 0]);
    })
    .await
    .expect("no panic");
}
