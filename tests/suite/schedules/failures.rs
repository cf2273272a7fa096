//! Commands that are rejected, that fail, or that their actor may not send any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use cqrs_core::app::{AccessRequest, Builder, ScheduleState, SubscriptionState};
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;
use cqrs_core::{Authorizer, HeldPermissions};

use super::notes::{self, Remind, TORN};
use super::{LIMIT, WORKER, count, idle, names, scheduled};
use crate::support::stores::on_each_with;
use notices::Announce;

/// For those who may.
mod notices {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    #[command(permission = "notices:announce")]
    pub struct Announce {
        pub notice: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "announced", version = 1)]
    pub struct Announced {
        pub notice: u32,
        pub may_shout: bool,
    }

    #[command_handler]
    fn announce(Announce { notice }: Announce, context: &Context) -> Announced {
        let actor = context.actor();
        let may_shout = actor.is_some_and(|actor| actor.holds("notices:shout"));
        Announced { notice, may_shout }
    }
}

fn impatient(builder: Builder) -> Builder {
    builder.schedules().retry_for(Duration::ZERO)
}

/// Waits until no command is parked. The health of the worker tells that, and has no signal of its own.
async fn until_unparked(app: &Dispatcher) {
    let unparked = async {
        let subscriptions = app.subscriptions();
        while !subscriptions
            .parked(WORKER)
            .await
            .expect("reads")
            .is_empty()
        {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(LIMIT, unparked).await;
    in_time.expect("is released");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_is_recorded() {
    on_each_with(notes::module(), impatient, async |app| {
        let call = app.schedule(Remind::of(3_000)).at(Timestamp::UNIX_EPOCH);
        let id = call.await.expect("is scheduled");
        idle(&app).await;
        let reason = "nobody reads note 3000".to_owned();
        let state = scheduled(&app, id).await.state;
        assert_eq!(state, ScheduleState::Rejected(reason));
        let names = names(&app).await;
        assert_eq!(
            names.last().expect("some"),
            "process:scheduled-commands:rejected"
        );
        assert!(app.health().is_ok(), "nobody has to do anything");
        // These events are no types that the program lacks, also without schedules.
        let again = Dispatcher::builder()
            .module(notes::module())
            .stores_of(&app);
        let again = again.build().await.expect("builds");
        let warnings = again.warnings();
        assert!(warnings.is_empty(), "{warnings:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_is_parked_alone_and_sent_once_it_is_released() {
    let stores = AtomicU32::new(0);
    on_each_with(notes::module(), impatient, async |app| {
        let note = 5_001 + stores.fetch_add(1, Ordering::SeqCst);
        TORN.lock().expect("no panic").insert(note);
        let at_once = Timestamp::UNIX_EPOCH;
        let torn = app.schedule(Remind::of(note)).at(at_once).await;
        let torn = torn.expect("is scheduled");
        let other = app.schedule(Remind::of(1)).at(at_once).await;
        let other = other.expect("is scheduled");
        idle(&app).await;
        assert_eq!(scheduled(&app, other).await.state, ScheduleState::Done);
        assert_eq!(scheduled(&app, torn).await.state, ScheduleState::Due);
        let parked = app.subscriptions().parked(WORKER).await.expect("reads");
        let [parked] = &parked[..] else {
            panic!("{parked:?}");
        };
        assert_eq!(parked.key, torn.to_string());
        let cause = &parked.cause;
        assert!(
            cause.contains("`Remind`") && cause.contains("the note is torn"),
            "{cause}"
        );
        let health = app.health();
        let own = health.subscriptions.iter().find(|it| it.name == WORKER);
        let state = &own.expect("it is there").state;
        assert_eq!(*state, SubscriptionState::Parked { keys: 1 });

        TORN.lock().expect("no panic").remove(&note);
        let released = app.subscriptions().release(WORKER, torn).await;
        released.expect("releases");
        until_unparked(&app).await;
        idle(&app).await;
        assert_eq!(scheduled(&app, torn).await.state, ScheduleState::Done);
        assert_eq!(count(&app, "reminded").await, 2);
    })
    .await;
}

/// Admits those who hold a permission, until nobody is admitted any more.
#[derive(Clone, Default)]
struct Revocable(Arc<AtomicBool>);

impl Authorizer for Revocable {
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String> {
        if self.0.load(Ordering::SeqCst) {
            return Err("the office is closed".to_owned());
        }
        HeldPermissions.authorize(request)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_sent_by_the_actor_who_has_scheduled_it() {
    let office = Revocable::default();
    let with = |builder| impatient(builder).authorizer(office.clone());
    on_each_with(notices::module(), with, async |app| {
        office.0.store(false, Ordering::SeqCst);
        let at_once = Timestamp::UNIX_EPOCH;
        let announce = || app.schedule(Announce { notice: 1 }).at(at_once);
        let denied = announce().actor(Actor::new("bob")).await;
        assert!(matches!(denied, Err(CommandError::Denied(_))), "{denied:?}");
        assert_eq!(names(&app).await.len(), 0);
        let actor = Actor::new("alice")
            .with("notices:announce")
            .with("notices:shout");
        let id = announce().actor(actor.clone()).await.expect("is scheduled");
        idle(&app).await;
        let events = app.events(EventQuery::All).all().await.expect("reads");
        let announced = events.last().expect("some");
        assert_eq!(announced.meta.actor.as_deref(), Some("alice"));
        assert_eq!(announced.data.json()["may_shout"], true);
        assert_eq!(scheduled(&app, id).await.actor.as_deref(), Some("alice"));

        // Who may not send a command may not cancel it.
        let later = app.schedule(Announce { notice: 2 }).after(super::HOUR);
        let later = later.actor(actor.clone()).await.expect("is scheduled");
        let denied = app.cancel(later).actor(Actor::new("bob")).await;
        assert!(matches!(denied, Err(CommandError::Denied(_))), "{denied:?}");
        assert!(
            app.cancel(later)
                .actor(actor.clone())
                .await
                .expect("cancels")
        );

        let paused = app.subscriptions().pause(WORKER, "for a while").await;
        paused.expect("pauses");
        let id = announce().actor(actor).await.expect("is scheduled");
        office.0.store(true, Ordering::SeqCst);
        app.subscriptions().resume(WORKER).await.expect("resumes");
        idle(&app).await;
        assert_eq!(scheduled(&app, id).await.state, ScheduleState::Due);
        let parked = app.subscriptions().parked(WORKER).await.expect("reads");
        assert!(
            parked[0].cause.contains("the office is closed"),
            "{parked:?}"
        );
    })
    .await;
}
