//! What the pages show.

use cqrs_core::app::SubscriptionState;

use crate::domain::{SendParcel, hand_in, parcels, reaches};
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
    assert!(page.contains("All is well with 3 subscriptions."), "{page}");
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
        page.contains("1 of 3 subscriptions needs attention."),
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
        "/confirm?action=skip&name=weights&position=1",
        "/events",
        "/events?type=%3Cscript%3E",
        "/event?position=1",
        "/processes",
        "/process?name=delivery&id=%3Cscript%3Ealert%281%29%3C%2Fscript%3E%22%27%26",
        "/process?name=%3Cscript%3E&id=1",
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

#[tokio::test]
async fn events_are_found_by_type_tag_time_and_position() {
    let (app, _) = parcels().await;
    for number in 0..120 {
        hand_in(&app, &format!("p{}", number % 3), number).await;
    }
    let server = Server::start(options(), app).await;
    // The log has a permission of its own.
    for page in [
        "/events",
        "/event?position=1",
        "/processes",
        "/process?name=delivery&id=p1",
    ] {
        let (status, shown) = text(server.get(page)).await;
        assert_eq!(status, 403, "{page}: {shown}");
        assert!(!shown.contains("grams"), "{shown}");
    }
    let rows = |page: &str| page.matches("<tr role=\"row\">").count() - 1;
    // The last ones, if nothing is said.
    let (_, page) = text(server.page("/events")).await;
    assert_eq!(rows(&page), 50);
    assert!(page.contains("event?position=120\"") && !page.contains("event?position=70\""));
    assert!(page.contains("events?after=20\""), "{page}");
    let (_, page) = text(server.page("/events?tag=parcel%3Ap1")).await;
    assert_eq!(rows(&page), 40);
    let (_, page) = text(server.page("/events?type=parcel-sent&after=10")).await;
    assert_eq!(rows(&page), 50);
    assert!(
        page.contains("events?type=parcel-sent&amp;after=60\""),
        "{page}"
    );
    for nothing in [
        "/events?type=other",
        "/events?tag=parcel%3Ap9",
        "/events?until=2020-01-01T00%3A00",
        "/events?from=2099-01-01T00%3A00",
        "/events?after=18446744073709551615",
    ] {
        let (status, page) = text(server.page(nothing)).await;
        assert_eq!(status, 200, "{nothing}: {page}");
        assert!(page.contains("No events match."), "{nothing}: {page}");
    }
    let since = text(server.page("/events?from=2020-01-01T00%3A00")).await.1;
    assert_eq!(rows(&since), 50);
    for wrong in [
        "/events?tag=p1",
        "/events?from=now",
        "/events?after=-1",
        "/event?position=x",
    ] {
        assert_eq!(text(server.page(wrong)).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn an_event_has_its_data_and_its_origin() {
    let (app, _) = parcels().await;
    let call = app.execute(SendParcel {
        parcel: "p0".to_owned(),
        grams: 5,
    });
    let receipt = call.metadata("tenant", "<i>acme").await;
    let position = receipt.expect("is recorded").last();
    let server = Server::start(options(), app).await;
    let (_, page) = text(server.page(&format!("/event?position={position}"))).await;
    for part in [
        "&quot;grams&quot;: 5",
        "a command from outside",
        "parcel:p0",
        "not named",
        "<code>tenant</code>: &lt;i&gt;acme",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for position in ["0", "2", "18446744073709551615"] {
        let missing = format!("/event?position={position}");
        assert_eq!(text(server.page(&missing)).await.0, 404, "{position}");
    }
}

#[tokio::test]
async fn an_instance_of_a_process_manager_has_its_state_and_deadlines() {
    let (app, _) = parcels().await;
    for number in 0..30 {
        hand_in(&app, &format!("p{number:02}"), 5).await;
    }
    app.wait_until_idle(std::time::Duration::from_secs(10))
        .await
        .expect("is idle");
    let server = Server::start(options(), app).await;
    let (_, page) = text(server.page("/processes")).await;
    assert!(
        page.contains(">p00</a>") && page.contains(">p24</a>"),
        "{page}"
    );
    assert!(
        !page.contains(">p25</a>") && page.contains("after=p24"),
        "{page}"
    );
    let (_, page) = text(server.page("/processes?name=delivery&after=p24")).await;
    assert!(
        page.contains(">p29</a>") && !page.contains(">More<"),
        "{page}"
    );
    let (_, page) = text(server.page("/process?name=delivery&id=p07")).await;
    for part in [
        "delivery-due",
        "&quot;grams&quot;: 5",
        "parcel-sent",
        "running",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(
        text(server.page("/process?name=delivery&id=none")).await.0,
        404
    );
    assert_eq!(text(server.page("/process?name=none&id=none")).await.0, 404);
    let (_, map) = text(server.page("/map")).await;
    assert!(map.contains("<svg") && map.contains("SendParcel"));
}
