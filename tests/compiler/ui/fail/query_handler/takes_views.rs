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
fn count(_: CountProducts, views: &mut Views<ProductView>) -> u32 {
    views.delete("P001");
    0
}

fn main() {}
