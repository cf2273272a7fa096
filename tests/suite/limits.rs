//! Data above the limits: a snapshot is left out, a stored state and an append are refused, and the
//! error names both the data and the limit.

use cqrs_conformance::StoreFixture;
use cqrs_core::prelude::*;
use cqrs_core::store::{EventLog, EventLogExt, EventQuery, StateKey};
use cqrs_postgres::Postgres;
use cqrs_sqlite::Sqlite;

use crate::support::postgres::Schema;
use crate::support::stores::on_each;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Write {
    #[id(Diary)]
    diary: u32,
    text: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "diary-written", version = 1)]
pub struct Written {
    #[id(Diary)]
    diary: u32,
    text: String,
}

/// A state that grows, with snapshots.
#[derive(Default, Serialize, Deserialize)]
pub struct Diary {
    texts: Vec<String>,
}

#[aggregate(id = u32, snapshot_every = 1)]
impl Diary {
    #[apply]
    fn written(&mut self, event: &Written) {
        self.texts.push(event.text.clone());
    }
}

#[command_handler]
fn write(cmd: Write, _: &Diary) -> Written {
    Written {
        diary: cmd.diary,
        text: cmd.text,
    }
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Fill {
    #[id(Cart)]
    cart: u32,
    text: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "cart-filled", version = 1)]
pub struct CartFilled {
    #[id(Cart)]
    cart: u32,
    text: String,
}

/// A state that grows, in the store.
#[derive(Default, Serialize, Deserialize)]
pub struct Cart {
    texts: Vec<String>,
}

#[aggregate(id = u32, storage = "state")]
impl Cart {
    #[apply]
    fn filled(&mut self, event: &CartFilled) {
        self.texts.push(event.text.clone());
    }
}

#[command_handler]
fn fill(cmd: Fill, _: &Cart) -> CartFilled {
    CartFilled {
        cart: cmd.cart,
        text: cmd.text,
    }
}

/// Several events of one command.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Copy {
    texts: u32,
    text: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "copied", version = 1)]
pub struct Copied {
    text: String,
}

#[command_handler]
fn copy(cmd: Copy) -> Vec<Copied> {
    let copied = |_| Copied {
        text: cmd.text.clone(),
    };
    (0..cmd.texts).map(copied).collect()
}

/// A tenth of a megabyte.
fn text() -> String {
    "x".repeat(100_000)
}

#[tokio::test]
async fn a_snapshot_that_is_too_large_is_left_out() {
    on_each(module(), |app| async move {
        for number in 1..=25 {
            let written = app
                .execute(Write {
                    diary: 1,
                    text: text(),
                })
                .await;
            written.unwrap_or_else(|error| panic!("text {number}: {error}"));
        }
        let diary = app.state::<Diary>(&1).await.expect("a state");
        assert_eq!(diary.texts.len(), 25);
        // The last one that fits is there.
        let key = StateKey {
            aggregate: "diary",
            id: "1".to_owned(),
        };
        let stored = app
            .log()
            .capabilities()
            .states
            .expect("it keeps states")
            .states(vec![key])
            .await
            .expect("reads");
        let stored = stored[0].as_ref().expect("there is one");
        assert!(stored.body.len() <= 1 << 20);
        assert_eq!(stored.position, Position::new(10));
    })
    .await;
}

#[tokio::test]
async fn a_stored_state_that_is_too_large_says_which_and_what_to_do() {
    on_each(module(), |app| async move {
        for _ in 0..10 {
            let filled = app
                .execute(Fill {
                    cart: 7,
                    text: text(),
                })
                .await;
            filled.expect("fits");
        }
        let head = app.log().head().await.expect("reads");
        for _ in 0..2 {
            let filled = app
                .execute(Fill {
                    cart: 7,
                    text: text(),
                })
                .await;
            let error = filled.expect_err("is too large");
            assert!(matches!(error, CommandError::Invalid(_)), "{error}");
            let text = error.to_string();
            let start = "invalid command: the append is not valid: the state of `cart:7` is 11000";
            assert!(text.starts_with(start), "{text}");
            let end = " bytes of JSON, at most 1048576: keep less in it, or let it be folded from \
                       its events, without `storage = \"state\"`";
            assert!(text.ends_with(end), "{text}");
        }
        assert_eq!(app.log().head().await.expect("reads"), head);
        let other = app
            .execute(Fill {
                cart: 8,
                text: text(),
            })
            .await;
        other.expect("others go on");
    })
    .await;
}

async fn refuses_a_large_append(store: impl cqrs_core::store::Store) {
    assert_eq!(store.capabilities().limits.append, 1_000);
    let app = Dispatcher::builder().module(module()).store(store);
    let app = app.build().await.expect("builds");
    let copy = |texts| Copy {
        texts,
        text: "x".repeat(100),
    };
    app.execute(copy(5)).await.expect("fits");
    let error = app.execute(copy(10)).await.expect_err("is too large");
    assert_eq!(
        error.to_string(),
        "invalid command: the append is not valid: bytes of one append, of all its \
         events, states and statements: 1110, at most 1000"
    );
    let events = app.events(EventQuery::All).all().await.expect("reads");
    assert_eq!(events.len(), 5);
    app.execute(copy(5)).await.expect("goes on");
}

#[tokio::test]
async fn an_append_that_is_too_large_as_a_whole_names_size_and_limit() {
    refuses_a_large_append(Memory::new().max_append(1_000)).await;

    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("log.db");
    let sqlite = Sqlite::options().max_append(1_000).open(path).await;
    refuses_a_large_append(sqlite.expect("SQLite opens")).await;

    let options = Postgres::options().max_append(1_000);
    if let Some(schema) = Schema::fresh("limits", options) {
        refuses_a_large_append(schema.open().await).await;
    }
}

#[test]
fn an_append_has_at_most_64_mib_by_default() {
    assert_eq!(Memory::new().capabilities().limits.append, 64 << 20);
}
