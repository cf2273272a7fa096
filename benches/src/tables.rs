//! The accounts in a table, written in the transaction of their events.

use cqrs_core::prelude::*;
use cqrs_postgres::Postgres;
use serde::{Deserialize, Serialize};

use crate::domain::{Account, AccountId, Deposited};

cqrs_core::module!();

/// Deposits money into an account, and adds it to the account's row.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct BookByTx {
    #[id(Account)]
    pub account: AccountId,
    pub amount: u64,
}

/// The same, by a statement that the handler records and nobody waits for.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct BookByWrites {
    #[id(Account)]
    pub account: AccountId,
    pub amount: u64,
}

const UPSERT: &str = "INSERT INTO balances (account, balance) VALUES ($1, $2) \
     ON CONFLICT (account) DO UPDATE SET balance = balances.balance + excluded.balance";

#[command_handler]
async fn book_by_tx(
    command: BookByTx,
    _: &Account,
    tx: &mut Tx<Postgres>,
) -> Result<Deposited, CommandError<Rejected>> {
    let BookByTx { account, amount } = command;
    tx.execute(UPSERT, &[&account.0, &amount.cast_signed()])
        .await
        .map_err(CommandError::failed)?;
    Ok(Deposited { account, amount })
}

#[command_handler]
fn book_by_writes(
    command: BookByWrites,
    _: &Account,
    writes: &mut Writes<Postgres>,
) -> Result<Deposited, Rejected> {
    let BookByWrites { account, amount } = command;
    writes.execute(UPSERT, (account.0.clone(), amount.cast_signed()));
    Ok(Deposited { account, amount })
}

/// Contents of an account's row.
#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = i64)]
pub struct GetBalance {
    pub account: AccountId,
}

#[query_handler]
async fn balance(query: GetBalance, sql: ReadTx<Postgres>) -> Result<i64> {
    let select = "SELECT balance FROM balances WHERE account = $1";
    let row = sql.query_one(select, &[&query.account.0]).await?;
    Ok(row.try_get(0)?)
}
