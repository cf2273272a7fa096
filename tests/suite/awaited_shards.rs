//! Of a projection that is divided into shards, callers who wait for a command wait only for the shards that handle
//! its events: here in the same process, by its bookmark as text in another one, in a session, with the command
//! itself, and in a watch.

use std::time::Duration;

use cqrs_core::Bookmark;
use cqrs_core::app::{Builder, WaitError};
use cqrs_core::error::{NotCaughtUp, QueryError, QueryErrorKind};
use cqrs_core::prelude::*;
use cqrs_core::store::Slices;

use crate::support::stores::on_each_twice;

/// Lamps that are switched.
mod lamps {
    use std::collections::BTreeSet;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// The lamps whose events fail.
    static BROKEN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

    pub fn broken() -> MutexGuard<'static, BTreeSet<u32>> {
        BROKEN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Switch {
        pub lamps: Vec<u32>,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "lamp-switched", version = 1)]
    pub struct LampSwitched {
        #[id("lamp")]
        pub lamp: u32,
    }

    #[command_handler]
    fn switch(Switch { lamps }: Switch) -> Vec<LampSwitched> {
        lamps
            .into_iter()
            .map(|lamp| LampSwitched { lamp })
            .collect()
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Lamp {
        #[key]
        pub id: u32,
        pub switched: u32,
    }

    pub struct Lamps;

    #[projection(name = "lamps", version = 1, partition = "lamp")]
    impl Lamps {
        #[on]
        fn switched(event: &LampSwitched, lamps: &mut Views<Lamp>) -> Result<()> {
            let id = event.lamp;
            if broken().contains(&id) {
                return Err(Error::message("the lamp is broken"));
            }
            lamps.upsert(&id, || Lamp { id, switched: 1 }, |lamp| lamp.switched += 1)
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32)]
    pub struct Switched {
        pub lamp: u32,
    }

    #[query_handler]
    async fn switched(query: Switched, lamps: Read<Lamp>) -> Result<u32> {
        let found = lamps.get(&query.lamp).await?;
        Ok(found.map_or(0, |lamp| lamp.switched))
    }
}

use lamps::{Lamps, Switch, Switched, broken};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

/// Time after which a wait is given up, for one that has no end.
const SHORT: Duration = Duration::from_millis(50);

/// The lamp whose events fail.
const BAD: u32 = 1;

async fn build(builders: [Builder; 2]) -> [Dispatcher; 2] {
    let [first, second] = builders.map(|it| it.retry_for(LONG));
    let apps = [
        first.build().await.expect("builds"),
        second.build().await.expect("builds"),
    ];
    let divided = apps[0].subscriptions().divide("lamps", 4).await;
    divided.expect("is divided");
    apps
}

async fn switch(app: &Dispatcher, lamps: &[u32]) -> Receipt {
    let lamps = lamps.to_vec();
    app.execute(Switch { lamps }).await.expect("is switched")
}

/// The shard of a lamp.
fn shard(lamp: u32) -> u16 {
    Slices::of_tag(&lamp.to_string()) / (Slices::COUNT / 4)
}

/// Lamps of other shards than the bad one's.
fn good_lamps() -> impl Iterator<Item = u32> {
    (BAD + 1..).filter(|lamp| shard(*lamp) != shard(BAD))
}

fn behind<A: std::fmt::Debug>(answer: Result<A, QueryError>) -> NotCaughtUp {
    let error = answer.expect_err("a shard is behind");
    match error.kind() {
        QueryErrorKind::NotCaughtUp(behind) => behind.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_the_shards_of_the_commands_events_are_waited_for() {
    on_each_twice(lamps::module(), |builders| async {
        let apps = build(builders).await;
        let good: Vec<u32> = good_lamps().take(2).collect();
        broken().insert(BAD);
        let bad = switch(&apps[0], &[BAD]).await;
        let receipt = switch(&apps[0], &good).await;
        let text = receipt.bookmark().to_string();
        let bookmark: Bookmark = text.parse().expect("is read");
        for app in &apps {
            let query = Switched { lamp: good[1] };
            assert_eq!(app.query(query.clone()).after(&receipt).await.ok(), Some(1));
            assert_eq!(app.query(query.clone()).after(bookmark).await.ok(), Some(1));

            // One of the bad lamp, whatever else the call waits for.
            let both = app.query(query.clone()).after(&receipt).after(&bad);
            let error = behind(both.max_wait(SHORT).await);
            assert!(
                error.at < bad.last() && error.wanted == receipt.last(),
                "{error:?}"
            );
            behind(app.query(query.clone()).after(&bad).max_wait(SHORT).await);
            // Everything up to a position.
            let all = app.query(query).after_position(receipt.last());
            behind(all.max_wait(SHORT).await);
        }

        let session = apps[1].session();
        for lamp in &good {
            let lamps = vec![*lamp];
            session
                .execute(Switch { lamps })
                .await
                .expect("is switched");
        }
        let query = Switched { lamp: good[0] };
        assert_eq!(session.query(query.clone()).await.ok(), Some(2));
        let text = session.bookmark().to_string();
        let continued = apps[0].session();
        let continued = continued.after(text.parse::<Bookmark>().expect("is read"));
        assert_eq!(continued.query(query).await.ok(), Some(2));
        let lamps = vec![BAD];
        continued
            .execute(Switch { lamps })
            .await
            .expect("is switched");
        let query = Switched { lamp: good[0] };
        behind(continued.query(query).max_wait(SHORT).await);

        let lamps = good.clone();
        let waiting = apps[0].execute(Switch { lamps }).and_wait_for::<Lamps>();
        waiting.await.expect("is shown");
        let lamps = vec![good[0], BAD];
        let waiting = apps[0].execute(Switch { lamps }).and_wait_for::<Lamps>();
        match waiting.max_wait(SHORT).await {
            Err(WaitError::Recorded { receipt, error }) => {
                assert_eq!(receipt.events(), 2);
                behind(Err::<(), _>(error));
            }
            other => panic!("{other:?}"),
        }

        broken().remove(&BAD);
        for app in &apps {
            let answer = app.query(Switched { lamp: BAD }).after(&bad).max_wait(LONG);
            assert!(answer.await.is_ok_and(|switched| switched > 0));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_answer_of_a_watch_claims_no_position_that_a_shard_has_not_reached() {
    on_each_twice(lamps::module(), |builders| async {
        const LAMP: u32 = 1_000;
        let apps = build(builders).await;
        let good = good_lamps().find(|lamp| *lamp > LAMP && shard(*lamp) != shard(LAMP));
        let good = good.expect("there are many");
        broken().insert(LAMP);
        let bad = switch(&apps[0], &[LAMP]).await;
        let receipt = switch(&apps[0], &[good]).await;
        let mut watch = apps[1].watch(Switched { lamp: good }).after(&receipt);
        let first = watch.next().await.expect("runs").expect("answers");
        assert_eq!(first.output, 1);
        assert!(first.position < bad.last(), "{first:?}");
        switch(&apps[0], &[good]).await;
        let second = watch.next().await.expect("runs").expect("answers");
        assert_eq!(second.output, 2);
        assert!(first.position <= second.position && second.position < bad.last());

        broken().remove(&LAMP);
        let resumed = apps[0].watch(Switched { lamp: LAMP });
        let mut resumed = resumed.after_position(receipt.last()).max_wait(LONG);
        let answer = resumed.next().await.expect("runs").expect("answers");
        assert_eq!(answer.output, 1);
        assert!(answer.position >= receipt.last());
    })
    .await;
}
