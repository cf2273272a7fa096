use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = "u32")]
struct CountProducts;

fn main() {}
