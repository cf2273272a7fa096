use cqrs_core::prelude::*;

#[derive(Default)]
struct Product {
    exists: bool,
}

#[aggregate(id = String)]
impl Product {
    #[apply]
    fn created(&mut self) {
        self.exists = true;
    }
}

fn main() {}
