//! The plans of PostgreSQL for reads by tag and by type: a connection keeps the plan that it has made for the first
//! read, perhaps of an empty log.

use cqrs_conformance::StoreFixture;
use cqrs_postgres::Options;
use tokio_postgres::Client;

use crate::support::postgres::Schema;

/// The settings of the store's sessions that concern plans.
const SETTINGS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
                        SET enable_hashjoin = off; SET enable_mergejoin = off; \
                        SET max_parallel_workers_per_gather = 0; SET jit = off";

/// Reads of events with a tag, with the parameters of a plan that fits all.
const READS: &[(&str, &str)] = &[
    (
        include_str!("../../adapters/postgres/src/sql/read_tagged.sql"),
        "0, 10, 10, 'a:1', NULL",
    ),
    (
        include_str!("../../adapters/postgres/src/sql/read_to_fold.sql"),
        "0, 10, 10, 'a:1', NULL",
    ),
    (
        include_str!("../../adapters/postgres/src/sql/read_type_to_fold.sql"),
        "0, 10, 10, 'a:1', 'noted'",
    ),
];

/// A log in which one tag has everything, so that a scan of its whole range looks as good as the index.
const FILL: &str = "INSERT INTO cqrs.events \
                    SELECT n, gen_random_uuid(), 'noted', 1, NULL, 0, NULL, gen_random_uuid(), \
                    NULL, NULL, '{}', 'a:1', 0 FROM generate_series(1, 5000) AS n; \
                    UPDATE cqrs.head SET position = 5000; ANALYZE cqrs.events";

async fn plan(client: &Client, schema: &Schema, read: &str, params: &str) -> String {
    let read = read.replace("cqrs.", &format!("{}.", schema.name()));
    let explain = format!(
        "DEALLOCATE ALL; PREPARE read AS {read}; EXPLAIN (COSTS OFF) EXECUTE read ({params})"
    );
    let answer = client.simple_query(&explain).await.expect("is explained");
    let lines = answer.iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

async fn assert_by_tag(client: &Client, schema: &Schema) {
    for (read, params) in READS {
        let plan = plan(client, schema, read, params).await;
        assert!(plan.contains("Index Scan using events_by_tag"), "{plan}");
        assert!(plan.contains("Merge Append"), "{plan}");
        // Further tags are found in their own table first.
        assert!(plan.contains("using event_tags_pkey"), "{plan}");
        for costly in ["Seq Scan", "->  Sort", "Bitmap", "Materialize"] {
            assert!(!plan.contains(costly), "{costly} in {plan}");
        }
    }
}

/// The events come from their key, block by block: nothing but the blocks is sorted.
async fn assert_by_block(client: &Client, schema: &Schema) {
    let read = include_str!("../../adapters/postgres/src/sql/read_typed.sql");
    let plan = plan(client, schema, read, "0, 10, 10, ARRAY['noted']").await;
    assert!(plan.contains("using type_blocks_pkey"), "{plan}");
    assert!(
        plan.contains("Index Scan using events_pkey on events\n"),
        "{plan}"
    );
    assert_eq!(plan.matches("Sort Key").count(), 1, "{plan}");
    assert!(plan.contains("Sort Key: blocks.block"), "{plan}");
    for other in ["Seq Scan", "Bitmap", "Hash", "Merge Join", "Gather"] {
        assert!(!plan.contains(other), "{other} in {plan}");
    }
}

#[tokio::test]
async fn events_are_read_by_an_index_and_in_order() {
    let name = "events_are_read_by_an_index_and_in_order";
    let Some(schema) = Schema::fresh(name, Options::default()) else {
        return;
    };
    drop(schema.open().await);
    let client = schema.client().await;
    client.batch_execute(SETTINGS).await.expect("is set");
    assert_by_tag(&client, &schema).await;
    assert_by_block(&client, &schema).await;
    let fill = FILL.replace("cqrs.", &format!("{}.", schema.name()));
    client.batch_execute(&fill).await.expect("is filled");
    assert_by_tag(&client, &schema).await;
    assert_by_block(&client, &schema).await;
}
