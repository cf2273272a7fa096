//! Events that change no view and no instance: that they are handled is known in every process.

use std::time::Duration;

use cqrs_core::app::Builder;
use cqrs_core::error::QueryError;
use cqrs_core::prelude::*;

use crate::support::stores::on_each_twice;

/// Guests, of whom only those who are loud are noticed.
mod guests {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct EnterHall {
        pub guest: u32,
        pub is_loud: bool,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct LeaveHall {
        pub guest: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "hall-entered", version = 1)]
    pub struct Entered {
        #[id("guest")]
        pub guest: u32,
        pub is_loud: bool,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "hall-left", version = 1)]
    pub struct Left {
        #[id("guest")]
        pub guest: u32,
    }

    #[command_handler]
    fn enter(EnterHall { guest, is_loud }: EnterHall) -> Entered {
        Entered { guest, is_loud }
    }

    #[command_handler]
    fn leave(LeaveHall { guest }: LeaveHall) -> Left {
        Left { guest }
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    #[read_model(name = "loud_guest")]
    pub struct Guest {
        #[key]
        pub id: u32,
    }

    pub struct Guests;

    #[projection(name = "loud-guests", version = 1)]
    impl Guests {
        #[on]
        fn entered(event: &Entered, guests: &mut Views<Guest>) {
            if event.is_loud {
                guests.put(Guest { id: event.guest });
            }
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(name = "NoticedGuests", returns = usize)]
    pub struct Noticed;

    #[query_handler]
    async fn noticed(_: Noticed, guests: Read<Guest>) -> Result<usize> {
        Ok(guests.find().all().await?.len())
    }

    #[derive(Debug, Default, Serialize, Deserialize)]
    pub struct Evening;

    #[process_manager(name = "evenings", id("guest" = u32))]
    impl Evening {
        #[start]
        fn entered(&mut self, _: &Entered) {}

        #[on]
        fn left(&mut self, _: &Left) -> End {
            End
        }
    }
}

use guests::{EnterHall, Evening, LeaveHall, Noticed};

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(30);

async fn build([first, second]: [Builder; 2]) -> [Dispatcher; 2] {
    let build = async |builder: Builder| {
        let builder = builder.stuck_after(Duration::from_millis(200));
        builder.max_wait(LONG).build().await.expect("builds")
    };
    [build(first).await, build(second).await]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_need_not_wait_in_any_process_for_an_event_that_changes_no_view() {
    on_each_twice(guests::module(), async |builders| {
        let apps = build(builders).await;
        for (guest, is_loud) in [(1, true), (2, false), (3, false)] {
            let entered = apps[0].execute(EnterHall { guest, is_loud }).await;
            let receipt = entered.expect("enters");
            for app in &apps {
                let noticed: Result<usize, QueryError> = app.query(Noticed).after(&receipt).await;
                assert_eq!(noticed.expect("answers"), 1, "{guest}");
            }
        }
        for app in &apps {
            assert!(app.health().is_ok(), "{:?}", app.health());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_knows_that_an_event_without_an_instance_is_handled() {
    on_each_twice(guests::module(), async |builders| {
        let apps = build(builders).await;
        for guest in 1..4 {
            apps[0].execute(LeaveHall { guest }).await.expect("leaves");
            for app in &apps {
                app.wait_until_idle(LONG).await.expect("comes to rest");
                let evening = app.process::<Evening>(&guest);
                assert_eq!(evening.late().await.expect("is read"), 1, "{guest}");
            }
        }
        for app in &apps {
            assert!(app.health().is_ok(), "{:?}", app.health());
        }
    })
    .await;
}

/// A process that was not asked for a while knows as little of the position as it needs.
#[tokio::test(flavor = "multi_thread")]
async fn every_process_counts_events_that_no_step_has_handled() {
    on_each_twice(guests::module(), async |builders| {
        let apps = build(builders).await;
        let guest = 7;
        apps[0].execute(LeaveHall { guest }).await.expect("leaves");
        let enter = EnterHall {
            guest,
            is_loud: true,
        };
        apps[0].execute(enter).await.expect("enters");
        apps[0]
            .execute(LeaveHall { guest: 8 })
            .await
            .expect("leaves");
        apps[0].wait_until_idle(LONG).await.expect("comes to rest");
        for app in &apps {
            for guest in [7, 8] {
                let evening = app.process::<Evening>(&guest);
                assert_eq!(evening.late().await.expect("is read"), 1, "{guest}");
            }
        }
    })
    .await;
}
