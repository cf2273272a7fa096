use cqrs_core::prelude::*;

#[aggregate(id = String)]
#[derive(Default)]
struct Product {
    exists: bool,
}

fn main() {}
