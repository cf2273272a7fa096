//! Reactions that answer events with commands, whose events are answered again.

use std::sync::Arc;

use cqrs_core::app::{Builder, SubscriptionState};
use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;
use tokio::sync::watch;

use crate::support::stores::on_each_with;

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
        app.execute(Ping { game, left }).caused_by(recorded).await?;
    }
    Ok(())
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Divide {
    cell: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "divided", version = 1)]
pub struct Divided {
    cell: u64,
}

#[command_handler]
fn divide(cmd: Divide) -> Divided {
    Divided { cell: cmd.cell }
}

/// Divides both halves again.
#[event_handler]
async fn grow(event: Divided, recorded: &Recorded, app: &Dispatcher) -> Result<()> {
    for half in 0..2 {
        let half = Divide {
            cell: event.cell.wrapping_mul(2).wrapping_add(half),
        };
        let name = format!("{}-{}", recorded.position, half.cell);
        let id = CommandId::derived("grow", name.as_bytes());
        app.execute(half).id(id).await?;
    }
    Ok(())
}

/// Tells the games that have ended.
#[event_handler]
fn referee(event: Ponged, ended: Service<watch::Sender<Option<u32>>>) {
    if event.left == 0 {
        ended.send_replace(Some(event.game));
    }
}

fn with_a_referee(builder: Builder) -> Builder {
    builder.provide(Arc::new(watch::Sender::<Option<u32>>::new(None)))
}

/// Waits for a reaction that fails; its name and why.
async fn failing(app: &Dispatcher) -> (&'static str, String) {
    loop {
        let health = app.health();
        let failing = health.subscriptions.iter().find_map(|it| match &it.state {
            SubscriptionState::Failing { error, .. } => Some((it.name, error.clone())),
            _ => None,
        });
        match failing {
            Some(failing) => return failing,
            None => tokio::task::yield_now().await,
        }
    }
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
        let failing = failing(&app).await;
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
        app.log().heads().reached(last).await;
        app.wait_until_caught_up(last, std::time::Duration::from_secs(30))
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

#[tokio::test]
async fn a_reaction_that_answers_its_own_event_twice_fails_after_so_many_commands() {
    let with = |builder| with_a_referee(builder).max_caused_commands(100);
    on_each_with(module(), with, |app| async move {
        app.execute(Divide { cell: 1 }).await.expect("divides");
        let (name, error) = failing(&app).await;
        assert_eq!(name, "grow");
        let text = "`Divide` would be command 101 that reactions send because of one command, of \
                    which 100 are allowed: `grow` sent `Divide`";
        assert!(error.contains(text), "{error}");
        assert!(
            error.contains(" times. Let"),
            "each link is told once: {error}"
        );
        let advice = "Let a reaction stop answering, or raise `max_caused_commands` on the builder";
        assert!(error.contains(advice), "{error}");
        let count = async || {
            let events = app.events(EventQuery::All).all().await;
            events.expect("reads").len()
        };
        assert_eq!(count().await, 101, "the first one and what it caused");
        // The chain of another command is counted for itself, and waits for the one that fails.
        app.execute(Divide { cell: 1000 }).await.expect("divides");
        assert_eq!(count().await, 102);
        assert!(!app.health().is_ok());
    })
    .await;
}

mod serving {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Serve;

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "ball-served", version = 1)]
    pub struct Served;

    #[command_handler]
    fn serve(_: Serve) -> Served {
        Served
    }

    #[event_handler]
    async fn serve_again(_: super::receiving::Returned, app: &Dispatcher) -> Result<()> {
        app.execute(Serve).await?;
        Ok(())
    }
}

mod receiving {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Return;

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "ball-returned", version = 1)]
    pub struct Returned;

    #[command_handler]
    fn return_ball(_: Return) -> Returned {
        Returned
    }

    #[event_handler]
    async fn answer_service(_: super::serving::Served, app: &Dispatcher) -> Result<()> {
        app.execute(Return).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_chain_that_goes_from_dispatcher_to_dispatcher_is_counted_as_one() {
    let with = |builder: Builder| builder.max_causation_depth(5);
    on_each_with(serving::module(), with, |serving| async move {
        let receiving = Dispatcher::builder().module(receiving::module());
        let receiving = with(receiving).stores_of(&serving);
        let receiving = receiving.build().await.expect("builds");
        serving.execute(serving::Serve).await.expect("serves");
        let (name, error) = failing(&serving).await;
        assert_eq!(name, "serve_again");
        let text = "`Serve` would be command 6 of a chain of reactions, of which 5 are allowed: \
                    `answer_service` sent `Return`, `serve_again` sent `Serve`, `answer_service` \
                    sent `Return`, `serve_again` sent `Serve`, `answer_service` sent `Return`, \
                    `serve_again` sent `Serve`. Let a reaction";
        assert!(error.contains(text), "{error}");
        let events = serving.events(EventQuery::All).all().await.expect("reads");
        assert_eq!(events.len(), 6, "a service and five answers");
        assert!(receiving.health().is_ok());
    })
    .await;
}
