use cqrs_core::prelude::*;

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u32)]
struct CountProducts;

struct ProductView {
    id: String,
}

#[query_handler]
fn count(_: CountProducts, _: Read<ProductView>) -> u32 {
    0
}

fn main() {}
