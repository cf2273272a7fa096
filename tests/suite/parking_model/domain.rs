//! Coins of which some cannot be handled for a while.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cqrs_core::prelude::*;

cqrs_core::module!();

/// A coin of a jar.
pub type Place = (u32, u32);

static FALSE: Mutex<BTreeSet<Place>> = Mutex::new(BTreeSet::new());

/// The coins that fail. Each case of a test has jars of its own.
pub fn false_coins() -> MutexGuard<'static, BTreeSet<Place>> {
    FALSE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct PutCoins {
    pub coins: Vec<Place>,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct WeighCoin {
    pub jar: u32,
    pub coin: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "modeled-coin-put", version = 1)]
pub struct CoinPut {
    #[id("jar")]
    pub jar: u32,
    pub coin: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "modeled-coin-weighed", version = 1)]
pub struct CoinWeighed {
    #[id("jar")]
    pub jar: u32,
    pub coin: u32,
}

#[command_handler]
fn put(PutCoins { coins }: PutCoins) -> Vec<CoinPut> {
    let put = |(jar, coin)| CoinPut { jar, coin };
    coins.into_iter().map(put).collect()
}

#[command_handler]
fn weigh(WeighCoin { jar, coin }: WeighCoin) -> Result<CoinWeighed, Rejected> {
    ensure!(!false_coins().contains(&(jar, coin)), "the coin is false");
    Ok(CoinWeighed { jar, coin })
}

#[event_handler(name = "modeled-weighing", partition = "jar", on_failure = "park")]
async fn weigh_each(CoinPut { jar, coin }: CoinPut, app: &Dispatcher) -> Result<()> {
    app.execute(WeighCoin { jar, coin }).await?;
    Ok(())
}

#[derive(ReadModel, Clone, Default, Debug, Serialize, Deserialize)]
#[read_model(name = "modeled_jar")]
pub struct Jar {
    #[key]
    pub id: u32,
    pub coins: Vec<u32>,
    pub weighed: Vec<u32>,
}

impl Jar {
    fn empty(id: u32) -> Self {
        Self {
            id,
            ..Self::default()
        }
    }
}

pub struct Jars;

#[projection(
    name = "modeled-jars",
    version = 1,
    partition = "jar",
    on_failure = "park"
)]
impl Jars {
    #[on]
    fn put(event: &CoinPut, jars: &mut Views<Jar>) -> Result<()> {
        let CoinPut { jar, coin } = *event;
        let is_false = false_coins().contains(&(jar, coin));
        ensure!(!is_false, Error::message("the coin is false"));
        let mut found = jars.get(&jar)?.unwrap_or_else(|| Jar::empty(jar));
        found.coins.push(coin);
        jars.put(found);
        Ok(())
    }

    #[on]
    fn weighed(event: &CoinWeighed, jars: &mut Views<Jar>) -> Result<()> {
        let CoinWeighed { jar, coin } = *event;
        let mut found = jars.get(&jar)?.unwrap_or_else(|| Jar::empty(jar));
        found.weighed.push(coin);
        jars.put(found);
        Ok(())
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(name = "FindModeledJar", returns = Jar)]
pub struct FindJar {
    pub jar: u32,
}

#[query_handler]
async fn find(query: FindJar, jars: Read<Jar>) -> Result<Jar> {
    let found = jars.get(&query.jar).await?;
    Ok(found.unwrap_or_else(|| Jar::empty(query.jar)))
}
