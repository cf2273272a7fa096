use std::sync::Arc;

use cqrs_core::prelude::*;

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct ProductView {
    #[key]
    id: String,
}

struct Product;

fn main() {
    let builder = Dispatcher::builder().log(Memory::new());
    let _ = builder.views_of::<Product>(Arc::new(Memory::new()));
}
