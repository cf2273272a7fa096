use cqrs_core::prelude::*;

#[projection(name = "products", version = 1)]
struct ProductList;

fn main() {}
