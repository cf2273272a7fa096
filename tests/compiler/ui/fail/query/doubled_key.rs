use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32, name = "CountAll", name = "CountProducts")]
struct CountProducts;

fn main() {}
