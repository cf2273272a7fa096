use std::rc::Rc;

use cqrs_core::prelude::*;

#[derive(Command, Clone, Serialize, Deserialize)]
struct CreateProduct {
    name: Rc<str>,
}

fn main() {}
