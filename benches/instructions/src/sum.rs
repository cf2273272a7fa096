//! Two queries that do nothing but the call, one with an async handler.

use cqrs_core::prelude::*;

cqrs_core::module!();

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u64)]
pub struct Add {
    pub a: u64,
    pub b: u64,
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u64)]
pub struct AddLater {
    pub a: u64,
    pub b: u64,
}

#[query_handler]
fn add(query: Add) -> u64 {
    query.a.wrapping_add(query.b)
}

#[query_handler]
async fn add_later(query: AddLater) -> u64 {
    query.a.wrapping_add(query.b)
}
