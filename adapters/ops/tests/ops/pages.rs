//! What the pages show.

use cqrs_core::app::SubscriptionState;

use crate::domain::{hand_in, parcels, reaches};
use crate::server::{Server, options, text};

#[tokio::test]
async fn the_overview_has_every_subscription() {
    let (app, _) = parcels().await;
    for number in 0..3 {
        hand_in(&app, &format!("p{number}"), 5).await;
    }
    app.wait_until_idle(std::time::Duration::from_secs(10))
        .await
        .expect("is idle");
    let server = Server::start(options(), app).await;
    let (status, page) = text(server.page("")).await;
    assert_eq!(status, 200);
    assert!(page.contains("All is well with 2 subscriptions."), "{page}");
    for part in [
        "<title>Subscriptions – Parcels</title>",
        "<html lang=\"en\">",
        "<main id=\"main\"",
        "href=\"/shops/acme/ops/subscription?name=weights\"",
        "projection, version 2",
        "reaction",
        "<span class=\"badge ok\">running</span>",
        "<caption",
        "scope=\"row\"",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(page.contains("data-live>3</td>"), "{page}");
}

#[tokio::test]
async fn what_fails_comes_with_its_reason() {
    let (app, printer) = parcels().await;
    printer
        .is_broken
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let position = hand_in(&app, "p0", 5).await;
    reaches(&app, "label", |it| {
        matches!(it, SubscriptionState::Stopped { .. })
    })
    .await;
    let server = Server::start(options(), app).await;
    let (_, page) = text(server.page("")).await;
    assert!(
        page.contains("1 of 2 subscriptions needs attention."),
        "{page}"
    );
    assert!(page.contains("the printer is on fire"), "{page}");
    assert!(page.contains("aria-label=\"Retry label\""), "{page}");
    let (_, page) = text(server.page("/subscription?name=label")).await;
    assert!(page.contains("Prints the label of each parcel."), "{page}");
    // The event to skip is known.
    assert!(page.contains(&format!("value=\"{position}\"")), "{page}");
    let (status, page) = text(server.page("/subscription?name=other")).await;
    assert_eq!(status, 404);
    assert!(page.contains("There is no projection, reaction or process manager `other`."));
}

#[tokio::test]
async fn markup_in_ids_causes_and_reasons_is_text() {
    let (app, _) = parcels().await;
    let hostile = "<script>alert(1)</script>\"'&";
    hand_in(&app, hostile, -1).await;
    reaches(&app, "weights", |it| {
        matches!(it, SubscriptionState::Parked { .. })
    })
    .await;
    let reason = "<img src=x onerror=alert(1)>";
    app.subscriptions()
        .pause("label", reason)
        .await
        .expect("is paused");
    let server = Server::start(options(), app).await;
    for page in [
        "",
        "/subscription?name=weights",
        "/subscription?name=label",
        "/subscription?name=%3Cscript%3Ealert(1)",
        "/subscription?name=weights&done=%3Cscript%3E",
    ] {
        let (_, shown) = text(server.page(page)).await;
        assert!(!shown.contains("<script>"), "{page}: {shown}");
        assert!(!shown.contains("<img"), "{page}: {shown}");
        assert!(!shown.contains("<b>lighter"), "{page}: {shown}");
    }
    let (_, shown) = text(server.page("/subscription?name=weights")).await;
    assert!(
        shown.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;"),
        "{shown}"
    );
    assert!(
        shown.contains("&lt;b&gt;lighter than air&lt;/b&gt;"),
        "{shown}"
    );
}
