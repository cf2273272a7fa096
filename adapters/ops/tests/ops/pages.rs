//! What the pages show.

use cqrs_core::app::SubscriptionState;
use cqrs_core::{Dispatcher, Memory, Position};

use crate::domain::{CloseStreet, SendParcel, hand_in, parcels, parcels_on, reaches};
use crate::server::{METRICS, Server, options, text};

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
    assert!(page.contains("there is no projection or reaction `other`, only: weights, "));
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
        "/aggregates?name=%3Cscript%3E",
        "/aggregate?name=parcel&id=%3Cscript%3Ealert%281%29%3C%2Fscript%3E%22%27%26&from=0",
        "/aggregate?name=%3Cscript%3E&id=1",
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
        "/aggregate?name=parcel&id=p1",
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
    let (_, page) = text(server.page("/events?actor=eve&tag=parcel%3Ap1")).await;
    assert!(page.contains("No events match."), "{page}");
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

/// Three sendings of one parcel, and others between them.
async fn resent() -> (Dispatcher, [Position; 3]) {
    let (app, _) = parcels().await;
    let mut positions = [Position::START; 3];
    for (position, grams) in positions.iter_mut().zip([5, 7, 7]) {
        *position = hand_in(&app, "p/1", grams).await;
        hand_in(&app, "p2", 1).await;
    }
    (app, positions)
}

#[tokio::test]
async fn the_life_of_an_aggregate_is_a_timeline() {
    let (app, [first, second, third]) = resent().await;
    let server = Server::start(options(), app).await;
    let (status, page) = text(server.page("/aggregate?name=parcel&id=p%2F1")).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("<h1>parcel p/1</h1>"), "{page}");
    assert_eq!(page.matches("<tr role=\"row\">").count(), 4, "{page}");
    for position in [first, second, third] {
        assert!(
            page.contains(&format!("event?position={position}\"")),
            "{page}"
        );
    }
    // What each event has changed, in the order of the log.
    let rows: Vec<_> = page.split("<summary>").skip(1).collect();
    assert!(rows[0].starts_with("2 changes<"), "{}", rows[0]);
    assert!(rows[1].starts_with("2 changes<"), "{}", rows[1]);
    assert!(rows[2].starts_with("1 change<"), "{}", rows[2]);
    for part in [
        "<code>/grams</code>",
        "<del><code>5</code></del> → <ins><code>7</code></ins>",
        "<code>/journey/1</code>",
        "&quot;grams&quot;: 7",
    ] {
        assert!(rows[1].contains(part), "{part}: {}", rows[1]);
    }
    // The first event is compared with the state without any.
    assert!(rows[0].contains("<del><code>0</code></del> → <ins><code>5</code></ins>"));
    // Each event leads to the state after it.
    let (_, event) = text(server.page(&format!("/event?position={second}"))).await;
    let link = format!("aggregate?name=parcel&amp;id=p%2F1&amp;at={second}\"");
    assert!(event.contains(&link), "{event}");
}

#[tokio::test]
async fn the_state_is_known_at_any_point_and_between_two() {
    let (app, [first, second, third]) = resent().await;
    let server = Server::start(options(), app).await;
    let page = async |fields: &str| {
        let page = format!("/aggregate?name=parcel&id=p%2F1{fields}");
        let (status, page) = text(server.page(&page)).await;
        assert_eq!(status, 200, "{page}");
        let (state, rest) = page.split_once("Difference between").expect("is there");
        let (difference, _) = rest.split_once("Timeline").expect("is there");
        (state.to_owned(), difference.to_owned())
    };
    let (state, difference) = page("").await;
    assert!(state.contains("&quot;grams&quot;: 7") && state.contains("the end of the log"));
    assert!(!difference.contains("<li>"), "{difference}");
    let (state, _) = page(&format!("&at={first}")).await;
    assert!(state.contains("&quot;grams&quot;: 5"), "{state}");
    let (state, _) = page("&at=0").await;
    assert!(state.contains("&quot;grams&quot;: 0"), "{state}");
    let (_, difference) = page(&format!("&from={first}&to={third}")).await;
    assert!(difference.contains("3 differences"), "{difference}");
    assert!(
        difference.contains("<code>/journey/2</code>"),
        "{difference}"
    );
    let (_, difference) = page(&format!("&from={third}&to={second}")).await;
    assert!(difference.contains("1 difference<"), "{difference}");
    assert!(difference.contains("removed"), "{difference}");
    // One that is not named is the beginning, or the end.
    let (_, difference) = page(&format!("&to={first}")).await;
    assert!(difference.contains("2 differences"), "{difference}");
    let (_, difference) = page(&format!("&from={third}")).await;
    assert!(
        difference.contains("The state is the same."),
        "{difference}"
    );
    for fields in ["&at=x", "&from=-1", "&after=1&after=2"] {
        let wrong = format!("/aggregate?name=parcel&id=p%2F1{fields}");
        assert_eq!(text(server.page(&wrong)).await.0, 400, "{fields}");
    }
}

