//! Sessions, and the options of calls by name.

use cqrs_core::HeldPermissions;
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;

use super::{Call, Called, module, services};
use crate::support::stores::on_each_with;

#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct LastNumber {
    #[key]
    key: u8,
    number: u32,
}

pub struct LastNumbers;

#[projection(name = "last-numbers", version = 1)]
impl LastNumbers {
    #[on]
    fn called(event: &Called, views: &mut Views<LastNumber>) {
        views.put(LastNumber {
            key: 0,
            number: event.number,
        });
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Option<u32>)]
pub struct LastCall {}

#[query_handler]
async fn last_call(_: LastCall, numbers: Read<LastNumber>) -> Result<Option<u32>> {
    Ok(numbers.get(&0).await?.map(|view| view.number))
}

#[tokio::test]
async fn a_session_reads_its_own_writes_under_one_actor() {
    let guard = |builder| services(builder).authorizer(HeldPermissions);
    on_each_with(module(), guard, |app| async move {
        let session = app.session().actor(Actor::new("anne"));
        for number in 1..=20 {
            session.execute(Call { number }).await.expect("calls");
            let seen = session.query(LastCall {}).await.expect("answers");
            assert_eq!(seen, Some(number));
        }
        assert_eq!(session.position().get(), 20);
        let events = app.events(EventQuery::All).all().await.expect("reads");
        assert!(
            events
                .iter()
                .all(|event| event.meta.actor.as_deref() == Some("anne"))
        );
    })
    .await;
}

#[tokio::test]
async fn a_session_reads_its_own_writes_by_name() {
    let guard = |builder| services(builder).authorizer(HeldPermissions);
    on_each_with(module(), guard, |app| async move {
        let session = app.session().actor(Actor::new("anne"));
        for number in 1..=20 {
            let call = format!(r#"{{"number":{number}}}"#);
            let called = session.execute_json("Call", call.as_bytes()).await;
            called.expect("calls");
            let seen = session.query_json("LastCall", b"{}").await;
            assert_eq!(seen.expect("answers"), serde_json::json!(number));
        }
        assert_eq!(session.position().get(), 20);
        let events = app.events(EventQuery::All).all().await.expect("reads");
        let actors = events.iter().map(|event| event.meta.actor.as_deref());
        assert!(actors.into_iter().all(|actor| actor == Some("anne")));
    })
    .await;
}

#[tokio::test]
async fn a_command_by_name_has_the_options_of_a_typed_one() {
    on_each_with(module(), services, |app| async move {
        app.execute(Call { number: 1 }).await.expect("calls");
        let first = app.events(EventQuery::All).all().await.expect("reads");
        let id = CommandId::new();
        let call = app.execute_json("Call", br#"{"number":2}"#);
        let call = call.caused_by(&first[0]).id(id).actor(Actor::new("anne"));
        call.await.expect("calls");
        let events = app.events(EventQuery::All).all().await.expect("reads");
        let second = &events[1];
        assert_eq!(second.meta.causation, first[0].meta.id.as_uuid());
        assert_eq!(second.meta.correlation, first[0].meta.correlation);
        assert_eq!(second.meta.actor.as_deref(), Some("anne"));
        assert_eq!(second.meta.command, id);
    })
    .await;
}
