//! Reactions beside those of `follow`: one that starts now, one that sends a command.

use std::sync::Arc;

use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use tokio::sync::mpsc;

use crate::follow::{Account, BalanceOf, Deposit, module, quiet};
use crate::support::stores::on_each_with;

mod newcomer {
    use cqrs_core::prelude::*;
    use tokio::sync::mpsc;

    cqrs_core::module!();

    pub struct Heard(pub mpsc::UnboundedSender<u64>);

    #[event_handler(start = "now")]
    fn listen(
        _: crate::follow::MoneyDeposited,
        recorded: &Recorded,
        heard: Service<Heard>,
    ) -> Result<()> {
        Ok(heard.0.send(recorded.position.get())?)
    }
}

#[tokio::test]
async fn a_reaction_that_starts_now_leaves_the_past_alone() {
    on_each_with(module(), quiet, |app| async move {
        app.execute(Deposit {
            account: 1,
            cents: 1,
        })
        .await
        .expect("deposits");
        let (sender, mut heard) = mpsc::unbounded_channel();
        let listener = Dispatcher::builder().module(newcomer::module());
        let listener = listener.provide(Arc::new(newcomer::Heard(sender)));
        let listener = listener.stores_of(&app).build().await.expect("builds");
        app.execute(Deposit {
            account: 1,
            cents: 1,
        })
        .await
        .expect("deposits");
        assert_eq!(heard.recv().await, Some(2));
        drop(listener);
    })
    .await;
}

/// A reaction that sends a command, under an id derived from the event, so that a repeated
/// reaction does not repeat the command.
mod bonus {
    use cqrs_core::prelude::*;
    cqrs_core::module!();

    #[event_handler]
    async fn reward(
        event: crate::follow::MoneyDeposited,
        recorded: &Recorded,
        app: &Dispatcher,
    ) -> Result<()> {
        if event.cents >= 1000 {
            let bonus = crate::follow::Deposit {
                account: event.account,
                cents: 10,
            };
            let id = CommandId::derived("reward", recorded.meta.id.as_uuid().as_bytes());
            app.execute(bonus).id(id).caused_by(recorded).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_reaction_sends_a_command_in_the_same_conversation() {
    let both = |builder: Builder| quiet(builder).module(bonus::module());
    on_each_with(module(), both, |app| async move {
        let receipt = app
            .execute(Deposit {
                account: 3,
                cents: 1000,
            })
            .await
            .expect("deposits");
        let next = receipt.last().plus(1);
        let query = app.query(BalanceOf { account: 3 }).after_position(next);
        assert_eq!(query.await.expect("answers").expect("is there").cents, 1010);
        let events = app.history::<Account>(&3).all().await.expect("reads");
        let [deposit, bonus] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(bonus.meta.causation, deposit.meta.id.as_uuid());
        assert_eq!(bonus.meta.correlation, deposit.meta.correlation);
        assert_eq!(deposit.meta.causation, receipt.command().as_uuid());
    })
    .await;
}
