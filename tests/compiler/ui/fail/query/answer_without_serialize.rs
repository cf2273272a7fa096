use cqrs_core::prelude::*;

struct Statistics {
    products: u32,
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = Statistics)]
struct GetStatistics;

fn main() {}
