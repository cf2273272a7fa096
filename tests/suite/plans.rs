//! The plans of PostgreSQL for reads by tag and by type, and for appends at the end of a log that others write: a
//! connection keeps the plan that it has made for the first call, perhaps on an empty log.

use std::future::poll_fn;

use cqrs_conformance::StoreFixture;
use cqrs_postgres::Options;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::{AsyncMessage, Client, NoTls};

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

/// Has each statement explained in a notice, also those inside functions.
const EXPLAINED: &str = "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; \
                         SET auto_explain.log_nested_statements = on; SET auto_explain.log_verbose = on; \
                         SET auto_explain.log_level = notice";

/// Events with several tags, which are in a list.
const WITH_LISTS: &str =
    "UPDATE cqrs.events SET all_tags = '[\"a:1\", \"b:1\"]' WHERE position % 2 = 0";

/// A batch of one request, which is refused because a newer event has its tag: it needs no rows.
const REFUSED: &str = "SELECT left_out::text FROM cqrs.head, cqrs.append_at_end(
    known => $1::text::bigint, known_epoch => head.epoch, known_store => head.store_id, known_last => head.last,
    max_tail => 5000, append_id => gen_random_uuid(), event_counts => '{1}', command_ids => ARRAY[gen_random_uuid()],
    new_events => '{}', new_tags => '{}', new_commands => '{}', command_requests => '{}',
    watched_tags => '{a:1}', watching => '{1}', following => '{}', followed => '{}',
    process => gen_random_uuid(), queueing => '{}', lease_time => '1 s', new_types => '{}')";

/// What tells the two statements that read the newer events, and their lists of tags.
const READ_AT_END: [&str; 2] = ["string_agg(tail.type", "json_array_elements_text(list.tags"];

/// A connection, and the notices that come on it.
async fn with_notices(url: &str) -> (Client, UnboundedReceiver<String>) {
    let (client, mut connection) = tokio_postgres::connect(url, NoTls).await.expect("connects");
    let (sender, notices) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|it| connection.poll_message(it)).await {
            if let AsyncMessage::Notice(notice) = message {
                // Whoever reads them may have seen enough.
                let _ = sender.send(notice.message().to_owned());
            }
        }
    });
    (client, notices)
}

#[tokio::test]
async fn the_end_of_the_log_is_read_once_and_its_tags_are_hashed() {
    let name = "the_end_of_the_log_is_read_once_and_its_tags_are_hashed";
    let Some(schema) = Schema::fresh(name, Options::default()) else {
        return;
    };
    drop(schema.open().await);
    let (client, mut notices) = with_notices(schema.url()).await;
    client.batch_execute(SETTINGS).await.expect("is set");
    let append = REFUSED.replace("cqrs.", &format!("{}.", schema.name()));
    let fill = format!("{FILL}; {WITH_LISTS}").replace("cqrs.", &format!("{}.", schema.name()));
    client.batch_execute(&fill).await.expect("is filled");
    client.batch_execute(EXPLAINED).await.expect("is set");
    // The plan that is made for a tail of one event is kept for one of all.
    for known in ["4999", "0"] {
        let row = client.query_one(&append, &[&known]).await.expect("answers");
        assert_eq!(row.get::<_, &str>(0), "{1}");
    }
    drop(client);
    let mut plans = [0; 2];
    while let Some(notice) = notices.recv().await {
        let read = READ_AT_END.iter().position(|read| notice.contains(read));
        let Some(read) = read else {
            continue;
        };
        plans[read] += 1;
        assert!(notice.contains("hashed SubPlan"), "{notice}");
        assert!(!notice.contains("Join"), "{notice}");
        if read == 0 {
            let scan = "Index Scan using events_pkey on";
            assert!(notice.contains(scan), "{notice}");
        }
    }
    assert_eq!(plans, [2, 2]);
}
