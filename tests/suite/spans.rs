//! What a subscriber of `tracing` is told.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use cqrs_conformance::StoreFixture;
use cqrs_core::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

mod parcels {
    use cqrs_core::prelude::*;
    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Send {
        #[id(Parcel)]
        pub parcel: u32,
        pub note: String,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "parcel-sent", version = 1)]
    pub struct Sent {
        #[id(Parcel)]
        pub parcel: u32,
        pub note: String,
    }

    #[derive(Default)]
    pub struct Parcel {
        sent: bool,
    }

    #[aggregate(id = u32)]
    impl Parcel {
        #[apply]
        fn sent(&mut self, _: &Sent) {
            self.sent = true;
        }
    }

    #[command_handler]
    fn send(cmd: Send, parcel: &Parcel) -> Result<Sent, Rejected> {
        ensure!(!parcel.sent, "the parcel has been sent");
        let Send { parcel, note } = cmd;
        Ok(Sent { parcel, note })
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct ParcelView {
        #[key]
        pub parcel: u32,
        pub note: String,
    }

    #[projection(name = "traced-parcels", version = 1)]
    impl ParcelView {
        #[on]
        fn sent(event: &Sent, views: &mut Views<ParcelView>) {
            let Sent { parcel, note } = event;
            views.put(ParcelView {
                parcel: *parcel,
                note: note.clone(),
            });
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u64)]
    pub struct CountParcels {}

    #[query_handler]
    async fn count(_: CountParcels, parcels: Read<ParcelView>) -> Result<u64> {
        parcels.count().await
    }

    #[event_handler(name = "traced-label", start = "origin")]
    fn label(event: Sent) -> Result<()> {
        ensure!(event.parcel != 13, Error::message("the printer jams"));
        Ok(())
    }
}

/// Keeps what it is told, of the framework only. Listens on one thread, where a test's runtime runs
/// all of its tasks.
#[derive(Clone, Default)]
struct Notes {
    told: Arc<Mutex<Told>>,
    last: Arc<AtomicU64>,
}

#[derive(Default)]
struct Told {
    spans: BTreeMap<u64, Note>,
    entered: Vec<u64>,
    events: Vec<Note>,
}

/// A span or an event.
#[derive(Clone, Debug)]
struct Note {
    name: &'static str,
    level: Level,
    /// The name of the span that it is in.
    within: Option<&'static str>,
    fields: BTreeMap<&'static str, String>,
}

impl Visit for Note {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

/// A second subscriber beside that of a test. While there is one only, `tracing` asks the thread that
/// reaches a place first whether anybody listens, and remembers the answer for all threads: a test
/// that runs beside this one and does not listen would answer for it.
static BESIDE: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Notes::default()));

impl Notes {
    /// Listens on this thread until the guard is dropped.
    fn listen() -> (Self, DefaultGuard) {
        LazyLock::force(&BESIDE);
        let notes = Self::default();
        let guard = tracing::subscriber::set_default(notes.clone());
        (notes, guard)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().expect("no test panics with it")
    }

    /// The only span of this name.
    fn span(&self, name: &str) -> Note {
        let told = self.told();
        let mut spans = told.spans.values().filter(|span| span.name == name);
        let span = spans.next();
        let span = span.unwrap_or_else(|| panic!("no span `{name}`"));
        assert!(spans.next().is_none(), "several spans `{name}`");
        span.clone()
    }

    /// The first event with this message.
    fn event(&self, message: &str) -> Option<Note> {
        let told = self.told();
        let mut events = told.events.iter();
        let event = events.find(|event| event.fields["message"] == message);
        event.cloned()
    }
}

impl Told {
    fn note(&self, metadata: &Metadata<'static>) -> Note {
        let within = self.entered.last().and_then(|id| self.spans.get(id));
        Note {
            name: metadata.name(),
            level: *metadata.level(),
            within: within.map(|span| span.name),
            fields: BTreeMap::new(),
        }
    }
}

impl Subscriber for Notes {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("cqrs_")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let id = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        let mut told = self.told();
        let mut note = told.note(attributes.metadata());
        attributes.record(&mut note);
        told.spans.insert(id, note);
        Id::from_u64(id)
    }

    fn record(&self, id: &Id, record: &Record<'_>) {
        if let Some(note) = self.told().spans.get_mut(&id.into_u64()) {
            record.record(note);
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut told = self.told();
        let mut note = told.note(event.metadata());
        event.record(&mut note);
        told.events.push(note);
    }

    fn enter(&self, id: &Id) {
        self.told().entered.push(id.into_u64());
    }

    fn exit(&self, id: &Id) {
        let mut told = self.told();
        let entered = told.entered.iter().rposition(|it| *it == id.into_u64());
        entered.map(|place| told.entered.remove(place));
    }
}

async fn app() -> Dispatcher {
    let app = Dispatcher::builder()
        .module(parcels::module())
        .store(Memory::new());
    app.build().await.expect("builds")
}

