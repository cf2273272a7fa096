use cqrs_core::prelude::*;

#[derive(Query)]
#[query(returns = u64)]
struct CountProducts {
    name: String,
}

#[query_handler]
fn count(_: CountProducts) -> u64 {
    0
}

fn main() {}