#[tokio::test]
async fn aggregates_are_found_by_name_and_id() {
    let (app, _) = resent().await;
    let street = "Elm".to_owned();
    app.execute(CloseStreet { street })
        .await
        .expect("is recorded");
    for _ in 0..30 {
        hand_in(&app, "long", 3).await;
    }
    let server = Server::start(options(), app).await;
    let (_, page) = text(server.page("/aggregates")).await;
    for text in ["What is known of a parcel.", "Id of the parcel"] {
        assert!(page.contains(text), "{page}");
    }
    let (_, page) = text(server.page("/aggregates?name=street")).await;
    assert!(page.contains("Id of the street"), "{page}");
    // A state that is not `Serialize` is not shown, but its events are.
    let (status, page) = text(server.page("/aggregate?name=street&id=Elm&from=0")).await;
    assert_eq!(status, 200, "{page}");
    assert_eq!(
        page.matches("its type does not derive").count(),
        2,
        "{page}"
    );
    assert!(page.contains("street-closed"), "{page}");
    // A long life has several pages.
    let (_, page) = text(server.page("/aggregate?name=parcel&id=long")).await;
    assert_eq!(page.matches("<tr role=\"row\">").count(), 26, "{page}");
    let (_, later) = page.split_once("id=long&amp;after=").expect("has more");
    let after: String = later.chars().take_while(char::is_ascii_digit).collect();
    let (_, page) =
        text(server.page(&format!("/aggregate?name=parcel&id=long&after={after}"))).await;
    assert_eq!(page.matches("<tr role=\"row\">").count(), 6, "{page}");
    // It goes on with the state of the page before.
    assert!(!page.contains("2 changes"), "{page}");
    assert!(page.contains("From the first event"), "{page}");
    for (wrong, status) in [
        ("/aggregates?name=house", 404),
        ("/aggregate?name=house&id=1", 404),
        ("/aggregate?name=parcel&id=nowhere", 404),
        ("/aggregate?name=parcel", 400),
        ("/aggregate?id=p2", 400),
    ] {
        assert_eq!(text(server.page(wrong)).await.0, status, "{wrong}");
    }
}

#[tokio::test]
async fn messages_have_the_figures_of_the_metrics() {
    let (app, _) = parcels().await;
    let server = Server::start(options(), app.clone()).await;
    let (status, page) = text(server.get("/messages")).await;
    assert_eq!(status, 200);
    assert!(page.contains("There are no figures"), "{page}");

    let metrics = |_: &Dispatcher| METRICS.replace("POSITION", "1200");
    let server = Server::start(options().metrics(metrics), app).await;
    let (_, page) = text(server.get("/messages")).await;
    let row = |name: &str| {
        let (_, row) = page.split_once(&format!(">{name}</th>")).expect("is there");
        let (row, _) = row.split_once("</tr>").expect("ends");
        let cells = row.split("data-label=\"").skip(1).map(|cell| {
            let (label, text) = cell.split_once("\">").expect("has a label");
            let text = text.replace("<span class=\"badge bad\">", "");
            let end = text.find('<').expect("ends");
            (label.to_owned(), text[..end].to_owned())
        });
        cells.collect::<Vec<_>>()
    };
    let expected = [
        ("Calls", "1,241"),
        ("Per second", "–"),
        ("Rejected", "30"),
        ("Conflicts", "4"),
        ("Failed", "7"),
        ("Median", "6.2 ms"),
        ("95 %", "&gt; 10 ms"),
        ("99 %", "&gt; 10 ms"),
    ];
    let cells = row("SendParcel");
    let shown: Vec<_> = cells
        .iter()
        .map(|(label, text)| (&**label, &**text))
        .collect();
    assert_eq!(shown, expected);
    // Without queries, there is no list of them.
    assert!(!page.contains("Queries"), "{page}");
    // One that nobody has sent is there as well.
    let unsent = row("CloseStreet");
    assert_eq!(unsent[0], ("Calls".to_owned(), "0".to_owned()));
    assert_eq!(unsent[5], ("Median".to_owned(), "–".to_owned()));
}

#[tokio::test]
async fn each_shard_has_the_process_that_handles_it() {
    let memory = Memory::new();
    let (one, _) = parcels_on(memory.clone()).await;
    let position = hand_in(&one, "p1", 5).await;
    one.wait_until_idle(std::time::Duration::from_secs(10))
        .await
        .expect("is idle");
    let server = Server::start(options(), one.clone()).await;
    let (_, page) = text(server.page("/subscription?name=weights")).await;
    assert!(page.contains("<td>this process</td>"), "{page}");
    // Another process sees who it is, and since when.
    let (other, _) = parcels_on(memory).await;
    reaches(&other, "label", |it| *it == SubscriptionState::Standby).await;
    let owners = other.subscriptions().owners("label").await;
    let owners = owners.expect("is known");
    let [(_, Some(owner))] = owners[..] else {
        panic!("{owners:?}");
    };
    let server = Server::start(options(), other).await;
    let (_, page) = text(server.page("/subscription?name=label")).await;
    let named = format!("the process <code>{}</code>", owner.as_uuid());
    assert!(
        page.contains(&named) && page.contains("started <time"),
        "{page}"
    );
    assert_eq!(one.health().subscriptions[0].position, position);
}
