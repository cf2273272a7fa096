//! The balances of the accounts, by a projection that can be divided into shards.

use cqrs_core::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::{AccountId, Deposited};

cqrs_core::module!();

#[derive(ReadModel, Clone, Serialize, Deserialize)]
pub struct DividedView {
    #[key]
    pub account: AccountId,
    pub balance: u64,
}

pub struct Divided;

#[projection(name = "divided", version = 1, partition = Account)]
impl Divided {
    #[on]
    fn deposited(event: &Deposited, views: &mut Views<DividedView>) -> Result<()> {
        let before = views.get(&event.account)?.map_or(0, |view| view.balance);
        views.put(DividedView {
            account: event.account.clone(),
            balance: before + event.amount,
        });
        Ok(())
    }
}
