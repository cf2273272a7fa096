//! The log says who did what, and when.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cqrs_core::HeldPermissions;
use cqrs_core::app::Builder;
use cqrs_core::error::QueryErrorKind;
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;

use crate::support::stores::on_each_with;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct RingBell {
    #[id(Bell)]
    pub bell: u32,
    pub softly: bool,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "bell-rung", version = 1)]
pub struct BellRung {
    #[id(Bell)]
    pub bell: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "bell-touched", version = 1)]
pub struct BellTouched {
    #[id(Bell)]
    pub bell: u32,
}

#[derive(Event)]
pub enum Touch {
    Rung(BellRung),
    Touched(BellTouched),
}

#[derive(Default)]
pub struct Bell {
    touches: u32,
}

#[aggregate(id = u32, permission = "bell:read")]
impl Bell {
    #[apply]
    fn rung(&mut self, _: &BellRung) {
        self.touches += 1;
    }

    #[apply]
    fn touched(&mut self, _: &BellTouched) {
        self.touches += 1;
    }
}

#[command_handler]
fn ring(RingBell { bell, softly }: RingBell, _: &Bell) -> Touch {
    if softly {
        Touch::Touched(BellTouched { bell })
    } else {
        Touch::Rung(BellRung { bell })
    }
}

/// A clock that a test sets, in seconds.
#[derive(Clone, Default)]
struct Seconds(Arc<AtomicI64>);

impl Seconds {
    fn set(&self, second: i64) {
        self.0.store(second, Ordering::SeqCst);
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("is a time")
}

/// What was done, one second after the other: by whom, at which bell, and how.
fn deeds() -> Vec<(Option<&'static str>, u32, bool)> {
    let actors = [Some("ann"), Some("bob"), None, Some("ann "), Some("Ann")];
    let deeds = (0..60).map(|n: u32| (actors[n as usize % 5], n % 3, n % 7 < 3));
    deeds.collect()
}

#[tokio::test]
async fn events_are_found_by_actor_time_and_type() {
    let clock = Seconds::default();
    let with = |builder: Builder| {
        let clock = clock.clone();
        let builder = builder.clock(move || at(clock.0.load(Ordering::SeqCst)));
        let builder = builder.authorizer(HeldPermissions);
        builder.log_permission("log:read")
    };
    on_each_with(module(), with, |app| async {
        let app = app;
        for (second, (actor, bell, softly)) in (100..).zip(deeds()) {
            clock.set(second);
            let ringing = app.execute(RingBell { bell, softly });
            let rung = match actor {
                Some(actor) => ringing.actor(Actor::new(actor)).await,
                None => ringing.await,
            };
            rung.expect("is done");
        }
        let auditor = || Actor::new("kim").with("log:read").with("bell:read");
        for by in ["ann", "bob", "ann ", "Ann", "nobody"] {
            for (since, until) in [(0, 500), (100, 159), (117, 140), (118, 118), (160, 500)] {
                for of_bell in [None, Some(1)] {
                    let history = match of_bell {
                        Some(bell) => app.history::<Bell>(&bell),
                        None => app.events(EventQuery::typed(["bell-rung"])),
                    };
                    let history = history.by(by).since(at(since)).until(at(until));
                    let found = history.actor(auditor()).all().await.expect("is read");
                    let found: Vec<_> = found.iter().map(|it| it.position.get()).collect();
                    let expected = (1..).zip((100..).zip(deeds()));
                    let expected = expected.filter(|(_, (second, (actor, bell, softly)))| {
                        let is_selected = of_bell.map_or(!softly, |of_bell| *bell == of_bell);
                        *actor == Some(by) && (since..=until).contains(second) && is_selected
                    });
                    let expected: Vec<u64> = expected.map(|(position, _)| position).collect();
                    assert_eq!(found, expected, "{by:?} {since} to {until} {of_bell:?}");
                }
            }
        }
        // In pages of a feed, which goes on.
        let mut feed = app.follow(EventQuery::All).by("bob").since(at(130));
        feed = feed.actor(auditor());
        let mut seen = Vec::new();
        let mut reached = Position::START;
        while reached.get() < 60 {
            let page = feed.next(7).await.expect("is read");
            reached = page.next.unwrap_or(page.as_of);
            seen.extend(page.events.iter().map(|it| it.position.get()));
        }
        let expected: Vec<u64> = (31..=60).filter(|it| (it - 1) % 5 == 1).collect();
        assert_eq!(seen, expected);
        let more = RingBell {
            bell: 7,
            softly: true,
        };
        app.execute(more)
            .actor(Actor::new("bob"))
            .await
            .expect("is done");
        let page = feed.next(7).await.expect("is read");
        assert_eq!(page.events.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn who_did_what_is_read_with_the_permission_of_the_log() {
    let builder = Dispatcher::builder().module(module()).store(Memory::new());
    let builder = builder
        .authorizer(HeldPermissions)
        .log_permission("log:read");
    let app = builder.build().await.expect("builds");
    // Not even one's own events.
    let own = app
        .events(EventQuery::All)
        .by("ann")
        .actor(Actor::new("ann"));
    let error = own.all().await.expect_err("is denied");
    assert!(matches!(error.kind(), QueryErrorKind::Denied(_)), "{error}");
    let mut feed = app
        .follow(EventQuery::All)
        .by("ann")
        .actor(Actor::new("ann"));
    let error = feed.next(1).await.expect_err("is denied");
    assert!(matches!(error.kind(), QueryErrorKind::Denied(_)), "{error}");
}

/// What is asked for twice is looked up twice.
#[tokio::test]
async fn a_history_that_is_read_again_has_what_came_since() {
    let builder = Dispatcher::builder().module(module()).store(Memory::new());
    let app = builder.authorizer(AllowAll).log_permission("log:read");
    let app = app.build().await.expect("builds");
    let ring = || RingBell {
        bell: 1,
        softly: false,
    };
    let ann = || Actor::new("ann");
    app.execute(ring()).actor(ann()).await.expect("is done");
    let history = app.events(EventQuery::All).by("ann").until(Timestamp::MAX);
    assert_eq!(history.all().await.expect("is read").len(), 1);
    app.execute(ring()).actor(ann()).await.expect("is done");
    assert_eq!(history.all().await.expect("is read").len(), 2);
}
