use std::sync::Arc;

use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct CountProducts {}

trait Mailer: Send + Sync {}

#[query_handler]
fn count(_: CountProducts, _: Arc<dyn Mailer>) -> u32 {
    7
}

fn main() {}
