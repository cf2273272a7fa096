//! Messages without fields: written as `{}`, so that they can get fields, and read from whatever a
//! program with other fields has written.

use cqrs_core::CommandId;
use cqrs_core::app::NodeKind;
use cqrs_core::error::QueryErrorKind;
use cqrs_core::prelude::*;
use cqrs_core::store::{Append, EventData, EventQuery, EventType, Tag};
use cqrs_core::testing::given;
use serde_json::{Value, json};

use self::pings::{CountPings, Ping, PingBraced, Pinged, Repeat};
use crate::support::stores::on_each;

mod pings {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize, schemars::JsonSchema)]
    pub struct Ping;

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct PingBraced {}

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Repeat {
        #[serde(default)]
        pub times: u32,
    }

    #[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
    #[event(name = "pinged", version = 1)]
    pub struct Pinged;

    #[command_handler]
    fn ping(_: Ping) -> Pinged {
        Pinged
    }

    #[command_handler]
    fn ping_braced(_: PingBraced) -> Pinged {
        Pinged
    }

    #[command_handler]
    fn repeat(cmd: Repeat) -> Vec<Pinged> {
        (0..cmd.times).map(|_| Pinged).collect()
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Pings {
        #[key]
        pub key: String,
        pub count: u32,
    }

    pub struct CountedPings;

    #[projection(name = "pings", version = 1)]
    impl CountedPings {
        #[on]
        fn pinged(_: &Pinged, pings: &mut Views<Pings>) -> Result<()> {
            let key = "all".to_owned();
            let count = pings.get(&key)?.map_or(0, |pings| pings.count) + 1;
            pings.put(Pings { key, count });
            Ok(())
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32)]
    pub struct CountPings;

    #[query_handler]
    async fn count_pings(_: CountPings, pings: Read<Pings>) -> Result<u32> {
        let pings = pings.get("all").await?;
        Ok(pings.map_or(0, |pings| pings.count))
    }
}

/// The same events, of a program in which they have got fields.
mod later {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "pinged", version = 1)]
    pub struct Pinged {
        #[serde(default)]
        pub times: u32,
    }

    #[derive(Default)]
    pub struct Line {
        pub pings: u32,
        pub times: u32,
    }

    #[aggregate(id = String)]
    impl Line {
        #[apply]
        fn pinged(&mut self, event: &PingedOnLine) {
            self.pings += 1;
            self.times += event.times;
        }
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "pinged-on-line", version = 1)]
    pub struct PingedOnLine {
        #[id(Line)]
        #[serde(default)]
        pub line: String,
        #[serde(default)]
        pub times: u32,
    }
}

/// An event as a program without or with other fields recorded it.
fn written(event_type: &'static str, payload: &str) -> Append {
    let event = EventData {
        event_type: EventType::new(event_type),
        version: 1,
        tags: Tag::new("line", "L1").into(),
        payload: payload.into(),
    };
    Append::new(CommandId::new(), vec![event])
}

async fn payloads(app: &Dispatcher) -> Vec<Value> {
    let events = app.events(EventQuery::All).all().await.expect("reads");
    events.iter().map(|event| event.data.json()).collect()
}

#[tokio::test]
async fn an_event_without_fields_is_recorded_as_an_object() {
    on_each(pings::module(), |app| async move {
        app.execute(Ping).await.expect("pings");
        let receipt = app.execute(PingBraced {}).await.expect("pings");
        assert_eq!(payloads(&app).await, [json!({}), json!({})]);
        let count = app.query(CountPings).after(&receipt).await;
        assert_eq!(count.expect("answers"), 2);
    })
    .await;
}

#[tokio::test]
async fn an_event_without_fields_is_read_from_null_and_from_fields_that_it_has_lost() {
    on_each(pings::module(), |app| async move {
        let mut last = Position::START;
        for payload in ["null", "{}", r#"{"times":3,"by":{"name":null}}"#] {
            let appended = app.log().append(written("pinged", payload)).await;
            last = appended.expect("is appended").last;
        }
        let count = app.query(CountPings).after_position(last).await;
        assert_eq!(count.expect("answers"), 3);
        for event in app.events(EventQuery::All).all().await.expect("reads") {
            assert_eq!(event.decode::<Pinged>().expect("is readable"), Pinged);
        }
    })
    .await;
}

