//! A pooler between the store and PostgreSQL: one that keeps sessions is as good as none, one that
//! does not is noticed.

use cqrs_core::store::EventLogExt;
use cqrs_postgres::{ConnectError, Postgres};
use test_postgres::{Pooler, Server};

#[tokio::test]
async fn a_pooler_of_transactions_is_refused() {
    const TEST: &str = "a_pooler_of_transactions_is_refused";
    let Some(server) = Server::private(TEST) else {
        return;
    };
    let Some(pooler) = Pooler::start(TEST, &server, "transaction") else {
        return;
    };
    let refused = Postgres::connect(pooler.url()).await;
    assert!(matches!(refused, Err(ConnectError::Pooler)), "{refused:?}");
    // And where only queries are read through it.
    let options = Postgres::options().read_url(pooler.url());
    let refused = options.connect(server.url()).await;
    assert!(matches!(refused, Err(ConnectError::Pooler)), "{refused:?}");
}

#[tokio::test]
async fn a_pooler_of_sessions_is_as_good_as_none() {
    const TEST: &str = "a_pooler_of_sessions_is_as_good_as_none";
    let Some(server) = Server::private(TEST) else {
        return;
    };
    let Some(pooler) = Pooler::start(TEST, &server, "session") else {
        return;
    };
    let store = Postgres::connect(pooler.url()).await.expect("connects");
    assert_eq!(store.head().await.expect("a head").get(), 0);
}
