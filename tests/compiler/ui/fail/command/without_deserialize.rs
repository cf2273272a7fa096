use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize)]
struct CreateProduct {
    name: String,
}

fn main() {}
