//! State folded from events: now, at a position, at a time; history; stored state.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cqrs_core::app::Builder;
use cqrs_core::prelude::*;
use cqrs_core::store::{Append, EventQuery, StateKey, StateWrite, Tag};

use crate::support::race;
use crate::support::stores::{on_each, on_each_with};

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Short)]
pub struct Transfer {
    #[id(Purse)]
    from: String,
    #[id(Purse)]
    to_id: String,
    coins: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Mint {
    #[id(Purse)]
    purse: String,
    coins: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "coins-minted", version = 1)]
pub struct CoinsMinted {
    #[id(Purse)]
    purse: String,
    coins: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "coins-transferred", version = 1)]
pub struct CoinsTransferred {
    #[id(Purse)]
    from: String,
    #[id(Purse)]
    to: String,
    coins: u32,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} coins are missing")]
pub struct Short(u32);

#[derive(Default)]
pub struct Purse {
    coins: i64,
}

#[aggregate(id = String)]
impl Purse {
    #[apply]
    fn minted(&mut self, event: &CoinsMinted) {
        self.coins += i64::from(event.coins);
    }

    /// A transfer concerns two purses; the id is that of the one that is folded.
    #[apply]
    fn transferred(&mut self, event: &CoinsTransferred, purse: &String) {
        if *purse == event.to {
            self.coins += i64::from(event.coins);
        }
        if *purse == event.from {
            self.coins -= i64::from(event.coins);
        }
    }
}

#[command_handler]
fn mint(Mint { purse, coins }: Mint) -> CoinsMinted {
    CoinsMinted { purse, coins }
}

