//! A process that begins while a projection is paused or has stopped: how far it is stands in the store, and
//! the process knows it from there.

use std::time::Duration;

use cqrs_core::app::{SubscriptionHealth, SubscriptionState};
use cqrs_core::error::QueryErrorKind;
use cqrs_core::prelude::*;

use crate::support::stores::on_each_twice;

/// Rooms that are let and cleaned.
mod lodge {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// The room whose projection fails.
    pub const LOCKED: u32 = 13;

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct LetRoom {
        pub room: u32,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct CleanRoom {
        pub room: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "room-let", version = 1)]
    pub struct RoomLet {
        #[id("room")]
        pub room: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "room-cleaned", version = 1)]
    pub struct RoomCleaned {
        #[id("room")]
        pub room: u32,
    }

    #[command_handler]
    fn let_room(LetRoom { room }: LetRoom) -> RoomLet {
        RoomLet { room }
    }

    #[command_handler]
    fn clean_room(CleanRoom { room }: CleanRoom) -> RoomCleaned {
        RoomCleaned { room }
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Room {
        #[key]
        pub room: u32,
        pub times_let: u32,
    }

    pub struct Keys;

    /// Of the events of rooms that are cleaned, it has none.
    #[projection(name = "keys", version = 1, partition = "room")]
    impl Keys {
        #[on]
        fn was_let(event: &RoomLet, rooms: &mut Views<Room>) -> Result<()> {
            if event.room == LOCKED {
                return Err(Error::message("its lock is broken"));
            }
            let room = event.room;
            let first = || Room { room, times_let: 1 };
            rooms.upsert(&room, first, |it| it.times_let += 1)
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32)]
    pub struct TimesLet {
        pub room: u32,
    }

    #[query_handler]
    async fn times_let(query: TimesLet, rooms: Read<Room>) -> Result<u32> {
        Ok(rooms.get(&query.room).await?.map_or(0, |it| it.times_let))
    }
}

use lodge::{CleanRoom, LOCKED, LetRoom, TimesLet};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

const NAME: &str = "keys";

async fn let_room(app: &Dispatcher, room: u32) -> Receipt {
    app.execute(LetRoom { room }).await.expect("is let")
}

async fn clean_room(app: &Dispatcher, room: u32) -> Receipt {
    app.execute(CleanRoom { room }).await.expect("is cleaned")
}

/// The answer once the events of the command are in it.
async fn times_let(app: &Dispatcher, room: u32, after: &Receipt) -> Result<u32, String> {
    let answer = app.query(TimesLet { room }).after(after).max_wait(LONG);
    answer.await.map_err(|error| {
        let QueryErrorKind::NotCaughtUp(behind) = error.kind() else {
            panic!("{error:?}");
        };
        assert_ne!(behind.paused.is_some(), behind.stopped.is_some());
        error.to_string()
    })
}

async fn listed(app: &Dispatcher) -> SubscriptionHealth {
    let all = app.subscriptions().list().await.expect("is read");
    let [status] = <[_; 1]>::try_from(all).expect("one projection");
    status.health
}

async fn pause(app: &Dispatcher) {
    let paused = app.subscriptions().pause(NAME, "maintenance").await;
    paused.expect("is paused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_begins_during_a_pause_knows_what_was_handled() {
    on_each_twice(lodge::module(), |[first, second]| async move {
        let app = first.build().await.expect("builds");
        let was_let = let_room(&app, 1).await;
        // None of its events: the stored checkpoint stays before it.
        let cleaned = clean_room(&app, 1).await;
        app.wait_until_idle(LONG).await.expect("comes to rest");
        pause(&app).await;

        let later = second.build().await.expect("builds");
        let health = listed(&later).await;
        assert!(
            matches!(health.state, SubscriptionState::Paused { .. }),
            "{health:?}"
        );
        assert!(health.position >= was_let.last(), "{health:?}");
        for receipt in [&was_let, &cleaned] {
            assert_eq!(times_let(&later, 1, receipt).await, Ok(1));
        }
        let waiting = let_room(&later, 1).await;
        let error = times_let(&later, 1, &waiting).await.expect_err("is paused");
        let expected = format!(
            "projection `keys` is paused at position {} and will not reach {} until it is resumed: \
             maintenance",
            cleaned.last(),
            waiting.last()
        );
        assert_eq!(error, expected);
        // The first process, too: it has given up the shard.
        assert_eq!(times_let(&app, 1, &cleaned).await, Ok(1));
        assert_eq!(times_let(&app, 1, &waiting).await, Err(expected));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_division_during_a_pause_changes_nothing_about_what_was_handled() {
    on_each_twice(lodge::module(), |[first, second]| async move {
        let app = first.build().await.expect("builds");
        let other = second.build().await.expect("builds");
        let mut receipts = Vec::new();
        for room in 0..12 {
            receipts.push(let_room(&app, room).await);
        }
        let cleaned = clean_room(&app, 1).await;
        app.wait_until_idle(LONG).await.expect("comes to rest");
        pause(&app).await;
        let divided = app.subscriptions().divide(NAME, 4).await;
        divided.expect("is divided");
        for app in [&app, &other] {
            // Of a division, other processes learn with their next sign of life.
            while listed(app).await.shards.len() != 4 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            for (room, receipt) in (0..).zip(&receipts) {
                assert_eq!(times_let(app, room, receipt).await, Ok(1));
            }
            let all = app.query(TimesLet { room: 1 });
            let answer = all.after_position(cleaned.last()).max_wait(LONG).await;
            assert_eq!(answer.expect("has all events"), 1);
            let health = listed(app).await;
            assert!(
                matches!(health.state, SubscriptionState::Paused { .. }),
                "{health:?}"
            );
            assert_eq!(health.position, cleaned.last());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_begins_after_a_stop_knows_what_was_handled() {
    on_each_twice(lodge::module(), |[first, second]| async move {
        let app = first
            .retry_for(Duration::ZERO)
            .build()
            .await
            .expect("builds");
        let was_let = let_room(&app, 1).await;
        let failed = let_room(&app, LOCKED).await;
        let error = times_let(&app, 1, &failed).await.expect_err("has stopped");
        let later = second.build().await.expect("builds");
        let health = listed(&later).await;
        assert!(
            matches!(health.state, SubscriptionState::Stopped { .. }),
            "{health:?}"
        );
        assert_eq!(health.position, was_let.last());
        assert_eq!(times_let(&later, 1, &was_let).await, Ok(1));
        assert_eq!(times_let(&later, 1, &failed).await, Err(error));
    })
    .await;
}
