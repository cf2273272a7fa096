//! Reactions that answer events with commands, whose events are answered again.

use std::sync::Arc;

use cqrs_core::dispatcher::{Builder, SubscriptionState};
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;
use tokio::sync::watch;

use crate::stores::on_each_with;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Ping {
    game: u32,
    /// How many answers are still to come.
    left: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Pong {
    game: u32,
    left: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "pinged", version = 1)]
pub struct Pinged {
    game: u32,
    left: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "ponged", version = 1)]
pub struct Ponged {
    game: u32,
    left: u32,
}

#[command_handler]
fn ping(cmd: Ping) -> Pinged {
    Pinged {
        game: cmd.game,
        left: cmd.left,
    }
}

#[command_handler]
fn pong(cmd: Pong) -> Ponged {
    Ponged {
        game: cmd.game,
        left: cmd.left,
    }
}

/// Says nothing of the cause.
#[event_handler]
async fn answer_ping(event: Pinged, app: &Dispatcher) -> Result<()> {
    if let Some(left) = event.left.checked_sub(1) {
        let game = event.game;
        app.execute(Pong { game, left }).await?;
    }
    Ok(())
}

/// Says it.
#[event_handler]
async fn answer_pong(event: Ponged, recorded: &Recorded, app: &Dispatcher) -> Result<()> {
    if let Some(left) = event.left.checked_sub(1) {
        let game = event.game;
        app.execute(Ping { game, left })
            .because_of(recorded)
            .await?;
    }
    Ok(())
}

/// Tells the games that have ended.
#[event_handler]
fn referee(event: Ponged, ended: Res<watch::Sender<Option<u32>>>) {
    if event.left == 0 {
        ended.send_replace(Some(event.game));
    }
}

fn with_a_referee(builder: Builder) -> Builder {
    builder.provide(Arc::new(watch::Sender::<Option<u32>>::new(None)))
}

#[tokio::test]
async fn reactions_that_answer_each_other_for_ever_fail_and_name_the_chain() {
    let with = |builder| with_a_referee(builder).max_causation_depth(5);
    on_each_with(module(), with, |app| async move {
        let ping = Ping {
            game: 1,
            left: u32::MAX,
        };
        app.execute(ping).await.expect("pings");
        let failing = loop {
            let health = app.health();
            let failing = health.subscriptions.iter().find_map(|it| match &it.state {
                SubscriptionState::Failing { error, .. } => Some((it.name, error.clone())),
                _ => None,
            });
            match failing {
                Some(failing) => break failing,
                None => tokio::task::yield_now().await,
            }
        };
        assert_eq!(failing.0, "answer_pong");
        let text = "`Ping` would be command 6 of a chain of reactions, of which 5 are allowed: \
                    .., `answer_ping` sent `Pong`, `answer_pong` sent `Ping`, `answer_ping` sent \
                    `Pong`, `answer_pong` sent `Ping`, `answer_ping` sent `Pong`, `answer_pong` \
                    sent `Ping`. Let a reaction stop answering, or raise `max_causation_depth` on \
                    the builder";
        let text = text.replace(".., ", "");
        assert!(failing.1.contains(&text), "{}", failing.1);
        assert!(!app.health().is_ok());
        let events = app.events(EventQuery::All).all().await.expect("reads");
        assert_eq!(events.len(), 6, "a ping and five answers");
        // What others do is still done.
        app.execute(Pong { game: 2, left: 0 }).await.expect("pongs");
    })
    .await;
}

#[tokio::test]
async fn a_chain_that_ends_is_let_be() {
    on_each_with(module(), with_a_referee, |app| async move {
        let receipt = app
            .execute(Ping { game: 1, left: 63 })
            .await
            .expect("pings");
        let last = Position::new(receipt.last().get() + 63);
        let mut head = app.store().watch();
        head.wait_for(|head| *head >= last).await.expect("goes on");
        app.caught_up(last, std::time::Duration::from_secs(30))
            .await
            .expect("catches up");
        assert!(app.health().is_ok());
        // Commands that have nothing to do with each other are no chain.
        for game in 0..100 {
            app.execute(Pong { game, left: 0 }).await.expect("pongs");
        }
    })
    .await;
}
