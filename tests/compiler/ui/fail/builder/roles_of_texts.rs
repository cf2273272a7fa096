use cqrs_core::prelude::*;

fn main() {
    let _ = Dispatcher::builder().roles(["commands", "queries"]);
}
