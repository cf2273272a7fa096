use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct CountProducts;

struct Handlers;

impl Handlers {
    #[query_handler]
    fn count(&self, _: CountProducts) -> u32 {
        0
    }
}

fn main() {}
