use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct Count;

#[query_handler]
async fn count(_: Count, views: Reader<Memory>) -> u32 {
    let _ = views;
    0
}

fn main() {}
