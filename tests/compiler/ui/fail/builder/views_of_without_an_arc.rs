use cqrs_core::prelude::*;

#[derive(ReadModel, Clone, Serialize, Deserialize)]
struct ProductView {
    #[key]
    id: String,
}

struct Product;

fn main() {
    let builder = Dispatcher::builder().log(Memory::new());
    let _ = builder.views_of::<ProductView>(Memory::new());
}