/// Two aggregates of one type: the parameters are named as the fields.
#[command_handler]
fn transfer(cmd: Transfer, to: &Purse, from: &Purse) -> Result<CoinsTransferred, Short> {
    let Transfer {
        from: giver,
        to_id: taker,
        coins,
    } = cmd;
    assert!(to.coins >= 0);
    let missing = i64::from(coins) - from.coins;
    ensure!(missing <= 0, Short(u32::try_from(missing).unwrap_or(0)));
    Ok(CoinsTransferred {
        from: giver,
        to: taker,
        coins,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_aggregates_of_one_type_change_together() {
    on_each(module(), |app| async move {
        let names = ["ann", "bob", "cyd"];
        for purse in names {
            app.execute(Mint {
                purse: purse.into(),
                coins: 10,
            })
            .await
            .expect("mints");
        }
        let outcomes = race(32, |number| {
            let app = app.clone();
            let (from, to_id) = (names[number % 3].into(), names[(number + 1) % 3].into());
            async move {
                app.execute(Transfer {
                    from,
                    to_id,
                    coins: 7,
                })
                .await
            }
        })
        .await;
        for outcome in outcomes.into_iter().filter_map(Result::err) {
            assert!(
                matches!(outcome, CommandError::Rejected(Short(1..=7))),
                "{outcome:?}"
            );
        }
        let mut sum = 0;
        for name in names {
            let coins = app
                .state::<Purse>(&name.to_owned())
                .await
                .expect("reads")
                .coins;
            assert!(coins >= 0, "{name} has {coins}");
            sum += coins;
        }
        assert_eq!(sum, 30);
    })
    .await;
}

#[tokio::test]
async fn state_is_known_at_every_position_and_time() {
    let seconds = Arc::new(AtomicI64::new(0));
    let at = |seconds| Timestamp::from_second(1_700_000_000 + seconds).expect("a time");
    let clock = {
        let seconds = seconds.clone();
        move |builder: Builder| {
            let seconds = seconds.clone();
            builder.clock(move || at(seconds.load(Ordering::SeqCst)))
        }
    };
    on_each_with(module(), clock, |app| {
        let seconds = seconds.clone();
        async move {
            let ann = "ann".to_owned();
            for second in [10, 20, 30] {
                seconds.store(second, Ordering::SeqCst);
                app.execute(Mint {
                    purse: ann.clone(),
                    coins: 1,
                })
                .await
                .expect("mints");
                app.execute(Mint {
                    purse: "bob".into(),
                    coins: 1,
                })
                .await
                .expect("mints");
            }
            for (position, coins) in [(0, 0), (1, 1), (2, 1), (3, 2), (5, 3), (99, 3)] {
                let state = app.state::<Purse>(&ann).at(Position::new(position)).await;
                assert_eq!(state.expect("reads").coins, coins, "at position {position}");
            }
            for (second, coins) in [(9, 0), (10, 1), (19, 1), (20, 2), (31, 3)] {
                let state = app.state::<Purse>(&ann).at_time(at(second)).await;
                assert_eq!(state.expect("reads").coins, coins, "at second {second}");
            }
            // A clock that goes back does not: time never decreases along the log.
            seconds.store(5, Ordering::SeqCst);
            app.execute(Mint {
                purse: ann.clone(),
                coins: 1,
            })
            .await
            .expect("mints");
            let times: Vec<_> = app.events(EventQuery::All).all().await.expect("reads");
            assert!(
                times
                    .windows(2)
                    .all(|pair| pair[0].meta.time <= pair[1].meta.time)
            );
            assert_eq!(times.last().map(|event| event.meta.time), Some(at(30)));
        }
    })
    .await;
}

#[tokio::test]
async fn history_has_who_when_and_why() {
    on_each(module(), |app| async move {
        let correlation = cqrs_core::Uuid::now_v7();
        let mint = Mint {
            purse: "ann".into(),
            coins: 5,
        };
        let call = app
            .execute(mint)
            .actor(Actor::new("the mint"))
            .correlation(correlation);
        let before = Timestamp::now();
        let receipt = call.await.expect("mints");
        let transfer = Transfer {
            from: "ann".into(),
            to_id: "bob".into(),
            coins: 2,
        };
        app.execute(transfer).await.expect("transfers");
        let history = app
            .history::<Purse>(&"ann".to_owned())
            .all()
            .await
            .expect("reads");
        let [minted, transferred] = &history[..] else {
            panic!("{history:?}")
        };
        assert_eq!(minted.position, receipt.first());
        assert_eq!(
            (minted.data.event_type.as_str(), minted.data.version),
            ("coins-minted", 1)
        );
        assert_eq!(minted.meta.actor.as_deref(), Some("the mint"));
        assert_eq!(minted.meta.command, receipt.command());
        assert_eq!(minted.meta.correlation, correlation);
        assert_eq!(minted.meta.causation, receipt.command().as_uuid());
        assert!(minted.meta.time.as_second() >= before.as_second());
        assert_eq!(minted.data.json()["coins"], 5);
        assert_eq!(transferred.meta.actor, None);
        assert_eq!(
            transferred.meta.correlation,
            transferred.meta.command.as_uuid()
        );
        let tags: Vec<_> = transferred
            .data
            .tags
            .as_slice()
            .iter()
            .map(Tag::as_str)
            .collect();
        assert_eq!(tags, ["purse:ann", "purse:bob"]);
        assert_ne!(minted.meta.id, transferred.meta.id);
        let bob = app
            .history::<Purse>(&"bob".to_owned())
            .all()
            .await
            .expect("reads");
        assert_eq!(bob.len(), 1);
    })
    .await;
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = Short)]
pub struct Brew {
    #[id(Kettle)]
    kettle: u32,
    #[id(Cup)]
    cup: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Fill {
    #[id(Kettle)]
    kettle: u32,
    liters: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "kettle-filled", version = 1)]
pub struct KettleFilled {
    #[id(Kettle)]
    kettle: u32,
    liters: u32,
}

/// Concerns a cup, too, which the decision does not read.
#[derive(Event, Serialize, Deserialize)]
#[event(name = "tea-brewed", version = 1)]
pub struct TeaBrewed {
    #[id(Kettle)]
    kettle: u32,
    #[id(Cup)]
    cup: u32,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Kettle {
    liters: u32,
    folded: u32,
}

#[aggregate(id = u32, storage = "state")]
impl Kettle {
    #[apply]
    fn filled(&mut self, event: &KettleFilled) {
        self.liters += event.liters;
        self.folded += 1;
    }

    #[apply]
    fn brewed(&mut self, _: &TeaBrewed) {
        self.liters -= 1;
        self.folded += 1;
    }
}

#[derive(Default, Serialize, Deserialize)]
pub struct Cup {
    teas: u32,
}

#[aggregate(id = u32, storage = "state")]
impl Cup {
    #[apply]
    fn brewed(&mut self, _: &TeaBrewed) {
        self.teas += 1;
    }
}

#[command_handler]
fn fill(Fill { kettle, liters }: Fill) -> KettleFilled {
    KettleFilled { kettle, liters }
}

#[command_handler]
fn brew(cmd: Brew, kettle: &Kettle) -> Result<TeaBrewed, Short> {
    ensure!(kettle.liters > 0, Short(1));
    Ok(TeaBrewed {
        kettle: cmd.kettle,
        cup: cmd.cup,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stored_state_is_written_with_the_events() {
    on_each(module(), |app| async move {
        app.execute(Fill {
            kettle: 1,
            liters: 20,
        })
        .await
        .expect("fills");
        let outcomes = race(32, |number| {
            let app = app.clone();
            let cup = u32::try_from(number % 2).expect("small");
            async move { app.execute(Brew { kettle: 1, cup }).await }
        })
        .await;
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
            20
        );
        let keys = [("kettle", "1"), ("cup", "0"), ("cup", "1")];
        let keys = keys
            .map(|(aggregate, id)| StateKey {
                aggregate,
                id: id.into(),
            })
            .to_vec();
        let stored = app
            .log()
            .capabilities()
            .states
            .expect("it keeps states")
            .states(keys)
            .await
            .expect("reads");
        let mut stored = stored.into_iter().map(|state| state.expect("is stored"));
        let kettle = stored.next().expect("the kettle");
        assert_eq!(kettle.position.get(), 21);
        let kettle: Kettle = decode(&kettle.body);
        assert_eq!((kettle.liters, kettle.folded), (0, 21));
        let teas = stored.map(|cup| decode::<Cup>(&cup.body).teas);
        assert_eq!(teas.sum::<u32>(), 20);
        let past = app
            .state::<Kettle>(&1)
            .at(Position::new(1))
            .await
            .expect("reads");
        assert_eq!(past.liters, 20);
    })
    .await;
}

fn decode<A: serde::de::DeserializeOwned>(stored: &[u8]) -> A {
    let mut stored: serde_json::Value = serde_json::from_slice(stored).expect("is JSON");
    serde_json::from_value(stored["state"].take()).expect("is a state")
}

/// As after a change of the `#[apply]` methods, or of the type: the log has everything.
#[tokio::test]
async fn a_stored_state_that_other_code_folded_is_folded_anew() {
    on_each(module(), |app| async move {
        let fill = |liters| Fill { kettle: 5, liters };
        app.execute(fill(3)).await.expect("fills");
        let key = StateKey {
            aggregate: "kettle",
            id: "5".into(),
        };
        let stored = || async {
            let mut states = app
                .log()
                .capabilities()
                .states
                .expect("it keeps states")
                .states(vec![key.clone()])
                .await
                .expect("reads");
            states.pop().flatten().expect("is stored")
        };
        let whole = stored().await;
        let text = String::from_utf8(whole.body).expect("is text");
        let fingerprint = text.split(['{', ',']).nth(1).expect("the fingerprint");
        let other_code = text
            .replace(fingerprint, "\"fingerprint\":1")
            .replace(":3", ":900");
        for (number, body) in [other_code.as_str(), "{}", "no JSON"]
            .into_iter()
            .enumerate()
        {
            let based_on = Some(stored().await.position);
            let (key, body) = (key.clone(), body.as_bytes().to_vec());
            let append = Append::new(CommandId::new(), Vec::new()).state(StateWrite {
                key,
                body,
                based_on,
            });
            app.log().append(append).await.expect("is written");
            app.execute(fill(1)).await.expect("fills");
            let kettle: Kettle = decode(&stored().await.body);
            let fills = u32::try_from(number).expect("small") + 2;
            assert_eq!((kettle.liters, kettle.folded), (fills + 2, fills));
        }
    })
    .await;
}
