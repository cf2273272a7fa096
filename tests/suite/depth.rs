//! JSON that is nested deeply.

use cqrs_core::app::Builder;
use cqrs_core::error::QueryErrorKind;
use cqrs_core::prelude::*;
use serde_json::Value;

use crate::support::stores::{on_each, on_each_with};

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Attach {
    #[id(Ticket)]
    ticket: String,
    data: Value,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "data-attached", version = 1)]
pub struct DataAttached {
    #[id(Ticket)]
    ticket: String,
    data: Value,
}

#[derive(Default)]
pub struct Ticket;

#[aggregate(id = String)]
impl Ticket {
    #[apply]
    fn attached(&mut self, _: &DataAttached) {}
}

#[command_handler]
fn attach(Attach { ticket, data }: Attach, _: &Ticket) -> DataAttached {
    DataAttached { ticket, data }
}

/// Nests the data four levels deeper than the command does.
#[derive(ReadModel, Clone, Debug, Serialize, Deserialize)]
pub struct TicketView {
    #[key]
    ticket: String,
    history: Vec<Vec<Vec<Vec<Value>>>>,
}

pub struct Tickets;

#[projection(name = "tickets-with-data", version = 1)]
impl Tickets {
    #[on]
    fn attached(event: &DataAttached, tickets: &mut Views<TicketView>) {
        tickets.put(TicketView {
            ticket: event.ticket.clone(),
            history: vec![vec![vec![vec![event.data.clone()]]]],
        });
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Option<TicketView>)]
pub struct GetTicket {
    ticket: String,
}

#[query_handler]
async fn get(query: GetTicket, tickets: Read<TicketView>) -> Result<Option<TicketView>> {
    tickets.get(&query.ticket).await
}

/// A command of this depth, itself included.
fn attachment(depth: usize) -> Vec<u8> {
    let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
    format!(r#"{{"ticket":"T1","data":{open}{close}}}"#).into_bytes()
}

#[tokio::test]
async fn deeply_nested_json_of_a_caller_cannot_stop_a_projection() {
    on_each(module(), |app| async move {
        for depth in [65, 120, 126, 127, 128, 200_000] {
            let refused = app.execute_json("Attach", &attachment(depth)).await;
            match refused {
                Err(CommandError::Invalid(invalid)) => assert_eq!(
                    invalid.to_string(),
                    "objects and arrays are nested more than 64 levels deep"
                ),
                other => panic!("{depth}: {other:?}"),
            }
        }
        let receipt = app.execute_json("Attach", &attachment(64)).await;
        let receipt = receipt.expect("is accepted");
        let ticket = "T1".to_owned();
        let shown = app.query(GetTicket { ticket }).after(&receipt).await;
        assert!(shown.expect("is readable").is_some());
        assert!(app.health().is_ok(), "{:?}", app.health());
    })
    .await;
}

#[tokio::test]
async fn a_query_by_name_has_the_same_depth_limit() {
    let limited = |it: Builder| it.max_message_depth(2);
    on_each_with(module(), limited, |app| async move {
        let ask = async |json: &str| app.query_json("GetTicket", json.as_bytes()).await;
        let flat = ask(r#"{"ticket":"T1","more":[]}"#).await;
        assert_eq!(flat.expect("an answer"), Value::Null);
        let deep = ask(r#"{"ticket":"T1","more":[[]]}"#).await;
        let deep = deep.expect_err("is too deep");
        assert!(matches!(deep.kind(), QueryErrorKind::Invalid(_)), "{deep}");
    })
    .await;
}
