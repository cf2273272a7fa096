//! Appends with an unknown outcome.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cqrs_core::error::Failure;
use cqrs_core::prelude::*;
use cqrs_core::store::{
    Append, AppendError, Appended, BoxFuture, EventLog, EventQuery, StoreError, StoredCommand,
};
use cqrs_core::{CommandId, Uuid};

use crate::support::decorated::{Decorated, Hooks};
use crate::support::stores::on_each;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Sign {
    letter: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "letter-signed", version = 1)]
pub struct Signed {
    letter: u32,
}

#[command_handler]
fn sign(Sign { letter }: Sign) -> Signed {
    Signed { letter }
}

/// A store that is lost once it has appended.
#[derive(Default)]
struct Lost(AtomicBool);

impl Hooks<dyn EventLog> for Lost {
    fn append<'a>(
        &'a self,
        store: &'a dyn EventLog,
        append: Append,
    ) -> BoxFuture<'a, Result<Appended, AppendError>> {
        Box::pin(async {
            store.append(append).await?;
            self.0.store(true, Ordering::SeqCst);
            Err(AppendError::Indeterminate {
                reason: "lost".into(),
            })
        })
    }

    fn command<'a>(
        &'a self,
        store: &'a dyn EventLog,
        id: CommandId,
    ) -> BoxFuture<'a, Result<Option<StoredCommand>, StoreError>> {
        if !self.0.load(Ordering::SeqCst) {
            return store.command(id);
        }
        Box::pin(ready(Err(StoreError::Unavailable {
            reason: "still lost".into(),
        })))
    }
}

#[tokio::test]
async fn an_append_in_doubt_that_cannot_be_looked_up_stays_in_doubt() {
    on_each(module(), |app| async move {
        let store = Arc::new(Decorated {
            store: app.log().clone(),
            hooks: Lost::default(),
        });
        let builder = Dispatcher::builder().module(module());
        let lost = builder.log(store).build().await.expect("builds");
        let id = CommandId::from(Uuid::now_v7());
        let sent = lost.execute(Sign { letter: 1 }).id(id).await;
        let error = sent.expect_err("nobody knows");
        assert!(
            matches!(
                error,
                CommandError::Failed(Failure::Append(AppendError::Indeterminate { .. }))
            ),
            "{error}"
        );
        // The same id tells.
        let sent = app.execute(Sign { letter: 1 }).id(id).await;
        assert!(sent.expect("is known").replayed());
        let events = app.events(EventQuery::All).all().await.expect("reads");
        assert_eq!(events.len(), 1);
    })
    .await;
}
