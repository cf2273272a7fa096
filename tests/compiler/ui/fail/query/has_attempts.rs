use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u64, attempts = 1)]
struct Count {}

fn main() {}
