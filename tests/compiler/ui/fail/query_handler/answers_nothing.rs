use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct CountProducts;

#[query_handler]
async fn count(_: CountProducts) {}

fn main() {}
