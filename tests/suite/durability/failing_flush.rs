//! Appends at the end of the log whose commit was done, and the waiting commit behind it was not: they are
//! acknowledged only once they are durable, and are in the log once.

use std::sync::Arc;

use cqrs_core::Position;
use cqrs_core::store::{Append, EventLog};
use cqrs_postgres::Postgres;
use tokio::{join, spawn};

use super::Held;
use crate::outage::history::log;
use crate::outage::proxy::{Proxy, Swallowing};
use crate::outage::until;
use crate::outage::writer::{account, append};

/// Number of events that the processes append to learn of each other.
const KNOWN: i64 = 8;

/// Two processes that write at the end of the log, because they know of each other.
async fn processes(held: &Held, url: &str) -> [Postgres; 2] {
    let here = Postgres::connect(url).await.expect("it connects");
    let there = Postgres::connect(&held.url()).await.expect("it connects");
    for number in 0..4 {
        // The first one is the last to append, so that it has nothing to read before its next append.
        for process in [&there, &here] {
            let append = append(&account(number), 1, None);
            process.append(append).await.expect("it is appended");
        }
    }
    assert_eq!(held.head().await, KNOWN);
    [here, there]
}

/// A command about an account that has no events.
fn claim() -> Append {
    append(&account(100), 1, Some(Position::START))
}

/// The lookup follows a fence, which waits for the disk itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_waiting_commit_fails_is_acknowledged_once_it_is_durable() {
    const TEST: &str = "an_append_whose_waiting_commit_fails_is_acknowledged_once_it_is_durable";
    let Some(mut held) = Held::start(TEST).await else {
        return;
    };
    let [here, _there] = processes(&held, &held.url()).await;
    held.allow_flush(false).await;
    let claim = claim();
    let answer = here.append(claim.clone()).await.expect("it is found");
    assert!(answer.replayed, "{answer:?}");
    assert_eq!(held.crash().await, KNOWN + 1, "it is durable");
    held.allow_flush(true).await;
    let other = Postgres::connect(&held.url()).await.expect("it connects");
    let log = log(&other).await;
    let of_claim = log.iter().filter(|it| it.meta.command == claim.command);
    assert_eq!(of_claim.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_a_crash_took_back_is_decided_again() {
    const TEST: &str = "a_commit_that_a_crash_took_back_is_decided_again";
    let Some(mut held) = Held::start(TEST).await else {
        return;
    };
    let swallowing = Arc::new(Swallowing::default());
    let proxy = Proxy::swallowing(&held.url(), swallowing.clone()).await;
    let [here, _there] = processes(&held, &proxy.url(&held.url())).await;
    held.allow_flush(false).await;
    // So that the process does not ask on another connection before the crash.
    swallowing.cut_off();
    let claims = [claim(), claim()];
    let [first, second] = claims.clone();
    let sent = spawn(async move { here.append(first).await });
    until(|| async { held.head().await == KNOWN + 1 }).await;
    assert!(!held.is_flushed().await, "something has waited");
    assert_eq!(held.crash().await, KNOWN, "the event is lost");
    held.allow_flush(true).await;
    swallowing.let_in();
    // The account is free again. Whichever process is first gets it.
    let rival = async {
        let rival = Postgres::connect(&held.url()).await.expect("it connects");
        rival.append(second).await
    };
    let (sent, rival) = join!(sent, rival);
    let answers = [sent.expect("no panic"), rival];
    let won = answers.each_ref().map(Result::is_ok);
    assert_ne!(won[0], won[1], "one of both: {answers:?}");
    assert_eq!(held.crash().await, KNOWN + 1, "it is durable");
    let other = Postgres::connect(&held.url()).await.expect("it connects");
    let log = log(&other).await;
    let winner = &claims[usize::from(won[1])];
    assert_eq!(log[8].meta.command, winner.command);
}
