use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize)]
#[query(returns = u32)]
struct CountProducts {
    category: String,
}

fn main() {}
