//! The real thing: a dispatcher on a store that can be restarted.

use std::path::PathBuf;

use cqrs_core::Aggregate;
use cqrs_core::error::Invalid;
use cqrs_core::prelude::*;
use cqrs_core::store::StateKey;
use cqrs_sqlite::Sqlite;
use tempfile::TempDir;

use super::domain::{
    self, Account, AllCards, Deposit, Deposited, Open, Opened, Refusal, Reward, Rewarded, Seal,
    SealChanged, Stash, Stashed, Vault,
};
use super::world::{Fact, Intent, Model};

/// Where the data are while no dispatcher runs.
pub enum Place {
    Memory(Memory),
    Sqlite(TempDir),
}

/// What the dispatcher answered.
#[derive(Debug)]
pub enum Answer {
    Done(Receipt),
    Refused(Refusal),
    /// The id is another command's.
    Taken,
}

impl Place {
    pub fn memory() -> Self {
        Self::Memory(Memory::new())
    }

    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().expect("a directory can be made"))
    }

    pub async fn start(&self) -> Dispatcher {
        let builder = Dispatcher::builder().module(domain::module());
        let builder = match self {
            Self::Memory(store) => builder.store(store.clone()),
            Self::Sqlite(directory) => {
                let path: PathBuf = directory.path().join("log.db");
                // A small window: some boundaries are decided by what is in the database.
                let store = Sqlite::options().window(3).open(path).await;
                builder.store(store.expect("SQLite opens"))
            }
        };
        builder.build().await.expect("the domain is wired")
    }
}

pub async fn send(app: Dispatcher, id: CommandId, intent: Intent) -> Answer {
    match intent {
        Intent::Open(account) => answer(app.execute(Open { account }).id(id).await),
        Intent::Deposit(account, parts) => {
            answer(app.execute(Deposit { account, parts }).id(id).await)
        }
        Intent::Stash(account, vault, amount) => {
            let stash = Stash {
                account,
                vault,
                amount,
            };
            answer(app.execute(stash).id(id).await)
        }
        Intent::Seal(vault, sealed) => answer(
            app.execute(Seal { vault, sealed })
                .id(id)
                .await
                .map_err(never_refused),
        ),
        Intent::Reward(vault, amount) => answer(
            app.execute(Reward { vault, amount })
                .id(id)
                .await
                .map_err(never_refused),
        ),
    }
}

/// Of a command that has no error of its own.
fn never_refused<E: std::fmt::Display>(error: CommandError<E>) -> CommandError<Refusal> {
    error.map_rejected(|refusal| panic!("refused: {refusal}"))
}

fn answer(result: Result<Receipt, CommandError<Refusal>>) -> Answer {
    match result {
        Ok(receipt) => Answer::Done(receipt),
        Err(CommandError::Rejected(refusal)) => Answer::Refused(refusal),
        Err(CommandError::Invalid(Invalid {
            field: None,
            reason,
            ..
        })) => {
            assert!(reason.contains("used before"), "invalid: {reason}");
            Answer::Taken
        }
        Err(error) => panic!("neither done nor refused: {error}"),
    }
}

pub fn fact(event: &Recorded) -> Fact {
    fn decode<E: Event>(event: &Recorded) -> E {
        event.decode().expect("an event of this domain")
    }
    match event.data.event_type.as_str() {
        "opened" => Fact::Opened(decode::<Opened>(event).account),
        "deposited" => {
            let Deposited { account, amount } = decode(event);
            Fact::Deposited(account, amount)
        }
        "stashed" => {
            let Stashed {
                account,
                vault,
                amount,
            } = decode(event);
            Fact::Stashed(account, vault, amount)
        }
        "seal-changed" => {
            let SealChanged { vault, sealed } = decode(event);
            Fact::SealChanged(vault, sealed)
        }
        "rewarded" => {
            let Rewarded { vault, amount } = decode(event);
            Fact::Rewarded(vault, amount)
        }
        other => panic!("no event of this domain: {other}"),
    }
}

/// That states, history and read models are what the model says.
pub async fn check(app: &Dispatcher, model: &Model, ids: std::ops::Range<u8>, glance: u64) {
    let now = model.world(model.head());
    let at = Position::new(glance % (model.facts.len() as u64 + 1));
    let then = model.world(at);
    for id in ids {
        let account = app.state::<Account>(&id).await.expect("a state");
        assert_eq!(account, now.account(id), "account {id}");
        let account = app.state::<Account>(&id).at(at).await.expect("a state");
        assert_eq!(account, then.account(id), "account {id} at {at}");
        let vault = app.state::<Vault>(&id).await.expect("a state");
        assert_eq!(vault, now.vault(id), "vault {id}");
        let vault = app.state::<Vault>(&id).at(at).await.expect("a state");
        assert_eq!(vault, then.vault(id), "vault {id} at {at}");

        let changes = history(app.history::<Vault>(&id).all().await.expect("a history"));
        let expected = about(model, |fact| match *fact {
            Fact::Stashed(_, vault, _) | Fact::SealChanged(vault, _) | Fact::Rewarded(vault, _) => {
                vault == id
            }
            _ => false,
        });
        assert_eq!(changes, expected, "the history of vault {id}");
        stored(app, id, &now.vault(id), expected.last().map(|last| last.0)).await;
        let changes = history(app.history::<Account>(&id).all().await.expect("a history"));
        let expected = about(model, |fact| match *fact {
            Fact::Opened(account) | Fact::Deposited(account, _) | Fact::Stashed(account, _, _) => {
                account == id
            }
            _ => false,
        });
        assert_eq!(changes, expected, "the history of account {id}");
    }

    let cards = app.query(AllCards {}).after_position(model.head()).await;
    let (accounts, vaults) = cards.expect("the read models have caught up");
    let mut expected: Vec<_> = now.account_cards.into_values().collect();
    expected.sort_by_key(|card| (card.balance, card.account.to_string()));
    expected.reverse();
    assert_eq!(accounts, expected, "account cards, the richest first");
    assert_eq!(
        vaults,
        now.vault_cards.into_values().collect::<Vec<_>>(),
        "vault cards"
    );
    assert!(app.health().is_ok(), "{:?}", app.health());
}

fn about(model: &Model, concerns: impl Fn(&Fact) -> bool) -> Vec<(Position, Fact)> {
    let facts = model
        .facts
        .iter()
        .zip(1..)
        .filter(|((_, fact), _)| concerns(fact));
    facts
        .map(|((_, fact), at)| (Position::new(at), fact.clone()))
        .collect()
}

fn history(events: Vec<std::sync::Arc<Recorded>>) -> Vec<(Position, Fact)> {
    events
        .iter()
        .map(|event| (event.position, fact(event)))
        .collect()
}

/// That the row of a stored state agrees with the log, too.
async fn stored(app: &Dispatcher, id: u8, vault: &Vault, last: Option<Position>) {
    let key = StateKey {
        aggregate: "vault",
        id: id.to_string(),
    };
    let state = app
        .log()
        .capabilities()
        .states
        .expect("it keeps states")
        .states(vec![key])
        .await
        .expect("states")
        .remove(0);
    assert_eq!(
        state.as_ref().map(|state| state.position),
        last,
        "the stored vault's position"
    );
    if let Some(state) = state {
        let body = Vault::restore(&state.body).expect("a vault");
        assert_eq!(body, *vault, "the stored vault");
    }
}