fn send(parcel: u32) -> parcels::Send {
    let note = "a secret".to_owned();
    parcels::Send { parcel, note }
}

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_command_its_projection_its_reaction_and_a_query_are_spans() {
    let (notes, _listening) = Notes::listen();
    let app = app().await;
    let id = CommandId::new();
    let receipt = app.execute(send(1)).id(id).await.expect("is sent");
    app.wait_until_caught_up(receipt.last(), PATIENCE)
        .await
        .expect("in time");
    app.query(parcels::CountParcels {}).await.expect("answers");

    let fields = |span: &Note| -> Vec<(&str, String)> {
        let fields = span.fields.iter();
        fields.map(|(name, value)| (*name, value.clone())).collect()
    };
    let execute = notes.span("execute");
    assert_eq!((execute.level, execute.within), (Level::INFO, None));
    let expected = [
        ("attempts", "1".to_owned()),
        ("command", "Send".to_owned()),
        ("correlation", id.to_string()),
        ("events", "1".to_owned()),
        ("handler", "send".to_owned()),
        ("id", id.to_string()),
        ("outcome", "done".to_owned()),
        ("position", "1".to_owned()),
    ];
    assert_eq!(fields(&execute), expected);
    for (name, expected) in [
        ("decide", vec![("aggregates", "1"), ("attempt", "1")]),
        ("append", vec![("events", "1")]),
    ] {
        let span = notes.span(name);
        assert_eq!((span.level, span.within), (Level::DEBUG, Some("execute")));
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect();
        assert_eq!(fields(&span), expected);
    }
    let project = notes.span("project");
    assert_eq!(project.fields["projection"], "projection:traced-parcels:1");
    assert_eq!(project.fields["events"], "1");
    assert_eq!(
        (&*project.fields["first"], &*project.fields["last"]),
        ("1", "1")
    );
    let react = notes.span("react");
    assert_eq!(react.fields["reaction"], "traced-label");
    assert_eq!(react.fields["event"], "parcel-sent");
    assert_eq!(react.fields["correlation"], id.to_string());
    assert_eq!(notes.span("query").fields["query"], "CountParcels");
}

#[tokio::test]
async fn a_subscription_that_fails_is_warned_of_with_attempts_and_pause() {
    let (notes, _listening) = Notes::listen();
    let app = app().await;
    app.execute(send(13)).await.expect("is sent");
    let warning = loop {
        match notes.event("the subscription fails") {
            Some(warning) => break warning,
            None => tokio::task::yield_now().await,
        }
    };
    assert_eq!(warning.level, Level::WARN);
    assert_eq!(warning.fields["subscription"], "reaction:traced-label");
    assert_eq!(warning.fields["attempts"], "1");
    let pause = warning.fields["pause"].strip_suffix("ms").expect("a time");
    let millis: f64 = pause.parse().expect("a number");
    assert!((25.0..=50.0).contains(&millis), "{pause}");
    let error =
        "`traced-label` failed at the event at position 1 (`parcel-sent`): the printer jams";
    assert_eq!(warning.fields["error"], error);
}

#[tokio::test]
async fn start_and_end_of_a_dispatcher_are_told_and_warnings_of_its_wiring() {
    let (notes, _listening) = Notes::listen();
    let builder = Dispatcher::builder()
        .module(parcels::module())
        .store(Memory::new());
    let app = builder.provide(Arc::new(7_u8)).build().await;
    let app = app.expect("builds");
    let started = notes.event("the dispatcher has started").expect("is told");
    assert_eq!(started.level, Level::INFO);
    assert_eq!(started.fields["subscriptions"], "2");
    let unused = notes.event("no handler takes the service `u8`");
    assert_eq!(unused.expect("is told").level, Level::WARN);
    drop(app);
    while notes.event("the dispatcher has ended").is_none() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn no_payload_and_no_actor_is_in_a_log() {
    let (notes, _listening) = Notes::listen();
    let app = app().await;
    let anne = || Actor::new("anne@example.com").with("a secret right");
    let receipt = app.execute(send(1)).actor(anne()).await.expect("is sent");
    app.execute(send(1))
        .actor(anne())
        .await
        .expect_err("is refused");
    let json = br#"{"parcel": 2, "note": "a secret"}"#;
    app.execute_json("Send", json)
        .actor(anne())
        .await
        .expect("is sent");
    app.query(parcels::CountParcels {})
        .actor(anne())
        .after(&receipt)
        .await
        .expect("answers");
    let told = notes.told();
    let all = told.spans.values().chain(&told.events);
    let all: Vec<_> = all.map(|note| format!("{note:?}")).collect();
    assert!(all.iter().any(|note| note.contains("refused")), "{all:#?}");
    for private in ["secret", "anne"] {
        assert!(!all.iter().any(|note| note.contains(private)), "{all:#?}");
    }
}

#[tokio::test]
async fn a_database_that_is_opened_is_told() {
    let (notes, _listening) = Notes::listen();
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let sqlite = cqrs_sqlite::Sqlite::open(&path).await.expect("opens");
    let opened = notes.event("the database is open").expect("is told");
    assert_eq!(opened.level, Level::INFO);
    assert_eq!(opened.fields["path"], path.display().to_string());
    drop(sqlite);
    let Some(schema) =
        crate::support::postgres::Schema::fresh(module_path!(), cqrs_postgres::Postgres::options())
    else {
        return;
    };
    StoreFixture::open(&schema).await;
    let connected = notes.event("the database is connected").expect("is told");
    assert_eq!(connected.level, Level::INFO);
    assert_eq!(connected.fields.len(), 2, "the schema and the message");
}
