use cqrs_core::prelude::*;

struct Product {
    exists: bool,
}

#[aggregate(id = String)]
impl Default for Product {
    fn default() -> Self {
        Self { exists: false }
    }
}

fn main() {}
