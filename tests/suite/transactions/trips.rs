//! Round trips of handlers' SQL on PostgreSQL.

use std::sync::atomic::Ordering;

use cqrs_core::store::{EventLogExt as _, HasReader as _, LogTransaction as _, Transactional as _};
use cqrs_postgres::Postgres;

use crate::outage::proxy::Proxy;
use crate::outage::writer::{account, append};
use crate::support::postgres::Schema;

/// A parameter from which on round trips are counted.
const MARKER: &str = "from here on";

#[tokio::test]
async fn a_transaction_begins_with_its_first_statement() {
    const TEST: &str = "a_transaction_begins_with_its_first_statement";
    let Some(schema) = Schema::fresh(TEST, Postgres::options()) else {
        return;
    };
    let (proxy, waits) = Proxy::counting_waits(schema.url(), MARKER).await;
    let options = schema.options().pool_size(1);
    let store = options.connect(&proxy.url(schema.url())).await;
    let store = store.expect("it connects");
    let select = "SELECT $1::text";
    let waits = || waits.swap(0, Ordering::Relaxed);

    // The first use of a connection opens it, and prepares the statement.
    for text in ["", MARKER] {
        let reader = store.reader();
        let row = reader.query_one(select, &[&text]).await.expect("a row");
        assert_eq!(row.get::<_, &str>(0), text);
        let expected = usize::from(text == MARKER);
        assert_eq!(waits(), expected, "`BEGIN` is sent with the query");
        reader.query_one(select, &[&text]).await.expect("a row");
        assert_eq!(waits(), expected);
    }

    let transaction = store.begin().await.expect("it begins");
    transaction.execute(select, &[&""]).await.expect("it runs");
    transaction
        .append(append(&account(1), 1, None))
        .await
        .expect("it appends");
    // The reader's rollback, for which nothing waits.
    waits();
    let transaction = store.begin().await.expect("it begins");
    transaction
        .execute(select, &[&MARKER])
        .await
        .expect("it runs");
    assert_eq!(waits(), 1, "`BEGIN` is sent with the statement");
    transaction
        .execute(select, &[&MARKER])
        .await
        .expect("it runs");
    assert_eq!(waits(), 1);
    transaction
        .append(append(&account(1), 1, None))
        .await
        .expect("it appends");
    assert_eq!(
        waits(),
        2,
        "the lock of the head, then the append with the commit"
    );
    // Since nobody else has written between the two before it.
    let transaction = store.begin().await.expect("it begins");
    transaction
        .execute(select, &[&MARKER])
        .await
        .expect("it runs");
    waits();
    transaction
        .append(append(&account(1), 1, None))
        .await
        .expect("it appends");
    assert_eq!(waits(), 1, "the append with the commit");

    // On the same connection: nothing is sent on it.
    let transaction = store.begin().await.expect("it begins");
    transaction
        .append(append(&account(1), 1, None))
        .await
        .expect("it appends");
    assert_eq!(waits(), 0, "a transaction in which nothing is executed");
    drop(store.begin().await.expect("it begins"));
    assert_eq!(waits(), 0);
    assert_eq!(store.head().await.expect("a head").get(), 4);
}
