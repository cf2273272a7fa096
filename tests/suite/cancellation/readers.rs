//! Query handlers at random: they read, fail, change settings, panic and are dropped, while connections are lost.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use cqrs_core::store::HasReader as _;
use cqrs_postgres::SqlError;
use futures_util::FutureExt as _;
use tokio::task::yield_now;

use super::{Scene, poll_times};
use crate::support::race;

const READERS: usize = 6;
const ROUNDS: i64 = 40;

/// A setting of the session and the statement that a handler changes it with.
const SETTINGS: [(&str, &str); 6] = [
    ("search_path", "SET search_path = pg_catalog"),
    ("statement_timeout", "SET statement_timeout = '7ms'"),
    ("role", "SET ROLE pg_monitor"),
    (
        "transaction_isolation",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
    ),
    (
        "transaction_read_only",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    ),
    ("work_mem", "SELECT set_config('work_mem', '77kB', false)"),
];

/// What the readers share with the task that writes.
struct Shared {
    scene: Scene,
    /// What each setting is by default.
    defaults: Vec<String>,
    /// The last number that is known to be committed.
    counted: AtomicI64,
    /// Connections have been ended, so any statement may fail.
    is_rough: AtomicBool,
}

/// The message of each panic.
const PANIC: &str = "of the test";

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn no_reader_has_a_snapshot_or_settings_of_another_one() {
    let test = "no_reader_has_a_snapshot_or_settings_of_another_one";
    let Some(scene) = Scene::start(test).await else {
        return;
    };
    let mut defaults = Vec::new();
    for (setting, _) in SETTINGS {
        let reader = scene.store.reader();
        let shown = reader.query_one(&format!("SHOW {setting}"), &[]).await;
        defaults.push(shown.expect("a row").get(0));
    }
    let shared = Arc::new(Shared {
        scene,
        defaults,
        counted: AtomicI64::new(0),
        is_rough: AtomicBool::new(false),
    });
    race(READERS + 1, |task| {
        let shared = shared.clone();
        async move {
            for round in 1..=ROUNDS {
                if task == READERS {
                    shared.write(round).await;
                } else {
                    shared.read_or_drop().await;
                }
            }
        }
    })
    .await;
    let scene = &shared.scene;
    scene.nothing_is_open().await;
    assert_eq!(scene.read().await, ROUNDS);
    scene.nothing_is_open().await;
}

impl Shared {
    /// Writes a number, and ends connections at times.
    async fn write(&self, n: i64) {
        self.scene.count(n).await;
        self.counted.store(n, Ordering::SeqCst);
        if n % 8 == 0 {
            self.is_rough.store(true, Ordering::SeqCst);
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                       WHERE application_name = $1 ORDER BY random() LIMIT 1";
            let name = self.scene.schema.name();
            let ended = self.scene.client.query(end, &[&name]).await;
            ended.expect("an answer");
        }
    }

    /// Reads, and drops the reader before it is done at times.
    async fn read_or_drop(&self) {
        let is_dropped = fastrand::bool();
        let polls = if is_dropped {
            fastrand::usize(1..12)
        } else {
            usize::MAX
        };
        let read = AssertUnwindSafe(self.read()).catch_unwind();
        if let Some(Err(panic)) = poll_times(read, polls).await
            && panic.downcast_ref() != Some(&PANIC)
        {
            resume_unwind(panic);
        }
    }

    async fn read(&self) {
        let reader = self.scene.store.reader();
        let select = self.scene.select();
        let counted = self.counted.load(Ordering::SeqCst);
        let first = match reader.query_one(&select, &[]).await {
            Ok(row) => row.get::<_, i64>(0),
            Err(error) => return self.may_fail(&error),
        };
        assert!(first >= counted, "{first} is older than {counted}");
        for _ in 0..fastrand::u8(..4) {
            let place = fastrand::usize(..SETTINGS.len());
            let (setting, change) = SETTINGS[place];
            // After these, the reader is dropped.
            let last: &[&str] = match fastrand::u8(..8) {
                0 => resume_unwind(Box::new(PANIC)),
                1 => &["SELECT 1 / 0"],
                2 => &[change],
                3 => &["SET statement_timeout = '3ms'", "SELECT pg_sleep(1)"],
                4 => {
                    match reader.query_one(&format!("SHOW {setting}"), &[]).await {
                        Ok(row) => assert_eq!(row.get::<_, &str>(0), self.defaults[place]),
                        Err(error) => self.may_fail(&error),
                    }
                    continue;
                }
                5 => {
                    yield_now().await;
                    continue;
                }
                _ => {
                    match reader.query_one(&select, &[]).await {
                        Ok(row) => assert_eq!(row.get::<_, i64>(0), first, "one snapshot"),
                        Err(error) => self.may_fail(&error),
                    }
                    continue;
                }
            };
            for statement in last {
                // Some fail, which is no matter.
                let _ = reader.query(statement, &[]).await;
            }
            return;
        }
    }

    fn may_fail(&self, error: &SqlError) {
        assert!(self.is_rough.load(Ordering::SeqCst), "{error}");
    }
}
