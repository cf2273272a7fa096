//! Three projections of the same events.

use cqrs_core::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::{AccountId, Deposited};

cqrs_core::module!();

macro_rules! balances {
    ($($projection:ident $name:literal $view:ident;)+) => {$(
        #[derive(ReadModel, Clone, Serialize, Deserialize)]
        pub struct $view {
            #[key]
            pub account: AccountId,
            pub balance: u64,
        }

        pub struct $projection;

        #[projection(name = $name, version = 1)]
        impl $projection {
            #[on]
            fn deposited(event: &Deposited, views: &mut Views<$view>) -> Result<()> {
                let before = views.get(&event.account)?.map_or(0, |view| view.balance);
                views.put($view {
                    account: event.account.clone(),
                    balance: before + event.amount,
                });
                Ok(())
            }
        }
    )+};
}

balances! {
    First "first" FirstView;
    Second "second" SecondView;
    Third "third" ThirdView;
}
