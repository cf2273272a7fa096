//! Promises about rows and events that hold however a handler writes its rows.

use std::ops::Range;
use std::time::Duration;

use cqrs_core::{CommandError, CommandId, Dispatcher};
use tokio::sync::watch;

use super::messages::{Count, Counted, Label, Labels, Move};
use super::{Setting, head, pieces, receive};
use crate::support::postgres::Schema;
use crate::support::race;

pub async fn one_id_writes_once(settings: Vec<Setting>) {
    for it in settings {
        let app = it.app().await;
        let id = CommandId::new();
        let receipts = race(16, |_| {
            let app = app.clone();
            async move { app.execute(receive(1, 5)).id(id).await.expect("receives") }
        })
        .await;
        assert!(
            receipts.iter().all(|it| it.last().get() == 1),
            "{}",
            it.name
        );
        assert_eq!(pieces(&app, 1).await, 5, "{}", it.name);
        let other = app.execute(receive(1, 6)).id(id).await;
        assert!(matches!(other, Err(CommandError::Invalid(_))));
        assert_eq!(pieces(&app, 1).await, 5);
    }
}

/// State in tables alone: the command is still recorded, and is not repeated.
pub async fn a_command_without_events_writes_once(settings: Vec<Setting>) {
    for it in settings {
        let app = it.app().await;
        let count = |pieces| Count { article: 1, pieces };
        let id = CommandId::new();
        for _ in 0..2 {
            app.execute(count(3)).id(id).await.expect("counts");
        }
        app.execute(count(4)).await.expect("counts");
        assert_eq!(pieces(&app, 1).await, 7, "{}", it.name);
        assert_eq!(head(&app).await, 0);
    }
}

/// The number of a label follows from the state, so a row of an attempt that lost would be a second one,
/// or a violation of the key.
pub async fn a_boundary_holds_for_rows(settings: Vec<Setting>) {
    for it in settings {
        let dispatchers = [it.app().await, it.app().await];
        race(24, |number| {
            let app = dispatchers[number % 2].clone();
            async move { app.execute(Label { article: 7 }).await.expect("labels") }
        })
        .await;
        let labels = dispatchers[0].query(Labels { article: 7 }).await;
        assert_eq!(
            labels.expect("an answer"),
            (1..=24).collect::<Vec<i64>>(),
            "{}",
            it.name
        );
    }
}

/// Rows are changed in any order, by two dispatchers.
pub async fn racing_moves_all_succeed(settings: Vec<Setting>) {
    for it in settings {
        // A server that was given to the tests may take a second to detect a deadlock.
        let app = async || {
            let builder = it.builder().max_transaction(Duration::from_secs(60));
            builder.build().await.expect("builds")
        };
        let dispatchers = [app().await, app().await];
        receive_hundred_each(&dispatchers[0]).await;
        race(24, |number| {
            let app = dispatchers[number % 2].clone();
            let (from, to) = neighbors(number);
            async move { app.execute(Move { from, to }).await.expect("moves") }
        })
        .await;
        assert_all_pieces(&dispatchers[0], it.name).await;
    }
}

/// Two of three articles, in each order.
pub fn neighbors(number: usize) -> (u32, u32) {
    let number = u32::try_from(number).expect("few");
    (number % 3, (number + 1 + number / 3 % 2) % 3)
}

/// The start of moves between three articles.
pub async fn receive_hundred_each(app: &Dispatcher) {
    for article in 0..3 {
        app.execute(receive(article, 100)).await.expect("receives");
    }
}

/// The end of moves: rows and events agree, and no piece is lost.
pub async fn assert_all_pieces(app: &Dispatcher, store: &str) {
    let mut all = 0;
    for article in 0..3 {
        let counted = app.state::<Counted>(&article).await.expect("a state");
        assert_eq!(counted.pieces, pieces(app, article).await, "{store}");
        all += counted.pieces;
    }
    assert_eq!(all, 300, "{store}");
}

/// Number of times that connections are ended, at most, before the next command is answered. On a loaded machine, a
/// command would take longer than it ever has.
const MAX_LOSSES: u32 = 10;

/// Connections are ended at any time, also between a commit and its answer. Each of four callers sends
/// `each` commands until they are answered. `pause` is in milliseconds.
pub async fn lost_connections_repeat_nothing(
    schema: &Schema,
    app: &Dispatcher,
    each: u32,
    pause: Range<u64>,
) {
    let name = schema.name().to_owned();
    let client = schema.client().await;
    let answered = watch::Sender::new(0_u32);
    let mut answers = answered.subscribe();
    let killer = tokio::spawn(async move {
        let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                         WHERE application_name = $1 ORDER BY state = 'idle', random() LIMIT 2";
        loop {
            for _ in 0..MAX_LOSSES {
                client.query(terminate, &[&name]).await.expect("terminates");
                // Spaces the random ends, so that some commands are in progress. Nothing depends on it.
                tokio::time::sleep(Duration::from_millis(fastrand::u64(pause.clone()))).await;
                if answers.has_changed().expect("the sender is here") {
                    break;
                }
            }
            answers.changed().await.expect("the sender is here");
        }
    });
    race(4, |number| {
        let app = app.clone();
        let answered = answered.clone();
        let article = u32::try_from(number % 2).expect("few");
        async move {
            for _ in 0..each {
                let id = CommandId::new();
                while let Err(error) = app.execute(receive(article, 1)).id(id).await {
                    assert!(matches!(error, CommandError::Failed(_)), "{error}");
                }
                answered.send_modify(|answers| *answers += 1);
            }
        }
    })
    .await;
    killer.abort();
    let _ = killer.await;
    let name = schema.name();
    let client = schema.client().await;
    for count in [
        format!("SELECT sum(pieces)::bigint FROM {name}.stock"),
        format!("SELECT count(*) FROM {name}.events"),
    ] {
        let row = client.query_one(&count, &[]).await.expect("a row");
        assert_eq!(row.get::<_, i64>(0), i64::from(4 * each), "{count}");
    }
}
