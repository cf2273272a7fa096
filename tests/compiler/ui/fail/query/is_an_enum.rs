use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
enum Count {
    Products,
    Categories,
}

fn main() {}