#[tokio::test]
async fn null_is_read_after_the_event_has_got_a_field_with_a_default() {
    on_each(later::module(), |app| async move {
        for payload in ["null", "{}", r#"{"times":3}"#] {
            let appended = app.log().append(written("pinged-on-line", payload));
            appended.await.expect("is appended");
            let appended = app.log().append(written("pinged", payload));
            appended.await.expect("is appended");
        }
        let line = app.state::<later::Line>(&"L1".to_owned()).await;
        let line = line.expect("is readable");
        assert_eq!((line.pings, line.times), (3, 3));
        let events = app.events(EventQuery::All).all().await.expect("reads");
        let pinged = events
            .iter()
            .filter(|it| it.data.event_type.as_str() == "pinged");
        let times = pinged.map(|it| it.decode::<later::Pinged>().expect("is readable").times);
        assert!(times.eq([0, 0, 3]));
    })
    .await;
}

#[tokio::test]
async fn a_message_without_fields_can_be_sent_as_an_object_as_null_and_as_nothing() {
    on_each(pings::module(), |app| async move {
        let bodies: [&[u8]; 5] = [b"{}", b"null", b"", b" \n", br#"{"lost":1}"#];
        for (sent, body) in (1..).zip(bodies) {
            for name in ["Ping", "PingBraced"] {
                let receipt = app.execute_json(name, body).await;
                let receipt = receipt.unwrap_or_else(|error| panic!("{name} {body:?}: {error}"));
                let count = app.query_json("CountPings", body).after(&receipt).await;
                let count = count.unwrap_or_else(|error| panic!("{body:?}: {error}"));
                let expected = 2 * sent - u32::from(name == "Ping");
                assert_eq!(count, expected);
            }
        }
        for body in [&b"1"[..], b"[1]", b"\"\"", b"{", b"nul"] {
            let error = app
                .execute_json("Ping", body)
                .await
                .expect_err("is no object");
            assert!(matches!(error, CommandError::Invalid(_)), "{error}");
            let error = app.query_json("CountPings", body).await;
            let error = error.expect_err("is no object");
            assert!(
                matches!(error.kind(), QueryErrorKind::Invalid(_)),
                "{error}"
            );
        }
        // With fields, even if each has a default, it takes an object to mean that.
        for body in [&b""[..], b"null"] {
            let error = app
                .execute_json("Repeat", body)
                .await
                .expect_err("has a field");
            assert!(matches!(error, CommandError::Invalid(_)), "{error}");
        }
        app.execute_json("Repeat", b"{}")
            .await
            .expect("has a default");
    })
    .await;
}

/// Ids are kept for good, so a sending that is repeated after an upgrade is recognized.
#[tokio::test]
async fn fingerprints_of_commands_are_what_they_were() {
    on_each(pings::module(), |app| async move {
        let stored = async |name: &str, json: &str| {
            let id = CommandId::new();
            let sent = app.execute_json(name, json.as_bytes()).id(id).await;
            sent.expect("is sent");
            let stored = app.log().command(id).await.expect("reads");
            stored.expect("is known").fingerprint
        };
        assert_eq!(stored("Ping", "{}").await, PING);
        assert_eq!(stored("Ping", "null").await, PING);
        assert_eq!(stored("PingBraced", "{}").await, PING_BRACED);
        assert_eq!(stored("Repeat", r#"{"times":2}"#).await, REPEAT_TWICE);
    })
    .await;
}

// XXH3 of `Pingnull`, `PingBraced{}` and `Repeat{"times":2}`.
const PING: u64 = 12_035_535_463_465_562_439;
const PING_BRACED: u64 = 12_609_673_214_206_309_950;
const REPEAT_TWICE: u64 = 5_343_213_335_825_882_609;

#[test]
fn given_when_then_takes_events_without_fields() {
    given(Pinged).when(Ping).then(Pinged);
    given(()).when(Repeat { times: 2 }).then((Pinged, Pinged));
}

#[tokio::test]
async fn the_schema_of_a_message_without_fields_is_that_of_an_object() {
    let app = Dispatcher::builder()
        .module(pings::module())
        .store(Memory::new());
    let app = app.build().await.expect("builds");
    let model = app.model();
    let ping = model.node(NodeKind::Command, "Ping").expect("is there");
    let schema = ping.schema.as_ref().expect("has one");
    assert_eq!(schema["type"], "object");
}
