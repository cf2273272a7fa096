//! The same domain as `src/domain.rs` of the benchmarks, in the style of evento.

use bincode::{Decode, Encode};
use evento::{AggregatorName, EventDetails};
use serde::{Deserialize, Serialize};

#[derive(AggregatorName, Encode, Decode)]
pub struct Deposited {
    pub amount: u64,
}

/// An account that holds at most [`LIMIT`].
#[derive(Clone, Debug, Default, Serialize, Deserialize, Encode, Decode)]
pub struct Account {
    pub balance: u64,
}

pub const LIMIT: u64 = 1 << 40;

#[evento::aggregator]
impl Account {
    async fn deposited(&mut self, event: EventDetails<Deposited>) -> anyhow::Result<()> {
        self.balance += event.data.amount;
        Ok(())
    }
}
