use cqrs_core::prelude::*;

struct Database;

fn main() {
    let _ = Dispatcher::builder().store(Database);
}
