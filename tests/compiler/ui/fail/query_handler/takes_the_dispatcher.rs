use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct CountProducts;

#[query_handler]
fn count(_: CountProducts, _: &Dispatcher) -> u32 {
    0
}

fn main() {}
