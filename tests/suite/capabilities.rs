//! A domain works on a log that lacks a capability, or `build` says what it needs.

use std::sync::Arc;

use cqrs_core::Memory;
use cqrs_core::prelude::*;

use crate::support::decorated::Decorated;
use crate::support::lacking::{Gapped, Lack};
use crate::support::race;
use crate::support::stores::on_each;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Earn {
    #[id(Wallet)]
    wallet: String,
    coins: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Pay {
    #[id(Wallet)]
    sender: String,
    #[id(Wallet)]
    receiver: String,
    coins: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "coins-earned", version = 1)]
pub struct CoinsEarned {
    #[id(Wallet)]
    wallet: String,
    coins: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "coins-paid", version = 1)]
pub struct CoinsPaid {
    #[id(Wallet)]
    sender: String,
    #[id(Wallet)]
    receiver: String,
    coins: u32,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Wallet {
    coins: i64,
}

#[aggregate(id = String, snapshot_every = 3)]
impl Wallet {
    #[apply]
    fn earned(&mut self, event: &CoinsEarned) {
        self.coins += i64::from(event.coins);
    }

    #[apply]
    fn paid(&mut self, event: &CoinsPaid, wallet: &String) {
        let coins = i64::from(event.coins);
        self.coins += if *wallet == event.receiver {
            coins
        } else {
            -coins
        };
    }
}

#[command_handler]
fn earn(Earn { wallet, coins }: Earn, _: &Wallet) -> CoinsEarned {
    CoinsEarned { wallet, coins }
}

#[command_handler]
fn pay(command: Pay, sender: &Wallet, receiver: &Wallet) -> Result<CoinsPaid, Rejected> {
    ensure!(receiver.coins >= 0, "a wallet with debts");
    ensure!(sender.coins >= i64::from(command.coins), "too few coins");
    let Pay {
        sender,
        receiver,
        coins,
    } = command;
    Ok(CoinsPaid {
        sender,
        receiver,
        coins,
    })
}

#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Earnings {
    #[key]
    wallet: String,
    coins: u32,
}

pub struct EarningsOfWallets;

#[projection(name = "earnings-of-wallets", version = 1)]
impl EarningsOfWallets {
    #[on]
    fn earned(event: &CoinsEarned, earnings: &mut Views<Earnings>) -> Result<()> {
        let known = earnings.get(&event.wallet)?;
        earnings.put(Earnings {
            wallet: event.wallet.clone(),
            coins: event.coins + known.map_or(0, |known| known.coins),
        });
        Ok(())
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Option<Earnings>)]
pub struct EarningsOf {
    wallet: String,
}

#[query_handler]
async fn earnings_of(query: EarningsOf, earnings: Read<Earnings>) -> Result<Option<Earnings>> {
    earnings.get(&query.wallet).await
}

