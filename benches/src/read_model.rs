//! A read model of the accounts, for the workload that keeps one up to date.

use cqrs_core::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::{AccountId, Deposited};

cqrs_core::module!();

#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct AccountView {
    #[key]
    pub account: AccountId,
    pub balance: u64,
}

pub struct Balances;

#[projection(name = "balances", version = 1)]
impl Balances {
    #[on]
    fn deposited(event: &Deposited, views: &mut Views<AccountView>) -> Result<()> {
        let before = views.get(&event.account)?.map_or(0, |view| view.balance);
        views.put(AccountView {
            account: event.account.clone(),
            balance: before + event.amount,
        });
        Ok(())
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Option<AccountView>)]
pub struct GetAccount {
    pub account: AccountId,
}

#[query_handler]
async fn account(query: GetAccount, views: Read<AccountView>) -> Result<Option<AccountView>> {
    views.get(&query.account).await
}
