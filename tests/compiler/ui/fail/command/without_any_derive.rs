use cqrs_core::prelude::*;

#[derive(Command)]
struct CreateProduct {
    name: String,
}

#[command_handler]
fn create(_: CreateProduct) {}

fn main() {}
