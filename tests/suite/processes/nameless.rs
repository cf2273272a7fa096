//! An instance with an empty id, which is an id like any other.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cqrs_core::app::Builder;

use super::{idle, names};
use crate::support::parked::{parked, until_parked};
use crate::support::stores::on_each_with;

mod guests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// Whether no guest is welcomed for now.
    pub static IS_CLOSED: AtomicBool = AtomicBool::new(false);

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Invite {
        pub guests: Vec<String>,
    }

    #[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct Welcome {
        pub guest: String,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "guests-invited", version = 1)]
    pub struct Invited {
        #[id("guest", each)]
        pub guests: Vec<String>,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "guest-welcomed", version = 1)]
    pub struct Welcomed {
        #[id("guest")]
        pub guest: String,
    }

    #[command_handler]
    fn invite(Invite { guests }: Invite) -> Invited {
        Invited { guests }
    }

    #[command_handler]
    fn welcome(Welcome { guest }: Welcome) -> Welcomed {
        Welcomed { guest }
    }

    #[derive(Default, Debug, PartialEq, Serialize, Deserialize)]
    pub struct Visit {
        pub is_welcome: bool,
    }

    #[process_manager(name = "guest-visits", id("guest" = String))]
    impl Visit {
        #[expect(clippy::ptr_arg, reason = "an id may be any type")]
        #[start]
        fn invited(&mut self, _: &Invited, id: &String) -> Result<Welcome, Rejected> {
            let is_closed = IS_CLOSED.load(Ordering::SeqCst) && id.is_empty();
            ensure!(!is_closed, "the house is closed");
            Ok(Welcome { guest: id.clone() })
        }

        #[on]
        fn welcomed(&mut self, _: &Welcomed) -> End {
            self.is_welcome = true;
            End
        }
    }
}

use guests::{IS_CLOSED, Invite, Visit};

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_with_an_empty_id_is_one_like_any_other() {
    let impatient = |builder: Builder| builder.retry_for(Duration::ZERO);
    on_each_with(guests::module(), impatient, async |app| {
        IS_CLOSED.store(true, Ordering::SeqCst);
        let all = ["", "anna"].map(str::to_owned);
        let guests = all.to_vec();
        app.execute(Invite { guests }).await.expect("is recorded");
        until_parked(&app, "guest-visits", 1).await;
        let parked = parked(&app, "guest-visits").await;
        assert_eq!(parked[0].key, "");

        IS_CLOSED.store(false, Ordering::SeqCst);
        let released = app.subscriptions().release("guest-visits", "").await;
        released.expect("is released");
        idle(&app).await;
        let welcomed = ["guests-invited", "guest-welcomed", "guest-welcomed"];
        assert_eq!(names(&app).await, welcomed);
        for guest in all {
            let visit = app.process::<Visit>(&guest).await.expect("reads");
            let visit = visit.unwrap_or_else(|| panic!("`{guest}` has begun"));
            assert!(visit.state.is_welcome && visit.ended.is_some());
        }
    })
    .await;
}
