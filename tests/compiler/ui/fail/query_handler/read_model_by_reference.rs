use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct CountProducts;

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct ProductView {
    #[key]
    id: String,
}

#[query_handler]
async fn count(_: CountProducts, _: &Read<ProductView>) -> u32 {
    0
}

fn main() {}
