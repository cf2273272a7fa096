//! Views are built again while somebody uses the tables that they are to replace.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cqrs_conformance::StoreFixture;
use cqrs_core::app::Builder;
use cqrs_core::store::{
    BoxFuture, ProjectionVersion, Replacement, ReplacementOutcome, StoreError, VersionChange,
    VersionRemoval, VersionStore, ViewCapabilities,
};
use cqrs_core::{Dispatcher, Memory};
use cqrs_postgres::Postgres;
use tokio::time::{Instant, timeout};

use super::programs::points::Score;
use super::programs::{NAME, first, points, repaired};
use crate::support::decorated::{Decorated, Hooks};
use crate::support::postgres::Schema;

/// Time that no test needs.
const LIMIT: Duration = Duration::from_secs(60);

/// Number of attempts to replace the tables that fail, since somebody reads them.
const REFUSALS: usize = 7;

/// A store whose tables are in use.
struct InUse {
    store: Memory,
    attempts: Arc<Mutex<Vec<Instant>>>,
}

impl Hooks<Memory> for InUse {
    fn view_capabilities<'a>(&'a self, capabilities: ViewCapabilities<'a>) -> ViewCapabilities<'a> {
        capabilities.versions(self)
    }
}

impl VersionStore for InUse {
    fn versions(&self, of: String) -> BoxFuture<'_, Result<Vec<ProjectionVersion>, StoreError>> {
        self.store.versions(of)
    }

    fn change_versions(
        &self,
        change: VersionChange,
    ) -> BoxFuture<'_, Result<Vec<ProjectionVersion>, StoreError>> {
        self.store.change_versions(change)
    }

    fn remove_version(&self, removal: VersionRemoval) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.store.remove_version(removal)
    }

    fn replace_views(
        &self,
        replacement: Replacement,
    ) -> BoxFuture<'_, Result<ReplacementOutcome, StoreError>> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.push(Instant::now());
        if attempts.len() > REFUSALS {
            return self.store.replace_views(replacement);
        }
        Box::pin(async { Ok(ReplacementOutcome::InUse) })
    }
}

/// The program before its fold was repaired makes a view, and ends.
async fn fill(builder: Builder) {
    let builder = builder.module(points::module()).module(first::module());
    let app = builder.build().await.expect("builds");
    let score = Score {
        player: 3,
        points: 1,
    };
    app.execute(score).await.expect("is carried out");
    // A shutdown leaves what this process has not begun to handle to another one.
    app.wait_until_idle(LIMIT).await.expect("comes to rest");
    app.shutdown(LIMIT).await.expect("ends");
}

async fn repaired(builder: Builder) -> Dispatcher {
    let builder = builder.module(points::module()).module(repaired::module());
    builder.build().await.expect("builds")
}

/// Builds the views again.
async fn rebuild(app: &Dispatcher) {
    let mut rebuild = app.subscriptions().rebuild(NAME).await.expect("begins");
    while let Some(progress) = rebuild.next().await {
        progress.expect("nothing fails");
    }
}

async fn points_of(app: &Dispatcher) -> u64 {
    let of = repaired::PointsOf { player: 3 };
    app.query(of).await.expect("it is answered meanwhile")
}

/// On PostgreSQL, all queries wait during an attempt. A backup reads a table for hours.
#[tokio::test(start_paused = true)]
async fn tables_that_are_in_use_are_locked_ever_more_rarely() {
    let memory = Memory::new();
    fill(Dispatcher::builder().store(memory.clone())).await;
    let attempts = Arc::default();
    let hooks = InUse {
        store: memory.clone(),
        attempts: Arc::clone(&attempts),
    };
    let store = Arc::new(memory);
    let app = repaired(Dispatcher::builder().store(Decorated { store, hooks })).await;
    rebuild(&app).await;
    assert_eq!(points_of(&app).await, 7);
    let attempts = attempts.lock().unwrap_or_else(PoisonError::into_inner);
    let gaps = attempts.windows(2).map(|two| two[1] - two[0]);
    let expected = [200, 400, 800, 1600, 2000, 2000, 2000].map(Duration::from_millis);
    for (gap, expected) in gaps.zip(expected) {
        // Workers have a pause of their own.
        let latest = expected + Duration::from_millis(50);
        assert!((expected..latest).contains(&gap), "{gap:?}: {attempts:?}");
    }
    assert_eq!(attempts.len(), REFUSALS + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_reads_a_table_is_waited_for_on_postgres() {
    let Some(schema) = Schema::fresh("rebuild_in_use", Postgres::options()) else {
        return;
    };
    fill(Dispatcher::builder().store(schema.open().await)).await;
    let app = repaired(Dispatcher::builder().store(schema.open().await)).await;
    let reader = schema.client().await;
    let find =
        "SELECT relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                WHERE nspname = $1 AND relkind = 'r' AND relname LIKE '%tallies%'";
    let found = reader
        .query(find, &[&schema.name()])
        .await
        .expect("is read");
    let [table] = &found[..] else {
        panic!("{found:?}");
    };
    let table: String = table.get(0);
    let read = format!("BEGIN; SELECT count(*) FROM {}.{table}", schema.name());
    reader.batch_execute(&read).await.expect("is read");
    let is_over = timeout(Duration::from_secs(2), rebuild(&app)).await;
    assert!(is_over.is_err(), "the table is read");
    assert_eq!(points_of(&app).await, 1);
    reader.batch_execute("COMMIT").await.expect("ends");
    timeout(LIMIT, rebuild(&app)).await.expect("in time");
    assert_eq!(points_of(&app).await, 7);
}
