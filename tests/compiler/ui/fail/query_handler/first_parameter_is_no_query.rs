use cqrs_core::prelude::*;

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct ProductView {
    #[key]
    id: String,
}

#[query_handler]
fn count(_: Read<ProductView>) -> u32 {
    0
}

fn main() {}
