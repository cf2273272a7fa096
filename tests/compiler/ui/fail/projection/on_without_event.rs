use cqrs_core::prelude::*;

struct ProductList;

#[projection(name = "products", version = 1)]
impl ProductList {
    #[on]
    fn created() {}
}

fn main() {}
