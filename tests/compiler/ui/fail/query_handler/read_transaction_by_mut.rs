use cqrs_core::prelude::*;
use cqrs_sqlite::Sqlite;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct HowMany;

#[query_handler]
fn how_many(_: HowMany, _: &mut ReadTx<Sqlite>) -> u32 {
    0
}

fn main() {}
