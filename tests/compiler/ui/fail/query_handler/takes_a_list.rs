use cqrs_core::prelude::*;

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct ProductView {
    #[key]
    id: String,
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct HowMany;

#[query_handler]
fn how_many(_: HowMany, _: Vec<ProductView>) -> u32 {
    0
}

fn main() {}
