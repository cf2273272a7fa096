use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct CountProducts(String);

fn main() {}
