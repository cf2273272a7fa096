use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct HowMany;

#[query_handler]
fn how_many(_: HowMany, _: ReadTx<Memory>) -> u32 {
    0
}

fn main() {}
