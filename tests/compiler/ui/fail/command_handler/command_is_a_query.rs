use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct CountProducts;

#[command_handler]
fn count(_: CountProducts) {}

fn main() {}
