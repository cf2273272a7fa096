//! Two queries that do nothing but the call, one with an async handler.

use cqrs_core::prelude::*;

cqrs_core::module!();

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
pub struct Add {
    pub a: u32,
    pub b: u32,
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
pub struct AddLater {
    pub a: u32,
    pub b: u32,
}

#[query_handler]
fn add(query: Add) -> u32 {
    query.a.wrapping_add(query.b)
}

#[query_handler]
async fn add_later(query: AddLater) -> u32 {
    query.a.wrapping_add(query.b)
}
