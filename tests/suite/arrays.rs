//! A message by name is an object. serde reads a struct from an array, too, by the order of its
//! fields, which would make that order part of what callers depend on.

use cqrs_core::error::QueryErrorKind;
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;

use crate::support::stores::on_each;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Transfer {
    from: u32,
    to: u32,
}

/// A message without fields.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Close {}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
pub struct Distance {
    from: u32,
    to: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "array-transferred", version = 1)]
pub struct Transferred {
    from: u32,
    to: u32,
}

#[command_handler]
fn transfer(Transfer { from, to }: Transfer) -> Transferred {
    Transferred { from, to }
}

#[command_handler]
fn close(_: Close) -> Transferred {
    Transferred { from: 0, to: 0 }
}

#[query_handler]
fn distance(Distance { from, to }: Distance) -> u32 {
    from.abs_diff(to)
}

#[tokio::test]
async fn a_message_by_name_is_an_object_and_not_an_array() {
    on_each(module(), |app| async move {
        let reason = "a message is a JSON object with its fields by name, `{..}`, not an array";
        for (name, json) in [
            ("Transfer", "[1,2]"),
            ("Transfer", " [ 2 , 1 ] "),
            ("Transfer", "[]"),
            ("Close", "[]"),
        ] {
            let sent = app.execute_json(name, json.as_bytes()).await;
            let Err(CommandError::Invalid(invalid)) = sent else {
                panic!("{name} {json}: {sent:?}");
            };
            assert!(invalid.reason.starts_with(reason), "{json}: {invalid}");
            assert_eq!(invalid.field, None);
        }
        let asked = app.query_json("Distance", b"[1,2]").await;
        let asked = asked.expect_err("is no object");
        let QueryErrorKind::Invalid(invalid) = asked.kind() else {
            panic!("{asked:?}");
        };
        assert!(invalid.reason.starts_with(reason), "{invalid}");

        let json = br#"{"to":2,"from":1}"#;
        app.execute_json("Transfer", json).await.expect("an object");
        let asked = app.query_json("Distance", json).await;
        assert_eq!(asked.expect("an object"), 1);
        let events = app.events(EventQuery::All).all().await.expect("reads");
        assert_eq!(events.len(), 1);
    })
    .await;
}
