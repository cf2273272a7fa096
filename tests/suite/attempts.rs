//! Commands whose handler runs once, even on a conflict: `#[command(attempts = 1)]`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cqrs_core::prelude::*;
use tokio::sync::Semaphore;

use crate::support::stores::on_each_with;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(attempts = 1)]
pub struct Charge {
    #[id(Wallet)]
    wallet: u32,
    coins: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Fill {
    #[id(Wallet)]
    wallet: u32,
    coins: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "wallet-charged", version = 1)]
pub struct Charged {
    #[id(Wallet)]
    wallet: u32,
    coins: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "wallet-filled", version = 1)]
pub struct Filled {
    #[id(Wallet)]
    wallet: u32,
    coins: u32,
}

#[derive(Default)]
pub struct Wallet {
    coins: u32,
}

#[aggregate(id = u32)]
impl Wallet {
    #[apply]
    fn charged(&mut self, event: &Charged) {
        self.coins -= event.coins;
    }

    #[apply]
    fn filled(&mut self, event: &Filled) {
        self.coins += event.coins;
    }
}

/// A service that must not be asked twice.
pub struct Bank {
    requests: AtomicUsize,
    begun: Semaphore,
    answers: Semaphore,
}

impl Bank {
    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

#[command_handler]
async fn charge(cmd: Charge, wallet: &Wallet, bank: Service<Bank>) -> Result<Charged, Rejected> {
    bank.requests.fetch_add(1, Ordering::SeqCst);
    bank.begun.add_permits(1);
    let answer = bank.answers.acquire().await;
    answer.expect("the bank is open").forget();
    ensure!(wallet.coins >= cmd.coins, "not enough coins");
    Ok(Charged {
        wallet: cmd.wallet,
        coins: cmd.coins,
    })
}

#[command_handler]
fn fill(cmd: Fill) -> Filled {
    Filled {
        wallet: cmd.wallet,
        coins: cmd.coins,
    }
}

const WALLET: u32 = 1;

async fn in_a_bank<F: Future>(test: impl Fn(Dispatcher, Arc<Bank>) -> F) {
    let bank = || {
        Arc::new(Bank {
            requests: AtomicUsize::new(0),
            begun: Semaphore::new(0),
            answers: Semaphore::new(0),
        })
    };
    let unused = |builder: cqrs_core::app::Builder| builder.provide(bank());
    on_each_with(module(), unused, |app| {
        let (bank, test) = (bank(), &test);
        async move {
            let builder = Dispatcher::builder().module(module()).provide(bank.clone());
            let builder = builder.stores_of(&app);
            test(builder.build().await.expect("builds"), bank).await;
        }
    })
    .await;
}

fn charge_of(coins: u32) -> Charge {
    let wallet = WALLET;
    Charge { wallet, coins }
}

fn fill_with(coins: u32) -> Fill {
    let wallet = WALLET;
    Fill { wallet, coins }
}

#[tokio::test]
async fn a_conflict_is_returned_and_the_handler_does_not_run_again() {
    in_a_bank(|app, bank| async move {
        app.execute(fill_with(9)).await.expect("fills");
        let fill = async {
            bank.begun.acquire().await.expect("is open").forget();
            app.execute(fill_with(1)).await.expect("fills");
            bank.answers.add_permits(1);
        };
        let (charged, ()) = tokio::join!(app.execute(charge_of(1)).into_future(), fill);
        match charged {
            Err(CommandError::Conflict { attempts: 1, .. }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(bank.requests(), 1);
    })
    .await;
}

/// Others decide again when the state that a rejection was made on is behind.
#[tokio::test]
async fn it_decides_on_the_newest_state_the_first_time() {
    in_a_bank(|app, bank| async move {
        bank.answers.add_permits(9);
        app.execute(fill_with(1)).await.expect("fills");
        app.execute(charge_of(1)).await.expect("charges");
        // The empty wallet is in the cache, and this does not read it.
        app.execute(fill_with(1)).await.expect("fills");
        app.execute(charge_of(1)).await.expect("charges");
        assert_eq!(bank.requests(), 2);
        let error = app.execute(charge_of(1)).await.expect_err("is empty");
        assert!(error.rejected().is_some());
        assert_eq!(bank.requests(), 3);
    })
    .await;
}
