use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(retruns = u32)]
struct CountProducts;

fn main() {}
