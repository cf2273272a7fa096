use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct CountProducts;

struct Prices;

#[query_handler]
fn count(_: CountProducts, _: &Prices) -> u32 {
    0
}

fn main() {}
