//! Handlers that drop what is prepared on their connections.

use cqrs_conformance::StoreFixture as _;
use cqrs_core::store::{EventLogExt as _, HasReader as _, LogTransaction as _, Transactional as _};
use cqrs_postgres::{Postgres, Transaction};

use crate::outage::writer::{account, append};
use crate::support::postgres::Schema;

const SELECT: &str = "SELECT $1::bigint";

async fn store(test: &str) -> Option<(Schema, Postgres)> {
    let schema = Schema::fresh(test, Postgres::options().pool_size(1))?;
    let store = schema.open().await;
    Some((schema, store))
}

/// A transaction that has used its connection.
async fn begin(store: &Postgres) -> Transaction {
    let transaction = store.begin().await.expect("it begins");
    let row = transaction.query_one(SELECT, &[&1_i64]).await;
    assert_eq!(row.expect("a row").get::<_, i64>(0), 1);
    transaction
}

async fn commit(transaction: Transaction) {
    let appended = transaction.append(append(&account(1), 1, None)).await;
    appended.expect("it appends");
}

#[tokio::test]
async fn a_handler_may_drop_what_is_prepared() {
    let Some((_schema, store)) = store("a_handler_may_drop_what_is_prepared").await else {
        return;
    };
    let mut appended = 0;
    for drop_all in [
        "DEALLOCATE ALL",
        "deallocate all",
        "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$",
    ] {
        for is_script in [true, false] {
            // With and without the lock of the head.
            for _ in 0..3 {
                commit(begin(&store).await).await;
            }
            let transaction = begin(&store).await;
            if is_script {
                let dropped = transaction.batch_execute(drop_all).await;
                dropped.expect("it drops them");
            } else {
                let dropped = transaction.execute(drop_all, &[]).await;
                dropped.expect("it drops them");
            }
            let row = transaction.query_one(SELECT, &[&2_i64]).await;
            assert_eq!(row.expect("a row").get::<_, i64>(0), 2);
            commit(transaction).await;
            appended += 4;
        }
    }
    commit(begin(&store).await).await;
    assert_eq!(store.head().await.expect("a head").get(), appended + 1);
}

#[tokio::test]
async fn a_query_may_drop_what_is_prepared() {
    let Some((_schema, store)) = store("a_query_may_drop_what_is_prepared").await else {
        return;
    };
    for _ in 0..2 {
        let reader = store.reader();
        for number in 0..2_i64 {
            let row = reader.query_one(SELECT, &[&number]).await;
            assert_eq!(row.expect("a row").get::<_, i64>(0), number);
            let dropped = reader.query("DEALLOCATE ALL", &[]).await;
            dropped.expect("it drops them");
        }
    }
}

/// The client does not see the word. What follows in the transaction fails, and nothing else does.
#[tokio::test]
async fn only_its_own_transaction_fails_if_a_function_drops_what_is_prepared() {
    let test = "only_its_own_transaction_fails_if_a_function_drops_what_is_prepared";
    let Some((_schema, store)) = store(test).await else {
        return;
    };
    for _ in 0..3 {
        commit(begin(&store).await).await;
    }
    let transaction = begin(&store).await;
    let dropped = transaction
        .batch_execute("DO $$ BEGIN EXECUTE 'DEALLO' || 'CATE ALL'; END $$")
        .await;
    dropped.expect("it drops them");
    let failed = transaction.append(append(&account(1), 1, None)).await;
    failed.expect_err("its statement is gone");
    commit(begin(&store).await).await;
}
