use cqrs_core::store::{Shard, ViewBatch};

use super::client::{commit, load, load_to_fold, open, open_many, prepare, scan};
use super::draft::{batch, cards, delete, put};
use super::specification::everything;
use crate::ViewFixture;
use crate::tasks::race;

/// V3: a load after a commit sees it, even beside many other loads, and each caller gets its own
/// views.
pub async fn v3_a_load_sees_earlier_commits<F: ViewFixture>(fixture: &F) {
    const WRITERS: usize = 16;
    const COMMITS: u64 = 12;
    let store = open(fixture).await;
    let cards = cards();
    prepare(&*store, &cards).await;
    let writers = (0..WRITERS).map(|writer| {
        let (store, cards) = (store.clone(), cards.clone());
        async move {
            let key = format!("card:{writer}");
            for to in 1..=COMMITS {
                let body = format!("{key} at {to}");
                let from = Some(to - 1).filter(|from| *from > 0);
                let batch = ViewBatch {
                    shard: Shard::whole(format!("projection:{writer}")),
                    ..batch(from, to, vec![put(&cards, &key, &body)])
                };
                commit(&*store, batch).await;
                let expected = [Some(body.clone()), None, Some(body)];
                for found in [
                    load_to_fold(&*store, &cards, &[&key, "none", &key]).await,
                    load(&*store, &cards, &[&key, "none", &key]).await,
                ] {
                    assert_eq!(found, expected, "V3: committed before the load");
                }
            }
        }
    });
    race(writers).await;
}

/// V3: after `wait_until_visible`, queries of every process see all earlier commits, by key and in
/// scans; a projection sees them without waiting.
pub async fn v3_visible_commits_are_seen_by_every_process<F: ViewFixture>(fixture: &F) {
    let stores = open_many(fixture, 2).await;
    let cards = cards();
    for store in &stores {
        prepare(&**store, &cards).await;
    }
    for round in 1..=20u64 {
        let (here, there) = match round % 2 {
            0 => (&*stores[0], &*stores[1]),
            _ => (&*stores[1], &*stores[0]),
        };
        let body = round.to_string();
        let gone = (round - 1).to_string();
        let changes = vec![
            put(&cards, "latest", &body),
            put(&cards, &body, &body),
            delete(&cards, &gone),
        ];
        commit(
            here,
            batch(Some(round - 1).filter(|from| *from > 0), round, changes),
        )
        .await;
        let expected = [Some(body.clone()), Some(body.clone()), None];
        let keys = ["latest", &body, &gone];
        let folded = load_to_fold(there, &cards, &keys).await;
        assert_eq!(folded, expected, "V3: seen by a projection elsewhere");
        let loaded = load(there, &cards, &keys).await;
        assert_eq!(loaded, expected, "V3: seen by a query elsewhere");
        let page = scan(there, everything(&cards)).await;
        let found: Vec<_> = page.rows.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(found, [&body, "latest"], "V3: seen by a scan elsewhere");
    }
}
