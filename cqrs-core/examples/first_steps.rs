//! A bank account: a command is decided on the state of an aggregate and recorded as an event, a
//! projection folds the events into a read model, and a query reads that.
//!
//! `cargo run -p wired-cqrs --example first_steps`

use cqrs_core::prelude::*;

// Commands: what the program is asked to do. `#[id(Account)]` says which account it is about.

#[derive(Command, Clone, Serialize, Deserialize)]
struct Deposit {
    #[id(Account)]
    account: String,
    cents: u64,
}

#[derive(Command, Clone, Serialize, Deserialize)]
struct Withdraw {
    #[id(Account)]
    account: String,
    cents: u64,
}

// Events: what happened. Their names and versions are stored, and outlive the Rust types.

#[derive(Event, Serialize, Deserialize)]
#[event(name = "deposited", version = 1)]
struct Deposited {
    #[id(Account)]
    account: String,
    cents: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "withdrawn", version = 1)]
struct Withdrawn {
    #[id(Account)]
    account: String,
    cents: u64,
}

/// What a decision needs to know about an account.
#[derive(Default)]
struct Account {
    cents: u64,
}

#[aggregate(id = String)]
impl Account {
    #[apply]
    fn deposited(&mut self, event: &Deposited) {
        self.cents += event.cents;
    }

    #[apply]
    fn withdrawn(&mut self, event: &Withdrawn) {
        self.cents -= event.cents;
    }
}

// Command handlers: plain functions from a command and a state to events or a rejection.

#[command_handler]
fn deposit(Deposit { account, cents }: Deposit) -> Deposited {
    Deposited { account, cents }
}

#[command_handler]
fn withdraw(command: Withdraw, account: &Account) -> Result<Withdrawn, Rejected> {
    ensure!(command.cents <= account.cents, "the balance is too low");
    let Withdraw { account, cents } = command;
    Ok(Withdrawn { account, cents })
}

/// The read model: one view per account.
#[derive(ReadModel, Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Balance {
    #[key]
    account: String,
    cents: u64,
    movements: u32,
}

#[projection(name = "balances", version = 1)]
impl Balance {
    #[on]
    fn deposited(event: &Deposited, balances: &mut Views<Balance>) -> Result<()> {
        balances.upsert(
            &event.account,
            || Balance {
                account: event.account.clone(),
                cents: event.cents,
                movements: 1,
            },
            |balance| {
                balance.cents += event.cents;
                balance.movements += 1;
            },
        )
    }

    #[on]
    fn withdrawn(event: &Withdrawn, balances: &mut Views<Balance>) -> Result<()> {
        balances.update(&event.account, |balance| {
            balance.cents -= event.cents;
            balance.movements += 1;
        })?;
        Ok(())
    }
}

#[derive(Query, Serialize, Deserialize)]
#[query(returns = Option<Balance>)]
struct GetBalance {
    account: String,
}

#[query_handler]
async fn get_balance(query: GetBalance, balances: Read<Balance>) -> Result<Option<Balance>> {
    balances.get(&query.account).await
}

#[tokio::main]
async fn main() -> Result<()> {
    let bank = Dispatcher::builder().store(Memory::new()).build().await?;
    let account = || "A-1".to_owned();

    bank.execute(Deposit {
        account: account(),
        cents: 5_000,
    })
    .await?;
    let receipt = bank
        .execute(Withdraw {
            account: account(),
            cents: 1_500,
        })
        .await?;

    // The balance does not cover it: nothing is recorded.
    let refused = bank
        .execute(Withdraw {
            account: account(),
            cents: 4_000,
        })
        .await;
    let error = refused.expect_err("exceeds the balance");
    println!("rejected: {error}");
    assert_eq!(error.to_string(), "the balance is too low");

    // `after` waits until the read model has reached what the receipt stands for.
    let balance = bank
        .query(GetBalance { account: account() })
        .after(&receipt)
        .await?;
    println!("{balance:?}");
    assert_eq!(
        balance,
        Some(Balance {
            account: account(),
            cents: 3_500,
            movements: 2
        })
    );
    Ok(())
}
