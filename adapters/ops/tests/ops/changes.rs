//! What operators do.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cqrs_core::app::SubscriptionState;

use crate::domain::{hand_in, parcels, reaches};
use crate::server::{Server, made, options, text};

const TIME: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_subscription_is_paused_and_goes_on() {
    let (app, _) = parcels().await;
    let server = Server::start(options(), app.clone()).await;
    let page = made(&server, "action=pause&name=label&reason=new+paper").await;
    assert!(page.contains("It is paused."), "{page}");
    // The store keeps who has paused it.
    assert!(page.contains("it is paused: new paper (ann)"), "{page}");
    let position = hand_in(&app, "p0", 5).await;
    reaches(&app, "label", |it| {
        matches!(it, SubscriptionState::Paused { .. })
    })
    .await;
    assert!(
        text(server.page(""))
            .await
            .1
            .contains("aria-label=\"Resume label\"")
    );

    let page = made(&server, "action=resume&name=label").await;
    assert!(page.contains("It goes on."), "{page}");
    app.wait_until_caught_up(position, TIME)
        .await
        .expect("goes on");
}

#[tokio::test]
async fn an_event_that_failed_is_retried_or_skipped() {
    let (app, printer) = parcels().await;
    let server = Server::start(options(), app.clone()).await;
    printer.is_broken.store(true, Ordering::SeqCst);
    let first = hand_in(&app, "p0", 5).await;
    assert_eq!(first.get(), 1);
    let is_stopped = |it: &SubscriptionState| matches!(it, SubscriptionState::Stopped { .. });
    reaches(&app, "label", is_stopped).await;

    let (_, question) = text(server.page("/confirm?action=skip&name=label&position=1")).await;
    assert!(
        question.contains("Skip the event at position 1 for label?"),
        "{question}"
    );
    // Not the next one.
    let wrong = "action=skip&name=label&position=7&reason=why";
    let (status, shown) = text(server.change(wrong)).await;
    assert_eq!(status, 409);
    assert!(
        shown.contains("can only skip its next event, at position 1"),
        "{shown}"
    );
    let page = made(&server, "action=skip&name=label&position=1&reason=by+hand").await;
    assert!(page.contains("by hand (ann)"), "{page}");

    let second = hand_in(&app, "p1", 5).await;
    reaches(&app, "label", is_stopped).await;
    printer.is_broken.store(false, Ordering::SeqCst);
    made(&server, "action=retry&name=label").await;
    app.wait_until_caught_up(second, TIME)
        .await
        .expect("goes on");
}

#[tokio::test]
async fn a_parked_id_is_released_or_its_event_skipped() {
    let (app, _) = parcels().await;
    let server = Server::start(options(), app.clone()).await;
    hand_in(&app, "light one", -1).await;
    hand_in(&app, "p1", 5).await;
    reaches(&app, "weights", |it| {
        matches!(it, SubscriptionState::Parked { .. })
    })
    .await;
    let (_, page) = text(server.page("/subscription?name=weights")).await;
    assert!(page.contains("parcel:light one"), "{page}");
    assert!(page.contains("aria-label=\"Release light one\""), "{page}");

    // Its event fails again.
    let page = made(&server, "action=release&name=weights&id=light+one").await;
    assert!(
        page.contains("The events of the id are about to be handled."),
        "{page}"
    );
    reaches(&app, "weights", |it| {
        matches!(it, SubscriptionState::Parked { .. })
    })
    .await;
    let (status, _) = text(server.change("action=release&name=weights&id=p1")).await;
    assert_eq!(status, 409);
    made(&server, "action=skip&name=weights&position=1&reason=why").await;
    app.wait_until_idle(TIME).await.expect("is idle");
    let parked = app.subscriptions().parked("weights").await;
    assert_eq!(parked.expect("is read"), []);
}

#[tokio::test]
async fn a_projection_is_rewound_divided_and_rebuilt() {
    let (app, _) = parcels().await;
    let server = Server::start(options(), app.clone()).await;
    for number in 0..5 {
        hand_in(&app, &format!("p{number}"), 5).await;
    }
    app.wait_until_idle(TIME).await.expect("is idle");
    let (_, question) = text(server.page("/confirm?action=rewind&name=weights&position=2")).await;
    assert!(
        question.contains("Rewind weights to position 2?"),
        "{question}"
    );
    made(&server, "action=rewind&name=weights&position=2").await;
    app.wait_until_idle(TIME).await.expect("is idle");
    let (status, shown) = text(server.change("action=rewind&name=weights&position=5")).await;
    assert_eq!(status, 409, "{shown}");

    let page = made(&server, "action=divide&name=weights&shards=2").await;
    assert!(page.contains("512 to 1023"), "{page}");

    let (status, _) = text(server.page("/confirm?action=rebuild&name=weights")).await;
    assert_eq!(status, 200);
    made(&server, "action=rebuild&name=weights").await;
    for _ in 0..2_000 {
        let (_, page) = text(server.page("/subscription?name=weights")).await;
        assert!(!page.contains("failed, "), "{page}");
        if page.contains(": done.") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the rebuild does not end");
}

#[tokio::test]
async fn what_is_not_there_is_not_done() {
    let (app, _) = parcels().await;
    let server = Server::start(options(), app).await;
    // A reaction has no versions, and there is nothing to compare with.
    for (form, part) in [
        (
            "action=rebuild&name=label",
            "only projections have versions",
        ),
        (
            "action=drop&name=weights&version=9",
            "there is no version 9",
        ),
        ("action=drop&name=weights&version=2", "is live"),
        ("action=hold&name=weights", "is live already"),
    ] {
        let (status, shown) = text(server.change(form)).await;
        assert!([404, 409].contains(&status), "{form}: {status}");
        assert!(shown.contains(part), "{form}: {shown}");
    }
    made(&server, "action=compare&name=weights").await;
    for _ in 0..2_000 {
        let (_, page) = text(server.page("/subscription?name=weights")).await;
        if page.contains("failed, ") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the comparison does not end");
}
