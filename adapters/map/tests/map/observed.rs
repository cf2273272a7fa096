use cqrs_core::store::{CustomMetadata, EventData, EventType, Metadata, Tags};
use cqrs_core::{CommandId, EventId, Position, Recorded, Timestamp, Uuid};
use cqrs_map::{FlowMap, Observed};

use crate::{library, model_of};

/// Two commands that lead to one event.
mod doors {
    use cqrs_core::prelude::*;

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Push {
        #[id(Door)]
        pub door: u32,
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Pull {
        #[id(Door)]
        pub door: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "door-opened", version = 1)]
    pub struct DoorOpened {
        #[id(Door)]
        pub door: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "handle-broken", version = 1)]
    pub struct HandleBroken {
        #[id(Door)]
        pub door: u32,
    }

    #[derive(Default)]
    pub struct Door(bool);

    #[aggregate(id = u32)]
    impl Door {
        #[apply]
        fn opened(&mut self, _: &DoorOpened) {
            self.0 = true;
        }

        #[apply]
        fn broken(&mut self, _: &HandleBroken) {
            self.0 = false;
        }
    }

    #[command_handler]
    fn push(Push { door }: Push, _: &Door) -> DoorOpened {
        DoorOpened { door }
    }

    #[command_handler]
    fn pull(Pull { door }: Pull, state: &Door) -> (DoorOpened, Option<HandleBroken>) {
        (
            DoorOpened { door },
            state.0.then_some(HandleBroken { door }),
        )
    }
}

/// A log in the making.
#[derive(Default)]
struct Log {
    observed: Observed,
    length: u64,
}

impl Log {
    /// One decision: its cause, if that is an event, and its events. Returns the id of the last one.
    fn decide(&mut self, cause: Option<EventId>, events: &[&'static str]) -> EventId {
        self.record(cause, events, "{}")
    }

    fn record(
        &mut self,
        cause: Option<EventId>,
        events: &[&'static str],
        payload: &str,
    ) -> EventId {
        let command = CommandId::new();
        let mut last = None;
        for (index, name) in (0..).zip(events) {
            self.length += 1;
            let id = EventId::of(command, index);
            self.observed.add(&Recorded {
                position: Position::new(self.length),
                data: EventData {
                    event_type: EventType::new(name),
                    version: 1,
                    tags: Tags::default(),
                    payload: payload.into(),
                },
                meta: Metadata {
                    custom: CustomMetadata::default(),
                    id,
                    time: Timestamp::UNIX_EPOCH,
                    actor: None,
                    command,
                    correlation: Uuid::nil(),
                    causation: cause.map_or(command.as_uuid(), |cause| cause.as_uuid()),
                },
            });
            last = Some(id);
        }
        last.expect("there is an event")
    }
}

/// What the picture says of the flow between two labels.
fn said(map: &FlowMap, from: &str, to: &str) -> String {
    let svg = map.svg();
    let start = format!("{from} → {to} (");
    let rest = svg.split(&start).nth(1).expect("is drawn");
    rest.split(')').next().unwrap_or_default().to_owned()
}

#[test]
fn what_was_observed_is_counted_on_the_edges() {
    let mut log = Log::default();
    let lent = log.decide(None, &["book-lent"]);
    log.decide(None, &["book-lent"]);
    log.decide(None, &["book-returned"]);
    // The deadline, and the command that it leads to.
    let overdue = log.decide(Some(lent), &["book-overdue"]);
    log.decide(Some(overdue), &["reminder-sent"]);
    let lost = log.decide(None, &["book-lost"]);
    log.decide(Some(lost), &["reminder-sent"]);
    log.record(
        Some(overdue),
        &["process:loan:rejected"],
        r#"{"name": "Remind"}"#,
    );
    let map = library().observed(&log.observed);
    for (from, to, expected) in [
        ("LendBook", "book", "loads, observed 2 times"),
        ("LendBook", "reader", "loads, observed 2 times"),
        ("book", "book-lent", "emits, observed 2 times"),
        ("book", "book-returned", "emits, observed once"),
        ("Remind", "reminder-sent", "emits, observed 2 times"),
        ("book-lent", "loan", "handles, observed once"),
        ("loan", "book-overdue", "schedules, observed once"),
        ("book-overdue", "loan", "handles, observed once"),
        ("loan", "Remind", "sends, observed once"),
        ("Remind", "loan", "compensates, observed once"),
        ("demand", "Remind", "sends, observed once"),
        ("ReturnBook", "book", "loads, observed once"),
        // No log says how often.
        ("book-returned", "welcome", "handles"),
        ("book-lent", "shelves", "folds"),
    ] {
        assert_eq!(said(&map, from, to), expected, "{from} to {to}");
    }
    let page = map.html();
    assert!(page.contains("Observed: 8 events of 7 decisions."));
    assert!(page.contains("event, version 2, observed 2 times"));
    // A screen reader says the number with the details, not as a part of the name.
    assert!(page.contains("<text class=\"count\" aria-hidden=\"true\""));
    // Nobody declares who loses books.
    assert!(page.contains("<li>the program → book-lost: 1</li>"));
    assert!(map.mermaid().contains("|\"2\"|") && map.dot().contains("label=\"2\""));
}

#[test]
fn what_the_model_has_not_is_listed() {
    let mut log = Log::default();
    let lent = log.decide(None, &["book-lent"]);
    // The process manager sends it when the deadline is due, not when a book is lent.
    log.decide(Some(lent), &["reminder-sent"]);
    log.decide(Some(lent), &["of-an-earlier-program"]);
    log.decide(Some(EventId::of(CommandId::new(), 0)), &["book-lent"]);
    let map = library().observed(&log.observed);
    let page = map.html();
    assert!(page.contains("<li>book-lent → reminder-sent: 1</li>"));
    assert!(page.contains("<li>book-lent → of-an-earlier-program: 1</li>"));
    assert!(!page.contains("an event that was not read"));
    assert_eq!(said(&map, "loan", "Remind"), "sends, not observed");
    assert_eq!(said(&map, "book", "book-lent"), "emits, observed 2 times");
}

#[test]
fn what_may_be_of_several_commands_is_counted_where_these_agree() {
    let mut log = Log::default();
    log.decide(None, &["door-opened"]);
    log.decide(None, &["door-opened", "handle-broken"]);
    let map = FlowMap::new(&model_of("observed::doors")).observed(&log.observed);
    assert_eq!(said(&map, "door", "door-opened"), "emits, observed 2 times");
    assert_eq!(said(&map, "door", "handle-broken"), "emits, observed once");
    assert_eq!(said(&map, "Push", "door"), "loads, observed up to once");
    // Only one of them breaks handles.
    assert_eq!(
        said(&map, "Pull", "door"),
        "loads, observed once, and up to 1 more"
    );
    let svg = map.svg();
    assert!(svg.contains(">?</text>") && svg.contains("seen-1"), "{svg}");
}

#[test]
fn a_log_without_events_observes_nothing() {
    let map = library().observed(&Observed::default());
    assert_eq!(said(&map, "LendBook", "book"), "loads, not observed");
    assert!(map.html().contains("Observed: 0 events of 0 decisions."));
    assert!(!library().html().contains("Observed"));
}