/// Three wallets earn, and pay each other at the same time.
async fn wallets_pay_each_other(app: &Dispatcher, name: &str) {
    let wallets = ["a", "b", "c"].map(|wallet| format!("{name}-{wallet}"));
    let earn = |wallet: &String, coins| Earn {
        wallet: wallet.clone(),
        coins,
    };
    for wallet in &wallets {
        app.execute(earn(wallet, 4)).await.expect("earns");
    }
    let outcomes = race(24, |number| {
        let app = app.clone();
        let pay = Pay {
            sender: wallets[number % 3].clone(),
            receiver: wallets[(number + 1 + number % 2) % 3].clone(),
            coins: 3,
        };
        async move { app.execute(pay).await }
    })
    .await;
    let mut paid = 0;
    for outcome in outcomes {
        match outcome {
            Ok(_) => paid += 1,
            Err(CommandError::Rejected(_)) => {}
            Err(error) => panic!("{name}: {error}"),
        }
    }
    assert!(paid > 0, "{name}: nobody paid");
    let mut sum = 0;
    for wallet in &wallets {
        let coins = app.state::<Wallet>(wallet).await.expect("a wallet").coins;
        assert!(coins >= 0, "{name}: {wallet} has {coins} coins");
        sum += coins;
    }
    assert_eq!(sum, 12, "{name}");

    let receipt = app.execute(earn(&wallets[0], 2)).await.expect("earns");
    let again = app
        .execute(earn(&wallets[0], 2))
        .id(receipt.command())
        .await;
    assert!(again.expect("it is the same").replayed(), "{name}");
    let wallet = wallets[0].clone();
    let seen = app.query(EarningsOf { wallet }).after(&receipt).await;
    assert_eq!(seen.expect("earnings").expect("some").coins, 6, "{name}");

    // What was known at the time of each event, among those recorded at the same time.
    let history = app.history::<Wallet>(&wallets[0]).all().await;
    let history = history.expect("a history");
    assert_eq!(history.last().expect("an event").position, receipt.last());
    for event in &history {
        let time = event.meta.time;
        let last = history.iter().rfind(|event| event.meta.time <= time);
        let at = last.expect("an event").position;
        let by_time = app.state::<Wallet>(&wallets[0]).at_time(time).await;
        let by_position = app.state::<Wallet>(&wallets[0]).at(at).await;
        let coins = by_position.expect("a wallet").coins;
        assert_eq!(by_time.expect("a wallet").coins, coins, "{name} at {time}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_works_on_a_log_that_lacks_a_capability() {
    on_each(module(), |app| async move {
        for lack in Lack::ALL {
            for states in [0, 100] {
                let log = Decorated {
                    store: app.log().clone(),
                    hooks: lack,
                };
                let builder = Dispatcher::builder().module(module()).attempts(1000);
                let builder = builder.state_cache(states).log(log).views(Memory::new());
                let app = builder.build().await.expect("builds");
                wallets_pay_each_other(&app, &format!("{lack:?}-{states}")).await;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_works_on_a_log_whose_positions_have_gaps() {
    let log = Arc::new(Gapped::new());
    for states in [0, 100] {
        let builder = Dispatcher::builder().module(module()).attempts(1000);
        let builder = builder.state_cache(states).log(log.clone());
        let app = builder.views(Memory::new()).build().await.expect("builds");
        wallets_pay_each_other(&app, &format!("gaps-{states}")).await;
    }
}

#[tokio::test]
async fn stored_states_need_a_log_that_keeps_them() {
    for (lack, why) in [
        (Lack::States, "the log keeps no states"),
        (
            Lack::SeveralBoundaries,
            "the log takes one boundary per append",
        ),
    ] {
        let log = Decorated {
            store: Arc::new(Memory::new()),
            hooks: lack,
        };
        let builder = Dispatcher::builder().module(crate::sourcing::module());
        let built = builder.log(log).views(Memory::new()).build().await;
        let error = built.err().expect("nothing keeps its states").to_string();
        let problem = format!("aggregate `kettle` has `storage = \"state\"`, but {why}");
        assert!(error.contains(&problem), "{error}");
        assert!(error.contains("sourcing.rs:"), "{error}");
    }
}

#[test]
fn decorators_inherit_no_default() {
    let stores = ["Memory", "Sqlite", "Postgres", "UmaDb", "PlainLog"];
    let contract = [
        "EventLog",
        "ViewStore",
        "StateStore",
        "FoldReads",
        "TailReads",
        "Admission",
    ];
    let mut decorators = 0;
    for file in sources() {
        let text = std::fs::read_to_string(&file).expect("a source can be read");
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let Some((head, of)) = line.trim().split_once(" for ") else {
                continue;
            };
            let is_contract = contract.iter().any(|it| head.ends_with(&format!(" {it}")));
            let is_store = stores.iter().any(|it| of.starts_with(&format!("{it} ")));
            if !head.starts_with("impl") || !is_contract || is_store {
                continue;
            }
            decorators += 1;
            let before = lines[number.saturating_sub(1)]
                .trim()
                .trim_start_matches("/// ");
            assert_eq!(
                before,
                "#[deny(clippy::missing_trait_methods)]",
                "{}:{}",
                file.display(),
                number + 1
            );
        }
    }
    assert!(decorators > 5, "{decorators} decorators were found");
}

/// All Rust sources of the workspace's crates.
fn sources() -> Vec<std::path::PathBuf> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders = ["cqrs-core/src", "adapters", "tests/suite"]
        .map(|it| root.join(it))
        .to_vec();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                sources.push(path);
            }
        }
    }
    sources
}
