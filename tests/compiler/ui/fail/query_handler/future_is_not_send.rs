use std::rc::Rc;

use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct CountProducts;

#[query_handler]
async fn count(_: CountProducts) -> u32 {
    let count = Rc::new(0);
    pause().await;
    *count
}

async fn pause() {}

fn main() {}
